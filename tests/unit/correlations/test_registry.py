"""A correlation type is one object and one line in the registry: shown by a type that only tests know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from sessionwarden.authoring.editor_schema import schema_of
from sessionwarden.authoring.window_progress import figure_in_words, held, members_by_key
from sessionwarden.authoring.words import condition_in_words
from sessionwarden.correlations.bounds import bounds_in_words
from sessionwarden.correlations.quantities import Quantity
from sessionwarden.correlations.registry import TYPES, spellings
from sessionwarden.errors import RulesetError
from sessionwarden.model.rules import CompiledRule
from sessionwarden.ruleset.load import canonical_json, digest_of, load_ruleset
from tests.support.detection import MINUTE, START, accepted, event, rule, ruleset

NOW = START + MINUTE


class Largest:
    """The largest value that an interval holds."""

    def __init__(self) -> None:
        self.count = 0
        self._held: list[int] = []

    def add(self, time_step: int, payloads: Sequence[int]) -> None:
        self._held += payloads
        self.count = len(self._held)

    def drop(self, time_step: int, payloads: Sequence[int]) -> None:
        del self._held[: len(payloads)]
        self.count = len(self._held)

    def measure(self) -> int:
        return max(self._held)


class ValueMax(Quantity):
    """One file would hold this; the fixture below is the line in the registry."""

    name = "value_max"
    grows = whole_numbers = True

    def aggregate(self, rule: CompiledRule, *, span: int) -> Largest:
        return Largest()

    def in_words(self, rule: CompiledRule, names: Mapping[str, str]) -> str:
        return f"largest {rule.value_field} {bounds_in_words(rule.bounds)}"

    def unit(self, rule: CompiledRule) -> str:
        return f"(largest {rule.value_field})"


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TYPES, "value_max", ValueMax())


def largest(**changes: Any) -> CompiledRule:
    fields: dict[str, Any] = {"kind": "value_max", "value_field": "latency_ms", "threshold": 900}
    return rule("slow", **(fields | changes))


def test_the_engine_counts_a_new_type() -> None:
    happened = [event(1, latency_ms=899), event(2, at=5), event(3, at=9, latency_ms=900)]
    (finding,) = accepted(largest()).process(happened, now_ms=NOW).findings
    assert (finding.count, finding.value, finding.time) == (2, 900, START + 9)
    assert accepted(largest()).process(happened[:2], now_ms=NOW).findings == ()


def test_a_published_rule_of_a_new_type_is_loaded() -> None:
    forged = ruleset(largest())
    forged = msgspec.structs.replace(forged, digest=digest_of(forged))
    assert load_ruleset(canonical_json(forged)) == forged


@pytest.mark.parametrize(
    "changes",
    [
        {"value_field": "route"},
        {"value_field": None},
        {"threshold": 2**53},
        {"percentile": 5},
        {"bounds": ()},
    ],
)
def test_the_gate_holds_a_new_type_to_its_limits(changes: dict[str, Any]) -> None:
    with pytest.raises(RulesetError):
        accepted(largest(**changes))


def test_a_type_that_is_not_registered_is_refused() -> None:
    with pytest.raises(RulesetError, match="unknown type value_min"):
        accepted(largest(kind="value_min"))


def test_a_new_type_is_explained() -> None:
    one = largest()
    assert condition_in_words(one, {}) == "largest latency_ms at least 900 in 1m"
    (members,) = members_by_key(one, [event(1, latency_ms=700), event(2, at=1, latency_ms=300)]).values()
    found = held(one, members, until=START + 1)
    assert figure_in_words(one, found) == "700 of 900 (largest latency_ms)"


def test_editors_and_the_check_know_a_new_type() -> None:
    assert "value_max" in spellings()
    correlation = schema_of("rule")["properties"]["correlation"]
    assert "value_max" in correlation["properties"]["type"]["enum"]
    (its_own,) = [
        one for one in correlation["allOf"] if one["if"]["properties"]["type"]["const"] == "value_max"
    ]
    condition = its_own["then"]["properties"]["condition"]
    assert condition["properties"]["field"] == {"enum": ["latency_ms", "response_bytes", "sc-bytes"]}
