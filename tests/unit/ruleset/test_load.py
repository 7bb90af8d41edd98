"""Rule sets of this format and of the one before, as a deployment meets them in either order."""

from __future__ import annotations

import json
from typing import Any, Literal

import msgspec
import pytest

from sessionwarden.errors import RulesetError
from sessionwarden.ruleset.compiler.compile import dump_ruleset
from sessionwarden.ruleset.load import canonical_json, digest_of, load_ruleset
from tests.support.detection import rule, ruleset
from tests.support.published_sets import FORMAT_1_DIGEST, PUBLISHED_IN_FORMAT_1


def test_a_set_of_format_1_keeps_its_rules_and_its_digest_and_loses_its_policy() -> None:
    loaded = load_ruleset(PUBLISHED_IN_FORMAT_1)
    published = json.loads(PUBLISHED_IN_FORMAT_1)
    assert loaded.digest == FORMAT_1_DIGEST
    assert [one.id for one in loaded.rules] == [one["id"] for one in published["rules"]]
    assert b"policy" not in dump_ruleset(loaded)


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        (b'"enforcements_per_hour":7', b'"enforcements_per_hour":8'),
        (b'"format":1', b'"format":2'),
        (b'"format":1', b'"format":true'),
        (b'"format":1,', b""),
        (b'"rules":', b'"more":0,"rules":'),
    ],
)
def test_a_set_of_format_1_that_was_changed_is_refused(written: bytes, instead: bytes) -> None:
    assert written in PUBLISHED_IN_FORMAT_1
    with pytest.raises(RulesetError):
        load_ruleset(PUBLISHED_IN_FORMAT_1.replace(written, instead))


def test_a_set_of_format_2_holds_no_policy() -> None:
    made = json.loads(dump_ruleset(ruleset(rule())))
    with pytest.raises(RulesetError, match="policy"):
        load_ruleset(canonical_json(made | {"policy": {}}))


class RulesetOfFormat1(msgspec.Struct, forbid_unknown_fields=True):
    """What code from before the policy had a file of its own accepts of a set."""

    format: Literal[1]
    digest: str
    rules: tuple[Any, ...]
    policy: dict[str, Any]


def test_code_of_format_1_refuses_a_set_of_format_2_and_so_keeps_its_last_good_one() -> None:
    made = ruleset(rule())
    data = dump_ruleset(msgspec.structs.replace(made, digest=digest_of(made)))
    assert load_ruleset(data).rules == made.rules
    msgspec.json.decode(PUBLISHED_IN_FORMAT_1, type=RulesetOfFormat1)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(data, type=RulesetOfFormat1)
