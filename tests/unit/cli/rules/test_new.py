"""`sessionwarden rules new`: what it writes is valid, proved and harmless."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result

from sessionwarden.authoring.suite import read_suite
from sessionwarden.authoring.template import NEW_KINDS, SAMPLES
from tests.support.command_line import invoke


def new(folder: Path, name: str, *arguments: str) -> Result:
    return invoke("rules", "new", name, "--into", str(folder), *arguments)


@pytest.mark.parametrize("kind", NEW_KINDS)
@pytest.mark.parametrize("category", SAMPLES)
def test_a_new_rule_passes_check_and_its_cases_and_lacks_none(
    tmp_path: Path, category: str, kind: str
) -> None:
    result = new(tmp_path, "many-order-deletes", "--category", category, "--kind", kind)
    assert result.exit_code == 0, result.output
    assert invoke("rules", "check", str(tmp_path)).exit_code == 0
    tested = invoke("rules", "test", str(tmp_path), "--strict")
    assert tested.exit_code == 0, tested.output
    (rule,) = read_suite([tmp_path]).catalog.ruleset.rules
    assert (rule.title, rule.kind, rule.response.mode) == ("Many Order Deletes", kind, "observe")
    assert rule.response.actions == ("alert",)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    cases = tmp_path / "deletes.cases.yml"
    cases.write_text("mine")
    result = new(tmp_path, "deletes", "--category", "api_access")
    assert result.exit_code == 2
    assert "there already" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["deletes.cases.yml"]
    assert cases.read_text() == "mine"


@pytest.mark.parametrize("name", ["../up", "Upper", "a--b", "-a", "a_b", "", "x" * 61, "a\n"])
def test_a_name_that_is_no_file_of_ours_is_refused(tmp_path: Path, name: str) -> None:
    assert new(tmp_path, name, "--category", "api_access").exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_yaml_would_read_as_something_else_stays_a_title(tmp_path: Path) -> None:
    for name in ("null", "123", "no"):
        assert new(tmp_path, name, "--category", "api_access").exit_code == 0
    titles = {rule.title for rule in read_suite([tmp_path]).catalog.ruleset.rules}
    assert titles == {"Null", "123", "No"}


def test_two_new_rules_have_different_ids(tmp_path: Path) -> None:
    ids = set()
    for name in ("one", "two"):
        answer = json.loads(new(tmp_path, name, "--category", "identity", "--output", "json").output)
        ids.add(answer["id"])
        assert [Path(file).name for file in answer["files"]] == [f"{name}.yml", f"{name}.cases.yml"]
    assert len(ids) == 2


def test_a_new_rule_names_the_schema_of_the_folder_above_it(tmp_path: Path) -> None:
    invoke("rules", "schema", "--write", str(tmp_path))
    new(tmp_path / "abuse", "deletes", "--category", "api_access")
    rule, cases = (tmp_path / "abuse" / f"deletes{suffix}" for suffix in (".yml", ".cases.yml"))
    assert rule.read_text().count("# yaml-language-server: $schema=../schema/rule.schema.json\n") == 2
    assert cases.read_text().startswith("# yaml-language-server: $schema=../schema/cases.schema.json\n")
    assert "0 files now name theirs" in invoke("rules", "schema", "--write", str(tmp_path)).output
