"""The candidate rows of a log against all of them: the same findings, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import numpy as np
import pytest

from sessionwarden.adapters.memory.windows import NO_LIMIT, MemoryWindowStore
from sessionwarden.detection.batch import Outcome
from sessionwarden.detection.engine import Engine
from sessionwarden.model.event import Event
from sessionwarden.model.rules import Inner
from sessionwarden.replay.columns.columns import EventColumns, JoinedColumns, TextNumbers
from sessionwarden.replay.passes import coarse_counts
from sessionwarden.replay.passes.prefilter import Prefilter, candidate_rows
from sessionwarden.ruleset.compiled import CompiledRuleset
from tests.support.detection import HOUR, event, rule, ruleset, selection
from tests.support.histories.logs import Batches, deliveries, random_events, random_rules

HISTORIES = 180
SLICES = 6
MINUTE = 60_000


@pytest.fixture(autouse=True)
def soon_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coarse_counts, "PENDING", 5)
    monkeypatch.setattr(coarse_counts, "SORTED_AT_ONCE", 9)


def candidates(rules: CompiledRuleset, batches: Batches, *, secret: int) -> Batches:
    """The batches, less what a prefilter of them leaves out."""
    numbering = TextNumbers(secret)
    # two, as where several processes look at a log: one sees it, the other one decides
    eyes, prefilter = Prefilter(rules, numbering), Prefilter(rules, numbering)
    noted = []
    for now_ms, batch in batches:
        cut = len(batch) // 3
        parts = [EventColumns(some, eyes.fields, numbering) for some in (batch[:cut], batch[cut:])]
        noted.append(eyes.note(JoinedColumns(parts)))
        prefilter.merge(eyes.take(), reached_ms=now_ms)
    may_fire = prefilter.may_fire()
    return [
        (now_ms, [batch[row] for row in candidate_rows(notes, may_fire)])
        for (now_ms, batch), notes in zip(batches, noted, strict=True)
    ]


def outcomes(rules: CompiledRuleset, batches: Batches) -> Iterator[Outcome]:
    engine = Engine(rules, MemoryWindowStore(member_limit=NO_LIMIT))
    for now_ms, batch in batches:
        outcome = engine.process(batch, now_ms=now_ms)
        outcome.commit(outcome.findings)
        yield outcome


def findings(outcome: Outcome) -> object:
    return outcome.findings, [str(failure.error) for failure in outcome.failures]


def check(random: Random) -> tuple[int, int]:
    """Findings, and events that were left out."""
    span = random.choice((100, 1_000, MINUTE, 5 * MINUTE, HOUR))
    rules = random_rules(random, span)
    happened = list(random_events(random, count=random.randint(1, 60), within=random.choice((6, 60)) * span))
    batches = deliveries(random, happened, disorder=random.choice((0, span // 2, 6 * span)))
    some = candidates(rules, batches, secret=random.randrange(2**64))
    every = list(outcomes(rules, batches))
    for whole, less in zip(every, outcomes(rules, some), strict=True):
        assert findings(less) == findings(whole)
    left_out = sum(len(batch) for _, batch in batches) - sum(len(batch) for _, batch in some)
    return sum(len(outcome.findings) for outcome in every), left_out


@pytest.mark.parametrize("part", range(SLICES))
def test_an_engine_that_sees_the_candidate_rows_alone_finds_what_it_would_in_all(part: int) -> None:
    found = left_out = 0
    for seed in range(part, HISTORIES, SLICES):
        try:
            some, less = check(Random(seed))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        found, left_out = found + some, left_out + less
    assert found > HISTORIES // SLICES, "histories that never fire would prove nothing"
    assert left_out > HISTORIES // SLICES, "nor would a prefilter that leaves nothing out"


def burst(user: str, *, count: int, start: int, every: int) -> list[Event]:
    return [event(number, at=start + number * every, user=user) for number in range(count)]


@pytest.mark.parametrize("start", [0, MINUTE // 2, MINUTE - 1, 7 * MINUTE + 59_000])
def test_a_burst_is_a_candidate_wherever_the_borders_of_time_cells_lie(start: int) -> None:
    rules = ruleset(rule("count", timespan_ms=MINUTE, threshold=40))
    enough = burst("many", count=40, start=start, every=MINUTE // 40)
    too_few = burst("few", count=39, start=start, every=MINUTE // 400)
    spread = burst("slow", count=400, start=start, every=MINUTE // 10)
    batches = [(one.time, [one]) for one in sorted((*enough, *too_few, *spread), key=lambda one: one.time)]

    seen = {one.user for _, batch in candidates(rules, batches, secret=1) for one in batch}

    assert seen == {"many"}


def test_one_event_is_enough_beside_a_firing() -> None:
    failed = rule(
        "failed",
        emits=False,
        group_by=("user", "source_ip"),
        selections=(selection(["number", "status", [401]], rule="failed"),),
    )
    then = rule(
        "then",
        kind="temporal",
        bounds=(),
        steps=("failed", "changed"),
        inner=(Inner(rule="failed"),),
        selections=(selection(["number", "status", [204]], rule="changed"),),
    )
    happened = [*(event(number, at=number, status=401) for number in range(3)), event(3, at=9, status=204)]
    batches = [(happened[-1].time, happened)]

    assert candidates(ruleset(failed, then), batches, secret=1) == batches
    ((outcome,),) = [list(outcomes(ruleset(failed, then), batches))]
    assert [one.rule for one in outcome.findings] == ["then"]


def test_what_is_forgotten_after_a_day_has_been_judged() -> None:
    rules = ruleset(rule("count", timespan_ms=MINUTE, threshold=10))
    days = [burst(f"user-{day}", count=10, start=day * 24 * HOUR, every=10) for day in range(5)]
    batches = [(day[-1].time, day) for day in days]
    numbering = TextNumbers(1)
    prefilter = Prefilter(rules, numbering)
    noted = []
    for now_ms, batch in batches:
        noted.append(prefilter.note(EventColumns(batch, prefilter.fields, numbering)))
        prefilter.merge(prefilter.take(), reached_ms=now_ms)

    may_fire = prefilter.may_fire()

    assert [len(candidate_rows(notes, may_fire)) for notes in noted] == [10] * 5
    assert len(prefilter.may_fire()[0]) == len(np.unique(prefilter.may_fire()[0])) == 5
