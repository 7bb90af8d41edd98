"""How traffic that is not ordinary spreads over the windows table: hot partition keys, growing items.

    PYTHONPATH=src:. .venv/bin/python -m benchmarks.write_pattern

Enters: synthetic requests, second by second, dealt out to `--evaluators` processes as parallel Lambdas would
have them. They go through the real engine and window store; a stand-in for DynamoDB counts units by partition
key and second. Leaves: a table. Deterministic; nothing here measures time.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html

A partition takes 1,000 write and 3,000 read units a second, and one item cannot be split over two:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.cost_meter import KB, MeteredTable, steps
from benchmarks.measured_rules import TEN
from sessionwarden.adapters.dynamodb.shared_log import DynamoDBSharedLogStore
from sessionwarden.adapters.dynamodb.windows import DynamoDBWindowStore
from sessionwarden.detection.engine import Engine
from sessionwarden.model.event import Event
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.compiler.compile import compile_rules

RULES = Path(__file__).resolve().parents[1] / "rules"
EARLY_MS = 20_718 * 86_400_000
"""Midnight: the suppressed period of every rule begins."""
LATE_MS = EARLY_MS - 50_000
"""Every suppressed period is about to end: a member matters to the next one too, so that suppression stops no
write."""
WRITE_LIMIT = 1_000
READ_LIMIT = 3_000
EVALUATORS = 10
"""As many as the stack lets run at once."""
HEADER = """\
| traffic | partition keys | hottest: WCU/s | RCU/s | table: WCU/s | at the end | largest item KB |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |"""

MakeEngine = Callable[[CompiledRuleset, Any], Engine]


class Heat:
    """Units by second and partition key."""

    def __init__(self) -> None:
        self.second = 0
        self.writes: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self.reads: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self.largest_item = 0

    def wrote(self, call: str, key: str, size: int) -> None:
        """As of `TableMeter`."""
        self.writes[self.second][key] += steps(size, KB)
        self.largest_item = max(self.largest_item, size)

    def read(self, key: str, size: int) -> None:
        """As of `TableMeter`."""
        self.reads[self.second][key] += steps(size, 4 * KB)


class Scenario(NamedTuple):
    """Traffic of some seconds: for each second, what is requested in it."""

    name: str
    seconds: int
    start_ms: int
    requests: Sequence[Event]
    """In order of time."""


class Row(NamedTuple):
    """Units a second, at the worst second and over the last five; sizes in KB."""

    name: str
    per_second: float
    keys: int
    hottest_write: int
    hottest_read: int
    table_write: int
    table_write_after: float
    largest_item: float

    @property
    def throttles(self) -> bool:
        """Whether one partition key asks for more than any partition gives."""
        return self.hottest_write > WRITE_LIMIT or self.hottest_read > READ_LIMIT


def scenarios() -> Iterator[Scenario]:
    """What an operator would ask about."""
    yield _scenario("one user at 100/s", 100, 30, _one_user)
    yield _scenario("the same, as the suppressed period ends", 100, 40, _one_user, start_ms=LATE_MS)
    yield _scenario("one user at 4/s, who never matches", 4, 240, _one_user)
    yield _scenario("one address (NAT), 10,000 users, 1,000/s", 1_000, 20, _one_address)
    yield _scenario("the same, as the suppressed period ends", 1_000, 40, _one_address, start_ms=LATE_MS)
    yield _scenario("one address, refused, 1,000/s", 1_000, 20, _one_address_refused)
    yield _scenario(
        "the same, as the suppressed period ends", 1_000, 40, _one_address_refused, start_ms=LATE_MS
    )
    yield _scenario("1,000,000 addresses, refused, 1,000/s", 1_000, 10, _many_addresses)
    yield _scenario("one stolen session, 100,000 addresses, 100/s", 100, 20, _one_session)


def _scenario(
    name: str, per_second: int, seconds: int, who: Callable[[int], dict[str, Any]], start_ms: int = EARLY_MS
) -> Scenario:
    usual: dict[str, Any] = {
        "source": "api_access",
        "api_id": "api",
        "route": "GET /orders",
        "method": "GET",
        "path": "/orders",
        "status": 200,
        "response_bytes": 400,
        "latency_ms": 20,
        "user_agent": "app/1.0",
        "pool": "pool",
    }
    requests = [
        Event(id=f"r{number}", time=start_ms + number * 1000 // per_second, **(usual | who(number)))
        for number in range(per_second * seconds)
    ]
    return Scenario(name, seconds, start_ms, requests)


def _one_user(number: int) -> dict[str, Any]:
    return {"user": "u", "session": "s", "source_ip": "192.0.2.1"}


def _one_address(number: int) -> dict[str, Any]:
    person = number % 10_000
    return {"user": f"u{person}", "session": f"s{person}", "source_ip": "192.0.2.1"}


def _one_address_refused(number: int) -> dict[str, Any]:
    return {"status": 401, "source_ip": "192.0.2.1"}


def _many_addresses(number: int) -> dict[str, Any]:
    return {"status": 401, "source_ip": f"10.{number >> 16 & 15}.{number >> 8 & 255}.{number & 255}"}


def _one_session(number: int) -> dict[str, Any]:
    return {"user": "u", "session": "s", "source_ip": f"10.{number >> 8 & 255}.{number & 255}.1"}


def ten_rules() -> CompiledRuleset:
    """Ten rules of the shipped pack, over users, sessions and addresses."""
    return compile_rules([RULES / f"{name}.yml" for name in TEN], RULES / "policy.yml")


def with_own_sets(rules: CompiledRuleset, table: Any) -> Engine:
    """An evaluator whose shared logs are full: every key has sets of its own."""
    return Engine(rules, DynamoDBWindowStore(table, "windows"))


def with_shared_logs(rules: CompiledRuleset, table: Any) -> Engine:
    """An evaluator as it is deployed."""
    shared_logs = DynamoDBSharedLogStore(table, "windows")
    return Engine(rules, DynamoDBWindowStore(table, "windows"), shared_logs=shared_logs)


def with_segments(limit: int) -> MakeEngine:
    """Evaluators with sets of their own, of another size of segment than what is deployed."""

    def make_engine(rules: CompiledRuleset, table: Any) -> Engine:
        return Engine(rules, DynamoDBWindowStore(table, "windows", segment_limit=limit))

    return make_engine


def play(
    scenario: Scenario,
    rules: CompiledRuleset,
    *,
    evaluators: int = EVALUATORS,
    make_engine: MakeEngine = with_own_sets,
) -> Heat:
    """All of a scenario's requests: each evaluator has one batch a second, of what fell to it."""
    heat = Heat()
    table: Any = MeteredTable(heat)
    # each with a memory of its own, as processes have
    engines = [make_engine(rules, table) for _ in range(evaluators)]
    by_second: defaultdict[int, list[Event]] = defaultdict(list)
    for event in scenario.requests:
        by_second[(event.time - scenario.start_ms) // 1000].append(event)
    for second, events in sorted(by_second.items()):
        heat.second = second
        for turn, engine in enumerate(engines):
            batch = events[turn::evaluators]
            outcome = engine.process(batch, now_ms=scenario.start_ms + (second + 1) * 1000)
            outcome.commit(outcome.findings)
    return heat


def row(scenario: Scenario, heat: Heat) -> Row:
    """What a scenario asked of the table."""
    last = range(scenario.seconds - 5, scenario.seconds)
    return Row(
        name=scenario.name,
        per_second=len(scenario.requests) / scenario.seconds,
        keys=len({key for units in heat.writes.values() for key in units}),
        hottest_write=max(max(units.values()) for units in heat.writes.values()),
        hottest_read=max(max(units.values()) for units in heat.reads.values()),
        table_write=max(units.total() for units in heat.writes.values()),
        table_write_after=sum(heat.writes[second].total() for second in last) / len(last),
        largest_item=heat.largest_item / KB,
    )


def main() -> None:
    """Play every scenario, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--evaluators", type=int, default=EVALUATORS)
    parser.add_argument(
        "--segments", type=int, nargs="+", help="instead: a flood of one key by members a segment"
    )
    arguments = parser.parse_args()
    rules = ten_rules()
    if arguments.segments:
        compare_segments(rules, arguments.segments, evaluators=arguments.evaluators)
        return
    for title, make_engine in (("on shared logs", with_shared_logs), ("in sets of their own", with_own_sets)):
        print(f"\nten rules, {arguments.evaluators} evaluators, a batch a second each, keys {title}\n")
        print(HEADER)
        for scenario in scenarios():
            heat = play(scenario, rules, evaluators=arguments.evaluators, make_engine=make_engine)
            print(line(row(scenario, heat)))


def compare_segments(rules: CompiledRuleset, limits: Sequence[int], *, evaluators: int) -> None:
    """What a flood that nothing silences asks of its key, by the size of a segment."""
    flood = _scenario("flood", 1_000, 20, _one_address_refused, start_ms=LATE_MS)
    print("| members of a segment | WCU/s | RCU/s | largest item KB |")
    print("| ---: | ---: | ---: | ---: |")
    for limit in limits:
        one = row(flood, play(flood, rules, evaluators=evaluators, make_engine=with_segments(limit)))
        print(f"| {limit:,} | {one.hottest_write:,} | {one.hottest_read:,} | {one.largest_item:.1f} |")


def line(one: Row) -> str:
    """A row as the page shows it."""
    mark = " **throttled**" if one.throttles else ""
    return (
        f"| {one.name} | {one.keys:,} | {one.hottest_write:,}{mark} | {one.hottest_read:,}"
        f" | {one.table_write:,} | {one.table_write_after:,.0f} | {one.largest_item:.1f} |"
    )


if __name__ == "__main__":
    main()
