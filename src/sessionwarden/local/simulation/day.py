"""Simulates a day of one API's access log, with known abuse in it.

It makes lines in our access-log format, in the order of a real log, and the truth about them: which actors
were planted, for which rules. Invariants: the same arguments make the same bytes; users who are not planted
stay under every shipped threshold. Memory is bounded by a slice of the day, so a million lines need no more
than a thousand.
"""

from __future__ import annotations

import base64
import heapq
import itertools
import math
from collections.abc import Iterable, Iterator
from random import Random
from typing import NamedTuple

import msgspec

from sessionwarden.local.simulation.actors import Actor, Actors, make_actors
from sessionwarden.local.simulation.people import POOL, Person, PlannedRequest, make_people, visit
from sessionwarden.model.event import Event
from sessionwarden.sources.access_log.line import format_access_line

START_MS = 1_759_708_800_000
"""2025-10-06T00:00:00Z, a Monday. It is fixed, so that a seed always means the same log."""

DAY_MS = 86_400_000
SLICE_MS = 300_000
MIN_LINES = 5_000

_LINES_PER_PERSON = 100
_LINES_PER_VISITOR = 20
_VISIT = (3, 25)
_DISORDER_MS = 1_500
_REDELIVERED = 0.001


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """The truth file: the actors that a replay must find, and those that it must not."""

    seed: int
    lines: int
    planted: tuple[Actor, ...]
    lookalikes: tuple[Actor, ...]


class Written(NamedTuple):
    """A line of a log and when it was written (epoch ms)."""

    written_ms: int
    text: str


class Simulation(NamedTuple):
    """A log to be written out, and its truth."""

    lines: Iterator[str]
    truth: Truth


class _Line(NamedTuple):
    """A line, sorted by when it was written; `number` decides ties, so that texts are never compared."""

    written_ms: int
    number: int
    text: str


def simulate(*, lines: int, seed: int) -> Simulation:
    """A log of exactly `lines` lines (at least `MIN_LINES`), determined by `seed`."""
    if lines < MIN_LINES:
        raise ValueError(f"at least {MIN_LINES} lines")
    rng = Random(seed)  # noqa: S311  a seeded log, not a secret
    actors = make_actors(rng, start_ms=START_MS, actors_per_rule=3 + lines // 50_000)
    truth = Truth(seed=seed, lines=lines, planted=actors.planted, lookalikes=actors.lookalikes)
    return Simulation(_day(rng, actors, lines), truth)


def ordinary(*, lines: int, per_second: float, seed: int) -> Iterator[Written]:
    """Honest traffic only, at a constant rate, in the order of writing."""
    rng = Random(seed)  # noqa: S311  as above
    people = make_people(rng, max(lines // _LINES_PER_VISITOR, 1))
    numbers = itertools.count()
    waiting: list[_Line] = []
    begin, left = float(START_MS), lines
    while left > 0:
        length = min(left, rng.randint(*_VISIT))
        for request in visit(rng, rng.choice(people), round(begin), length):
            heapq.heappush(waiting, _line(rng, request, next(numbers)))
        left -= length
        begin += rng.expovariate(per_second / length / 1000)
        while waiting and waiting[0].written_ms < begin:
            line = heapq.heappop(waiting)
            yield Written(line.written_ms, line.text)
    while waiting:
        line = heapq.heappop(waiting)
        yield Written(line.written_ms, line.text)


def _day(rng: Random, actors: Actors, lines: int) -> Iterator[str]:
    people = make_people(rng, lines // _LINES_PER_PERSON)
    requests = sorted(actors.requests, key=lambda request: request.time)
    honest = lines - len(requests)
    waiting: list[_Line] = []
    numbers = itertools.count()
    position = 0
    for start_ms, budget in _slices(honest):
        end_ms = start_ms + SLICE_MS
        upto = position
        while upto < len(requests) and requests[upto].time < end_ms:
            upto += 1
        for request in requests[position:upto]:
            waiting.append(_line(rng, request, next(numbers)))
        position = upto
        waiting += _honest_lines(rng, people, start_ms, budget, numbers)
        waiting.sort()
        ready = sum(line.written_ms < end_ms for line in waiting)
        yield from (line.text for line in waiting[:ready])
        del waiting[:ready]
    yield from (line.text for line in waiting)


def _slices(honest: int) -> Iterator[tuple[int, int]]:
    """Slices of the day, each with its share of the honest lines: few at 02:00, many at 14:00."""
    count = DAY_MS // SLICE_MS
    weights = [1 - 0.8 * math.cos(2 * math.pi * (number / count - 2 / 24)) for number in range(count)]
    total, passed, given = math.fsum(weights), 0.0, 0
    for number, weight in enumerate(weights):
        passed += weight
        budget = round(honest * passed / total) - given
        given += budget
        yield START_MS + number * SLICE_MS, budget


def _honest_lines(
    rng: Random, people: list[Person], start_ms: int, budget: int, numbers: Iterator[int]
) -> Iterable[_Line]:
    left = budget
    while left > 0:
        begin = start_ms + rng.randrange(SLICE_MS)
        for request in visit(rng, rng.choice(people), begin, min(left, rng.randint(*_VISIT))):
            line = _line(rng, request, next(numbers))
            yield line
            left -= 1
            if left > 0 and rng.random() < _REDELIVERED:
                left -= 1
                yield line._replace(written_ms=line.written_ms + rng.randrange(30_000), number=next(numbers))
            if left == 0:
                return


def _line(rng: Random, request: PlannedRequest, number: int) -> _Line:
    latency_ms = 8 + round(rng.expovariate(1 / 40))
    written_ms = request.time + latency_ms + rng.randrange(_DISORDER_MS)
    return _Line(written_ms, number, format_access_line(_event(rng, request, latency_ms)))


def _event(rng: Random, request: PlannedRequest, latency_ms: int) -> Event:
    person = request.person
    return Event(
        id=base64.b64encode(rng.randbytes(11)).decode(),
        time=request.time,
        source="api_access",
        api_id="a1b2c3d4e5",
        stage="$default",
        route=request.route,
        method=request.route.partition(" ")[0] if " " in request.route else "GET",
        path=request.path,
        status=request.status,
        response_bytes=rng.randrange(120, 4_000) if request.status == 200 else 43,
        latency_ms=latency_ms,
        source_ip=request.source_ip,
        user_agent=request.agent,
        user=person and person.user,
        session=person and person.session,
        token=person and person.token,
        client=person and person.client,
        pool=person and POOL,
        decision=person and "allow",
        reason=person and "ok",
    )
