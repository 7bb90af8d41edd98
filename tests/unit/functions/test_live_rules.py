"""Which rule set a process runs, whatever is published and whatever cannot be read."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from functions.detect.live_rules import LiveRules, NothingToPoll
from sessionwarden.adapters.memory.windows import MemoryWindowStore
from sessionwarden.detection.engine import Engine
from sessionwarden.errors import RulesetError, RulesUnavailableError
from sessionwarden.model.finding import Finding
from sessionwarden.model.rules import CompiledRule
from sessionwarden.ports import NOTHING_PUBLISHED
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.load import canonical_json, digest_of
from tests.support.detection import MINUTE, START, events, response, rule, ruleset
from tests.support.published_sets import FORMAT_1_DIGEST, PUBLISHED_IN_FORMAT_1


def compiled(*rules: CompiledRule) -> CompiledRuleset:
    made = ruleset(*rules)
    return msgspec.structs.replace(made, digest=digest_of(made))


SHIPPED = compiled(rule("shipped"))
NEW = compiled(rule("new"))
NEWER = compiled(rule("newer"))
UNAVAILABLE = RulesUnavailableError("ThrottlingException")


class Answers:
    """What AppConfig says, poll by poll; then nothing new."""

    def __init__(self, *answers: bytes | Exception | None) -> None:
        self.answers = list(answers)

    def poll(self) -> bytes | None:
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer


def live(*answers: bytes | Exception | None, store: MemoryWindowStore | None = None) -> LiveRules:
    place = store or MemoryWindowStore()
    return LiveRules(
        published=Answers(*answers),
        shipped=lambda: canonical_json(SHIPPED),
        build=lambda ruleset: Engine(ruleset, place),
    )


def findings_of(rules: LiveRules, count: int = 3) -> Sequence[Finding]:
    return rules.read().engine.process(events(count), now_ms=START + MINUTE).findings


def test_the_published_set_is_run_and_named_on_findings() -> None:
    rules = live(canonical_json(NEW))
    (finding,) = findings_of(rules)
    assert (finding.rule, finding.ruleset_digest) == ("new", NEW.digest)


def test_a_set_published_with_its_policy_in_format_1_is_run_until_the_next_one() -> None:
    rules = live(PUBLISHED_IN_FORMAT_1, PUBLISHED_IN_FORMAT_1, canonical_json(NEW))
    first, again, after = rules.read(), rules.read(), rules.read()
    assert (first.origin, first.digest, first.refused) == ("published", FORMAT_1_DIGEST, None)
    assert (again.engine, again.changed) == (first.engine, False)
    assert (after.origin, after.digest) == ("published", NEW.digest)


def test_a_rollback_to_a_set_of_format_1_is_followed() -> None:
    rules = live(canonical_json(NEW), PUBLISHED_IN_FORMAT_1)
    rules.read()
    after = rules.read()
    assert (after.origin, after.digest, after.refused) == ("published", FORMAT_1_DIGEST, None)


def test_while_nothing_is_published_the_shipped_set_acts() -> None:
    rules = live(NOTHING_PUBLISHED)
    (finding,) = findings_of(rules)
    assert (finding.rule, finding.response.mode) == ("shipped", "enforce")
    assert rules.read().origin == "shipped"


def test_without_appconfig_the_shipped_set_acts() -> None:
    rules = LiveRules(
        published=NothingToPoll(),
        shipped=lambda: canonical_json(SHIPPED),
        build=lambda ruleset: Engine(ruleset, MemoryWindowStore()),
    )
    assert [rules.read().origin, rules.read().origin] == ["shipped", "shipped"]


BAD_SETS = {
    "not JSON": b"{",
    "another format": canonical_json(NEW).replace(b'"format":2', b'"format":3'),
    "damaged in format 1": PUBLISHED_IN_FORMAT_1.replace(b'"gte",', b'"gt",'),
    "damaged policy of format 1": PUBLISHED_IN_FORMAT_1.replace(b'"enforcements_per_hour":7', b'"x":7'),
    "damaged": canonical_json(NEW).replace(b"A burst", b"A joke"),
    "no timespan that an engine can hold": canonical_json(compiled(rule("new", timespan_ms=10**15))),
    "an expression that nobody compiled": canonical_json(
        compiled(rule("new", selections=(msgspec.structs.replace(rule().selections[0], expression=["?"]),)))
    ),
}


@pytest.mark.parametrize("bad", BAD_SETS.values(), ids=BAD_SETS)
def test_a_bad_set_is_refused_and_the_last_good_one_goes_on(bad: bytes) -> None:
    rules = live(canonical_json(NEW), bad)
    good = rules.read()
    after = rules.read()
    assert (after.digest, after.origin, after.engine) == (NEW.digest, "published", good.engine)
    assert after.refused
    assert rules.read().refused is None


@pytest.mark.parametrize("answer", [UNAVAILABLE, b"{"], ids=["unreachable", "bad"])
def test_a_process_that_never_saw_the_live_set_detects_with_the_shipped_one_and_acts_on_nobody(
    answer: bytes | Exception,
) -> None:
    rules = live(answer)
    first = rules.read()
    (finding,) = first.engine.process(events(3), now_ms=START + MINUTE).findings
    assert (first.origin, first.changed, first.digest) == ("fallback", True, SHIPPED.digest)
    assert (finding.rule, finding.response.mode) == ("shipped", "observe")
    assert rules.read().origin == "fallback"


def test_it_leaves_the_fallback_as_soon_as_it_is_told_what_is_live() -> None:
    for answer, origin in ((canonical_json(NEW), "published"), (NOTHING_PUBLISHED, "shipped")):
        rules = live(UNAVAILABLE, answer)
        assert rules.read().origin == "fallback"
        after = rules.read()
        assert (after.origin, after.changed) == (origin, True)


def test_a_failed_poll_leaves_the_live_set_in_use_and_is_told() -> None:
    rules = live(canonical_json(NEW), UNAVAILABLE)
    good = rules.read()
    after = rules.read()
    assert (after.engine, after.unavailable, after.changed) == (good.engine, "ThrottlingException", False)


def test_the_same_set_again_keeps_the_engine_and_what_it_remembers() -> None:
    rules = live(canonical_json(NEW), canonical_json(NEW))
    good = rules.read()
    again = rules.read()
    assert (again.engine, again.changed) == (good.engine, False)


def test_a_change_is_told_once() -> None:
    rules = live(canonical_json(NEW), None, canonical_json(NEWER))
    assert [rules.read().changed for _ in range(4)] == [True, False, True, False]


def test_a_reverted_first_deployment_brings_the_shipped_set_back() -> None:
    rules = live(canonical_json(NEW), NOTHING_PUBLISHED)
    rules.read()
    assert rules.read().digest == SHIPPED.digest


def test_a_rule_with_another_response_goes_on_counting_where_it_was() -> None:
    store = MemoryWindowStore()
    gentle = compiled(rule("burst"))
    milder = msgspec.structs.replace(response(), mode="observe")
    changed = compiled(rule("burst", response=milder, title="Renamed"))
    rules = live(canonical_json(gentle), canonical_json(changed), store=store)
    three = events(3)
    assert not rules.read().engine.process(three[:2], now_ms=START + MINUTE).findings
    (finding,) = rules.read().engine.process(three[2:], now_ms=START + MINUTE).findings
    assert (finding.count, finding.ruleset_digest) == (3, changed.digest)


def test_a_rule_that_counts_something_else_begins_anew() -> None:
    rules = live(
        canonical_json(compiled(rule("burst"))),
        canonical_json(compiled(rule("burst", window="another"))),
    )
    three = events(3)
    rules.read().engine.process(three[:2], now_ms=START + MINUTE)
    assert not rules.read().engine.process(three[2:], now_ms=START + MINUTE).findings


def test_without_any_usable_set_there_is_no_detection() -> None:
    rules = LiveRules(
        published=Answers(UNAVAILABLE),
        shipped=lambda: b"{",
        build=lambda ruleset: Engine(ruleset, MemoryWindowStore()),
    )
    with pytest.raises(RulesetError):
        rules.read()
