from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from benchmarks.cost_meter import Bill, MeteredTable
from benchmarks.write_pattern import (
    EARLY_MS,
    LATE_MS,
    WRITE_LIMIT,
    Heat,
    MakeEngine,
    Scenario,
    line,
    play,
    row,
    scenarios,
    ten_rules,
    with_own_sets,
    with_shared_logs,
)
from sessionwarden.model.event import Event
from tests.support.paths import PROJECT

RESULTS = PROJECT / "benchmarks/RESULTS.md"

NAMES = len("k" + "e#1" + "key" + "slot" + "expires_at" + "members") + 6 + 3


def add(table: MeteredTable, *members: bytes, limit: int = 100) -> None:
    table.update_item(
        Key={"key": {"S": "k"}, "slot": {"S": "e#1"}},
        ExpressionAttributeValues={":members": {"BS": members}, ":limit": {"N": str(limit)}},
    )


def test_a_write_is_counted_by_the_whole_item_and_a_repeated_member_once() -> None:
    heat = Heat()
    table = MeteredTable(heat)
    add(table, bytes(1024))
    assert heat.writes[0]["k"] == 2
    heat.second = 1
    add(table, bytes(1024))
    assert (heat.writes[1]["k"], heat.largest_item) == (2, NAMES + 1025)


def test_a_write_that_a_full_set_refuses_costs_its_item() -> None:
    heat = Heat()
    table = MeteredTable(heat)
    add(table, bytes(2000), limit=1)
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        add(table, b"more", limit=1)
    assert heat.writes[0]["k"] == 2 + 2


def test_a_read_is_counted_by_all_items_of_its_range() -> None:
    heat = Heat()
    table = MeteredTable(heat)
    add(table, bytes(5000))
    values: dict[str, Any] = {":key": {"S": "k"}, ":first": {"S": "e#0"}, ":last": {"S": "e#2"}}
    assert len(table.query(ExpressionAttributeValues=values)["Items"]) == 1
    assert heat.reads[0]["k"] == 2
    table.query(ExpressionAttributeValues=values | {":key": {"S": "unknown"}})
    assert heat.reads[0]["unknown"] == 1


def test_a_bill_counts_the_same_calls_in_units_and_a_number_that_is_taken_costs_one() -> None:
    bill = Bill()
    table = MeteredTable(bill)
    add(table, bytes(3000))
    item = {"key": {"S": "k"}, "slot": {"S": "s#1"}, "members": {"B": b"a"}}
    table.put_item(Item=item, ConditionExpression="attribute_not_exists(slot)")
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        table.put_item(Item=item, ConditionExpression="attribute_not_exists(slot)")
    table.query(ExpressionAttributeValues={":key": {"S": "k"}, ":first": {"S": "e"}, ":last": {"S": "t"}})
    assert bill.calls == {"UpdateItem": 1, "PutItem": 2, "Query": 1}
    assert bill.units == {"dynamodb_write": 3 + 1 + 1, "dynamodb_read": 1}


def flood(seconds: int, *, per_second: int = 100, start_ms: int = EARLY_MS) -> Scenario:
    requests = [
        Event(
            id=str(number),
            time=start_ms + number * 1000 // per_second,
            source="api_access",
            status=401,
            source_ip="192.0.2.1",
        )
        for number in range(seconds * per_second)
    ]
    return Scenario("flood", seconds, start_ms, requests)


def test_a_flood_that_was_found_costs_nothing_more_while_its_period_is_suppressed() -> None:
    scenario = flood(10)
    heat = play(scenario, ten_rules(), evaluators=2)
    told = row(scenario, heat)
    assert told.hottest_write > 0
    assert told.table_write_after == 0
    assert not told.throttles


def test_a_flood_that_nothing_silences_stays_far_from_what_a_partition_gives() -> None:
    # 5,000 members: as one item, ten evaluators would rewrite 54 KB each second
    scenario = flood(5, per_second=1_000, start_ms=LATE_MS)
    told = row(scenario, play(scenario, ten_rules()))
    assert told.hottest_write < WRITE_LIMIT / 5


@pytest.mark.parametrize("make_engine", [with_shared_logs, with_own_sets])
def test_the_results_show_what_the_script_prints(make_engine: MakeEngine) -> None:
    first = next(scenarios())
    printed = line(row(first, play(first, ten_rules(), make_engine=make_engine)))
    assert printed in RESULTS.read_text(encoding="utf-8")


def test_the_simulation_is_deterministic() -> None:
    first, second = (play(flood(3), ten_rules(), evaluators=3) for _ in range(2))
    assert (first.writes, first.reads, first.largest_item) == (
        second.writes,
        second.reads,
        second.largest_item,
    )
