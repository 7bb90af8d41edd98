"""The engine of replay against the engine over a store: the same batches, the same findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionwarden.adapters.memory.windows import MemoryWindowStore
from sessionwarden.detection.batch import Outcome
from sessionwarden.detection.engine import Engine
from sessionwarden.detection.evidence import SHOWN_EVENTS
from sessionwarden.detection.in_process import InProcessEngine
from sessionwarden.detection.windows.group_key import value_text
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.ruleset.compiled import CompiledRule, CompiledRuleset
from tests.support.detection import HOUR, event, rule, ruleset, selection, single
from tests.support.histories.rules import random_rules as rules_of_all_kinds
from tests.support.histories.rules import sampled_counts

HISTORIES = 1_200
SLICES = 6
Batches = list[tuple[int, list[Event]]]
"""The time that the log has reached, and what comes next."""


def random_rules(random: Random, span: int) -> CompiledRuleset:
    """Rules of all kinds: those below have logs of their own in replay, and so have some of the others."""
    counted = {one.id: one for one in (*counting_rules(random, span), *sampled_counts(random, span))}
    others = {one.id: one for one in rules_of_all_kinds(random, span).rules}
    return ruleset(*(others | counted).values())


def counting_rules(random: Random, span: int) -> tuple[CompiledRule, ...]:
    def cooldown() -> int:
        return random.choice((span // 3 + 1, span, span + span // 2, 2 * span, 1000 * span))

    both = (selection(), selection(["exists", "session"], category="api_authorizer"))
    values: dict[str, Any] = {"kind": "value_count", "timespan_ms": span}
    return (
        rule("count", timespan_ms=span, threshold=random.randint(1, 5), cooldown_ms=cooldown()),
        # shares the window of the first rule, not its threshold nor its slots
        rule(
            "stricter",
            window="window-of-count",
            timespan_ms=span,
            threshold=random.randint(2, 6),
            cooldown_ms=cooldown(),
        ),
        rule(
            "everywhere",
            timespan_ms=2 * span,
            threshold=random.randint(2, 6),
            cooldown_ms=cooldown(),
            selections=both,
            group_by=("user", "source_ip"),
        ),
        rule("routes", value_field="route", threshold=random.randint(1, 4), cooldown_ms=cooldown(), **values),
        rule(
            "addresses",
            value_field="source_ip",
            threshold=random.randint(2, 4),
            cooldown_ms=cooldown(),
            selections=both,
            group_by=("session",),
            **values,
        ),
        single(cooldown_ms=cooldown(), selections=(selection(["number", "status", [500]]),)),
    )


def random_events(random: Random, *, count: int, within: int) -> Iterator[Event]:
    for number in range(count):
        yield event(
            # ids repeat: at one time it is one event, seen by two sources or at two times it is two
            number if random.random() < 0.9 else 0,
            at=random.randrange(within),
            source=random.choice(("api_access", "api_access", "api_authorizer")),
            user=random.choice(("alice", "alice", "bob", None)),
            pool=random.choice((None, None, "pool")),
            session=random.choice((None, "s-1", "s-2")),
            route=random.choice((None, "GET /a", "GET /b", "GET /c", "GET /d")),
            source_ip=random.choice(("192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", None)),
            status=random.choice((200, 200, 500)),
            username=random.choice((None, "alice", "bob")),
            response_bytes=random.choice((None, 0, 1, 2, 5)),
            decision=random.choice((None, None, None, "deny")),
        )


def deliveries(random: Random, happened: list[Event], *, disorder: int) -> Batches:
    """About in order of time, some of them again, cut into batches."""
    sent = [*happened, *(random.choice(happened) for _ in range(random.randint(0, len(happened) // 2)))]
    sent.sort(key=lambda one: one.time + random.randint(0, disorder))
    batches: Batches = []
    reached = 0
    while sent:
        size = random.choice((1, 3, 12))
        batch, sent = sent[:size], sent[size:]
        reached = max(reached, *(one.time for one in batch))
        batches.append((reached, batch))
    return batches


def outcomes(engine: Engine | InProcessEngine, batches: Batches) -> Iterator[Outcome]:
    for now_ms, batch in batches:
        outcome = engine.process(batch, now_ms=now_ms)
        engine.commit(outcome.findings)
        yield outcome


def both(rules: CompiledRuleset, batches: Batches) -> Iterator[tuple[Outcome, Outcome]]:
    stored = outcomes(Engine(rules, MemoryWindowStore()), batches)
    return zip(stored, outcomes(InProcessEngine(rules), batches), strict=True)


def check_equal(random: Random) -> int:
    span = random.choice((7, 32, 40, 100, 1000))
    rules = random_rules(random, span)
    happened = list(random_events(random, count=random.randint(1, 40), within=6 * span))
    batches = deliveries(random, happened, disorder=random.choice((0, span // 2, 6 * span)))
    found = 0
    for stored, in_process in both(rules, batches):
        assert without_choice(in_process, rules) == without_choice(stored, rules)
        for one in in_process.findings:
            check_values(one, rules, happened)
        found += len(stored.findings)
    return found


def without_choice(outcome: Outcome, rules: CompiledRuleset) -> Outcome:
    """Less the one thing that may differ: by which of its events a value is shown that was seen often."""
    counts_values = {one.id for one in rules.rules if one.kind == "value_count"}
    findings = tuple(
        msgspec.structs.replace(one, events=(), first_time=0) if one.rule in counts_values else one
        for one in outcome.findings
    )
    return replace(outcome, findings=findings)


def check_values(finding: Finding, rules: CompiledRuleset, happened: list[Event]) -> None:
    rule = next(one for one in rules.rules if one.id == finding.rule)
    field = rule.value_field
    if rule.kind != "value_count" or rule.inner or field is None:
        return
    values = {
        (one.id, value_text(field, getattr(one, field)))
        for one in happened
        if getattr(one, field) is not None
    }
    shown = set(finding.events)
    assert len(finding.events) == min(finding.count, SHOWN_EVENTS)
    assert shown <= {one for one, _ in values}
    assert len({value for one, value in values if one in shown}) >= len(shown - {"id-0"})


@pytest.mark.parametrize("part", range(SLICES))
def test_findings_evidence_and_counts_are_those_of_the_engine_over_a_store(part: int) -> None:
    found = 0
    for seed in range(part, HISTORIES, SLICES):
        try:
            found += check_equal(Random(seed))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    assert found > HISTORIES // SLICES, "histories that never fire would prove nothing"


@settings(max_examples=150, deadline=None, derandomize=True)
@given(random=st.randoms(use_true_random=False))
def test_the_same_holds_for_histories_that_shrink(random: Random) -> None:
    check_equal(random)


def shown(findings: Sequence[Finding]) -> list[Any]:
    return [(one.id, one.time, one.count, one.key, one.user) for one in findings]


def test_what_is_forgotten_after_days_was_of_no_use() -> None:
    """Events of a week, some more than a day late; evidence may be shorter, since old ids are forgotten."""
    late = found = 0
    for seed in range(15):
        random = Random(seed)
        span = random.choice((HOUR // 2, 3 * HOUR, 30 * HOUR))
        rules = random_rules(random, span)
        happened = list(random_events(random, count=250, within=random.choice((3, 8)) * 24 * HOUR))
        batches = deliveries(random, happened, disorder=random.choice((span // 4, 20 * HOUR, 40 * HOUR)))
        for stored, in_process in both(rules, batches):
            assert shown(in_process.findings) == shown(stored.findings), seed
            assert (in_process.late, in_process.future) == (stored.late, stored.future)
            for one, other in zip(in_process.findings, stored.findings, strict=True):
                assert set(one.events) <= {happening.id for happening in happened}
                assert one.first_time <= other.time
            late += stored.late
            found += len(stored.findings)
    assert late > 100
    assert found > 500


def test_a_finding_that_was_not_accepted_is_raised_again_with_the_next_delivery() -> None:
    for seed in range(60):
        random = Random(seed)
        span = random.choice((7, 40, 1000))
        rules = random_rules(random, span)
        happened = list(random_events(random, count=30, within=6 * span))
        batches = deliveries(random, happened, disorder=span)
        expected = {
            one.id
            for outcome in outcomes(Engine(rules, MemoryWindowStore()), batches)
            for one in outcome.findings
        }
        engine, accepted = InProcessEngine(rules), set[str]()
        for now_ms, batch in batches:
            again = batch
            while again:
                outcome = engine.process(again, now_ms=now_ms)
                taken = [one for one in outcome.findings if random.random() < 0.5]
                engine.commit(taken)
                accepted.update(one.id for one in taken)
                refused = {one.id for one in outcome.findings} - {one.id for one in taken}
                indices = sorted({index for one in refused for index in outcome.origins[one]})
                again = [again[index] for index in indices]
        assert accepted == expected, seed


def test_the_same_batches_give_the_same_bytes() -> None:
    random = Random(1)
    rules = random_rules(random, 1000)
    happened = list(random_events(random, count=300, within=30_000))
    batches = deliveries(random, happened, disorder=500)
    first, second = (
        [msgspec.json.encode(one.findings) for one in outcomes(InProcessEngine(rules), batches)]
        for _ in range(2)
    )
    assert first == second
    assert any(len(text) > 2 for text in first)
