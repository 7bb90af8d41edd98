from __future__ import annotations

from sessionwarden.authoring.schema_files import with_modelines


def test_a_schema_that_a_rule_author_named_already_stays() -> None:
    text = "# yaml-language-server: $schema=https://example.org/s.json\ntitle: A\n"
    assert with_modelines(text, "# other") == text
