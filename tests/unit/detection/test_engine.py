from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sessionwarden.adapters.memory.windows import MemoryWindowStore
from sessionwarden.correlations.counts import MAX_EVENTS, MAX_VALUES
from sessionwarden.correlations.values import ID_TEXT_LIMIT
from sessionwarden.detection.acceptance import LATE_MS, SKEW_MS
from sessionwarden.detection.engine import Engine
from sessionwarden.detection.windows import key_state as module
from sessionwarden.detection.windows.plan import Watch
from sessionwarden.errors import RulesetError, StoreError
from sessionwarden.model.deny import DENYLIST_REASONS
from sessionwarden.model.event import Event
from sessionwarden.model.rules import CompiledRule
from sessionwarden.ports import MEMBER_LIMIT
from tests.support.detection import (
    HOUR,
    MINUTE,
    START,
    accepted,
    event,
    events,
    rule,
    ruleset,
    selection,
    single,
)

NOW = START + MINUTE


class CountingStore(MemoryWindowStore):
    """Counts calls, and fails for the keys it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.failing: set[str] = set()
        self.expiries: dict[Any, int] = {}

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name in self.failing:
            raise StoreError(name)

    def add(
        self, additions: Any, *, expires_at: Mapping[tuple[str, int], int], limit: int | None = None
    ) -> Any:
        self._called("add")
        self.expiries |= expires_at
        return super().add(additions, expires_at=expires_at, limit=limit)

    def read(self, key: str, epochs: Any) -> Any:
        self._called("read")
        return super().read(key, epochs)

    def suppressed(self, key: str, periods: Any) -> frozenset[int]:
        self._called("suppressed")
        return super().suppressed(key, periods)

    def suppress(self, key: str, period: int, *, expires_at: int) -> None:
        self._called("suppress")
        self.expiries[key, period] = expires_at
        super().suppress(key, period, expires_at=expires_at)


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


def found(happened: list[Event], *rules: CompiledRule, store: MemoryWindowStore | None = None) -> list[Any]:
    engine = Engine(ruleset(*rules), store or MemoryWindowStore())
    return list(engine.process(happened, now_ms=NOW).findings)


def test_a_finding_tells_who_when_and_what() -> None:
    happened = events(
        3,
        fields=lambda number: {
            "session": f"s-{number}",
            "pool": "p",
            "username": "Alice",
            "groups": ("g",),
            "api_id": "api",
            "route": "GET /",
            "client": "c",
            "identity": "i",
        },
    )
    (finding,) = found(happened, rule(level="critical", title="Too fast"))
    assert (finding.rule, finding.title, finding.level, finding.ruleset_digest) == (
        "burst",
        "Too fast",
        "critical",
        "digest",
    )
    assert finding.key == {"user": "alice"}
    assert (finding.first_time, finding.time, finding.count) == (START, START + 2000, 3)
    assert finding.events == ("id-0", "id-1", "id-2")
    assert (finding.pool, finding.user, finding.username, finding.session) == ("p", "alice", "Alice", "s-2")
    assert (finding.groups, finding.api_id, finding.route, finding.client) == (("g",), "api", "GET /", "c")
    assert (finding.identity, finding.source_ip) == ("i", "192.0.2.1")


def test_one_event_less_than_the_threshold_is_no_finding() -> None:
    assert found(events(2), rule()) == []


def test_a_record_delivered_again_counts_once() -> None:
    assert found(events(2) * 50, rule()) == []


def test_records_of_two_sources_about_one_request_are_two_events() -> None:
    selections = (selection(), selection(category="api_authorizer"))
    pair = [event(1), event(1, source="api_authorizer")]
    assert len(found(pair, rule(threshold=2, selections=selections))) == 1


def test_an_event_that_two_selections_match_counts_once() -> None:
    selections = (selection(), selection(["exists", "source_ip"]))
    assert found([event(1)], rule(threshold=2, selections=selections)) == []


def test_a_rule_sees_its_own_category_only() -> None:
    assert found([event(number, source="identity") for number in range(5)], rule()) == []


def test_our_own_refusals_do_not_feed_rules_on_the_access_log(store: CountingStore) -> None:
    engine = Engine(ruleset(rule(), single()), store)
    outcome = engine.process([event(number, decision="deny") for number in range(5)], now_ms=NOW)
    assert (outcome.findings, outcome.refused, store.calls) == ((), 5, [])


def test_a_bad_token_does_not_make_its_address_invisible() -> None:
    happened = [event(number, at=number, decision="deny", reason="bad_signature") for number in range(3)]
    assert len(found(happened, rule())) == 1


def test_what_the_denylist_refused_feeds_no_rule_on_the_access_log() -> None:
    for reason in DENYLIST_REASONS:
        happened = [event(number, at=number, decision="deny", reason=reason) for number in range(3)]
        assert found(happened, rule()) == []


def test_a_rule_on_the_authorizer_sees_its_refusals() -> None:
    happened = [event(number, at=number, source="api_authorizer", decision="deny") for number in range(3)]
    assert len(found(happened, rule(selections=(selection(category="api_authorizer"),)))) == 1


def test_a_requests_answer_of_the_upstream_is_no_refusal_of_ours() -> None:
    assert (
        len(found([event(number, at=number, decision="allow", status=403) for number in range(3)], rule()))
        == 1
    )


def test_late_and_future_events_are_dropped_and_counted() -> None:
    engine = Engine(ruleset(rule(threshold=1, timespan_ms=48 * HOUR)), MemoryWindowStore())
    outcome = engine.process([event(1)], now_ms=START + LATE_MS + 1)
    assert (outcome.late, outcome.future, outcome.findings) == (1, 0, ())
    outcome = engine.process([event(2)], now_ms=START - SKEW_MS - 1)
    assert (outcome.late, outcome.future, outcome.findings) == (0, 1, ())


@pytest.mark.parametrize("now_ms", [START + LATE_MS, START - SKEW_MS])
def test_the_oldest_and_the_newest_event_that_still_count(now_ms: int) -> None:
    engine = Engine(ruleset(rule(threshold=1)), MemoryWindowStore())
    assert len(engine.process([event(1)], now_ms=now_ms).findings) == 1


def test_sets_and_marks_outlive_every_event_that_can_need_them(store: CountingStore) -> None:
    engine = Engine(ruleset(rule()), store)
    outcome = engine.process(events(3), now_ms=NOW)
    outcome.commit(outcome.findings)
    needed = (START + MINUTE + LATE_MS) // 1000
    assert len(store.expiries) == 2
    assert all(needed < expiry < needed + 3 * 3600 for expiry in store.expiries.values())


def test_a_committed_finding_is_not_raised_again(store: CountingStore) -> None:
    rules = ruleset(rule())
    engine = Engine(rules, store)
    outcome = engine.process(events(3), now_ms=NOW)
    outcome.commit(outcome.findings)
    assert Engine(rules, store).process(events(4), now_ms=NOW).findings == ()


def test_an_uncommitted_finding_is_raised_again_under_the_same_id(store: CountingStore) -> None:
    rules = ruleset(
        rule(), rule("values", kind="value_count", value_field="source_ip", threshold=1), single()
    )
    engine = Engine(rules, store)
    outcome = engine.process(events(3), now_ms=NOW)
    first = outcome.findings
    outcome.commit([])
    again = engine.process(events(3), now_ms=NOW).findings
    assert {finding.id for finding in first} == {finding.id for finding in again}
    assert len(again) == 3


def test_while_a_period_is_suppressed_its_key_costs_nothing(store: CountingStore) -> None:
    engine = Engine(ruleset(rule()), store)
    outcome = engine.process(events(3), now_ms=NOW)
    outcome.commit(outcome.findings)
    store.calls.clear()
    engine.process([event(number, at=4000 + number) for number in range(100)], now_ms=NOW)
    assert store.calls == []
    engine.process([event(1, at=4000, user="bob")], now_ms=NOW)
    assert store.calls == ["add", "read"]


def test_writes_resume_one_timespan_before_the_period_ends(store: CountingStore) -> None:
    engine = Engine(ruleset(rule()), store)
    outcome = engine.process(events(3), now_ms=NOW)
    outcome.commit(outcome.findings)
    end = (START // HOUR + 1) * HOUR - START
    store.calls.clear()
    engine.process([event(7, at=end - MINUTE)], now_ms=START + end)
    assert store.calls == []
    around = [event(8, at=end - MINUTE + 1), event(9, at=end - 1), event(10, at=end)]
    (finding,) = engine.process(around, now_ms=START + end).findings
    assert finding.time == START + end


def test_rules_that_share_a_window_share_its_writes_and_suppress_apart(store: CountingStore) -> None:
    shared: dict[str, Any] = {"window": "shared"}
    engine = Engine(ruleset(rule("low", threshold=2, **shared), rule("high", threshold=4, **shared)), store)
    outcome = engine.process(events(3), now_ms=NOW)
    first = outcome.findings
    assert [finding.rule for finding in first] == ["low"]
    assert store.calls == ["add", "read", "suppressed"]
    outcome.commit(first)
    second = engine.process([event(9, at=9000)], now_ms=NOW).findings
    assert [finding.rule for finding in second] == ["high"]


def test_a_value_already_committed_costs_nothing(store: CountingStore) -> None:
    engine = Engine(ruleset(rule(kind="value_count", value_field="source_ip", threshold=5)), store)
    outcome = engine.process([event(1)], now_ms=NOW)
    outcome.commit(outcome.findings)
    store.calls.clear()
    engine.process([event(2, at=1)], now_ms=NOW)
    assert store.calls == []


def test_evidence_reaches_back_over_batches_and_holds_twenty_ids() -> None:
    engine = Engine(ruleset(rule(threshold=30)), MemoryWindowStore())
    happened = events(30, step=100)
    findings = [finding for one in happened for finding in engine.process([one], now_ms=NOW).findings]
    assert [finding.events for finding in findings] == [tuple(f"id-{number}" for number in range(10, 30))]


def test_evidence_of_a_value_count_shows_one_event_for_each_value() -> None:
    happened = events(9, fields=lambda number: {"source_ip": f"192.0.2.{number // 3}"})
    (finding,) = found(happened, rule(kind="value_count", value_field="source_ip"))
    assert (finding.count, finding.events) == (3, ("id-2", "id-5", "id-6"))
    assert (finding.time, finding.first_time) == (START + 6000, START)


def test_ids_and_keys_of_any_length_leave_a_small_finding() -> None:
    happened = [
        Event(id=f"{number}" * 100_000, time=START + number, source="api_access", user="u" * 100_000)
        for number in range(3)
    ]
    (finding,) = found(happened, rule())
    assert max(map(len, finding.events)) == ID_TEXT_LIMIT
    assert len(finding.key["user"]) == 1024


def test_when_the_crossing_event_was_seen_elsewhere_the_latest_of_the_batch_stands_for_it() -> None:
    store = MemoryWindowStore()
    rules = ruleset(rule())
    elsewhere = Engine(rules, store)
    batch = elsewhere.collect(events(3), now_ms=NOW)
    elsewhere.write(batch)
    (finding,) = Engine(rules, store).process([event(9, at=9000, session="s")], now_ms=NOW).findings
    assert (finding.time, finding.user, finding.session) == (START + 2000, "alice", "s")
    assert finding.events == ()


def test_a_single_event_rule_fires_once_a_period(store: CountingStore) -> None:
    engine = Engine(ruleset(single()), store)
    outcome = engine.process([event(2, at=5), event(1, at=3), event(3, at=9, user="bob")], now_ms=NOW)
    assert [(finding.key["user"], finding.events, finding.count) for finding in outcome.findings] == [
        ("alice", ("id-1",), 1),
        ("bob", ("id-3",), 1),
    ]
    outcome.commit(outcome.findings)
    store.calls.clear()
    assert engine.process([event(4, at=10)], now_ms=NOW).findings == ()
    assert store.calls == []
    assert len(engine.process([event(5, at=HOUR)], now_ms=NOW + HOUR).findings) == 1


def test_findings_come_in_order_of_time() -> None:
    happened = [event(number, at=100 - number, user=f"user-{number}") for number in range(9)]
    times = [finding.time for finding in found(happened, single("b"), single("a"))]
    assert times == sorted(times)
    assert len(times) == 18


def test_a_failing_key_fails_alone_and_names_its_events(store: CountingStore) -> None:
    class Poisoned(MemoryWindowStore):
        def add(self, additions: Any, *, expires_at: Any, limit: int | None = None) -> Any:
            if any(len(members) == 2 for members in additions.values()):
                raise StoreError("throttled")
            return super().add(additions, expires_at=expires_at, limit=limit)

    engine = Engine(ruleset(rule(threshold=1)), Poisoned())
    happened = [event(1), event(2, user="bob"), event(3)]
    outcome = engine.process(happened, now_ms=NOW)
    assert [finding.user for finding in outcome.findings] == ["bob"]
    assert [(failure.index, str(failure.error)) for failure in outcome.failures] == [
        (0, "throttled"),
        (2, "throttled"),
    ]


@pytest.mark.parametrize("operation", ["add", "read", "suppressed"])
def test_a_store_that_fails_in_any_step_has_the_events_delivered_again(
    store: CountingStore, operation: str
) -> None:
    engine = Engine(ruleset(rule()), store)
    store.failing = {operation}
    outcome = engine.process(events(3), now_ms=NOW)
    assert ({failure.index for failure in outcome.failures}, outcome.findings) == ({0, 1, 2}, ())
    store.failing = set()
    assert len(engine.process(events(3), now_ms=NOW).findings) == 1


def test_a_suppress_that_fails_is_told_after_all_were_tried(store: CountingStore) -> None:
    engine = Engine(ruleset(single("a"), single("b")), store)
    outcome = engine.process([event(1)], now_ms=NOW)
    store.failing = {"suppress"}
    with pytest.raises(StoreError):
        outcome.commit(outcome.findings)
    assert store.calls.count("suppress") == 2


def test_an_event_is_asked_only_of_rules_that_could_match(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"at-{number}" for number in range(20)]
    engine = Engine(
        ruleset(
            *(
                rule(name, threshold=1, selections=(selection(["equals", "path", [f"/{name}"]]),))
                for name in names
            )
        ),
        MemoryWindowStore(),
    )
    asked: list[str] = []
    watching = engine._watches["api_access"]

    def noting(watch: Watch) -> Watch:
        def matches(seen: Event) -> bool:
            asked.append(watch.window.rules[0].rule.id)
            return watch.matches(seen)

        return watch._replace(matches=matches)

    watches = tuple(map(noting, watching.watches))
    monkeypatch.setattr(engine, "_watches", {"api_access": watching._replace(watches=watches)})
    outcome = engine.process([event(1, path="/AT-7"), event(2, path="/elsewhere")], now_ms=NOW)
    assert [finding.rule for finding in outcome.findings] == ["at-7"]
    assert asked == ["at-7"]


def test_a_rule_that_raises_fails_its_event_and_stops_no_other_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(ruleset(rule("broken", threshold=1), rule("sound", threshold=1)), MemoryWindowStore())

    def broken(seen: Event) -> bool:
        if seen.id == "id-1":
            raise ValueError("poison")
        return True

    watching = engine._watches["api_access"]
    (watch, *others) = watching.watches
    watches = (watch._replace(matches=broken), *others)
    monkeypatch.setattr(engine, "_watches", {"api_access": watching._replace(watches=watches)})
    outcome = engine.process([event(1), event(2, user="bob")], now_ms=NOW)
    assert {(finding.rule, finding.user) for finding in outcome.findings} == {
        ("sound", "alice"),
        ("sound", "bob"),
        ("broken", "bob"),
    }
    assert [failure.index for failure in outcome.failures] == [0]


def test_what_is_behind_a_finding_is_named_for_redelivery() -> None:
    engine = Engine(ruleset(rule(threshold=2)), MemoryWindowStore())
    outcome = engine.process([event(1), event(2, user="bob"), event(3)], now_ms=NOW)
    assert list(outcome.origins.values()) == [(0, 2)]


def test_forgetting_keys_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def play() -> list[Any]:
        engine = Engine(ruleset(rule(threshold=5)), MemoryWindowStore())
        findings = []
        for number in range(200):
            outcome = engine.process([event(number, at=number * 10, user=f"user-{number % 20}")], now_ms=NOW)
            outcome.commit(outcome.findings)
            findings += [(finding.id, finding.time, finding.count) for finding in outcome.findings]
        return findings

    remembered = play()
    monkeypatch.setattr(module, "KEYS_REMEMBERED", 3)
    assert play() == remembered
    assert len(remembered) == 20


@pytest.mark.parametrize("bound", [("KEYS_REMEMBERED", 3), ("KEY_CHARACTERS_REMEMBERED", 20)])
def test_what_a_process_remembers_of_keys_is_bounded(
    monkeypatch: pytest.MonkeyPatch, bound: tuple[str, int]
) -> None:
    monkeypatch.setattr(module, *bound)
    engine = Engine(ruleset(rule()), MemoryWindowStore())
    for number in range(100):
        engine.process([event(number, user=f"user-{number}")], now_ms=NOW)
    (cache,) = engine._caches.values()
    assert len(cache.states) <= 4


@pytest.mark.parametrize(
    ("kind", "field", "limit"),
    [
        ("event_count", None, MAX_EVENTS),
        ("value_count", "route", MAX_VALUES),
    ],
)
def test_a_key_whose_set_is_full_has_a_finding_whatever_filled_it(
    kind: Any, field: str | None, limit: int
) -> None:
    # the worst that a client can do: every value in every bucket, with as few values as fill the set
    span = 32 * 1000
    one_rule = rule(kind=kind, value_field=field, threshold=limit, timespan_ms=span, cooldown_ms=1000 * HOUR)
    start = START // span * span
    happened = [
        Event(
            id=str(number),
            time=start + number % 32 * 1000,
            source="api_access",
            user="u",
            route=f"r{number // 32}",
        )
        for number in range(MEMBER_LIMIT)
    ]
    assert len(found(happened, one_rule)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"group_by": ("claimed_user",)},
        {"timespan_ms": 0},
        {"timespan_ms": 2**32 + 1},
        {"threshold": 0},
        {"threshold": MAX_EVENTS + 1},
        {"threshold": MAX_VALUES + 1, "kind": "value_count", "value_field": "route"},
        {"kind": "value_count"},
        {"value_field": "route"},
        {"selections": (selection(["no such operator"]),)},
    ],
)
def test_a_rule_that_no_compiler_would_write_is_refused(changes: dict[str, Any]) -> None:
    accepted(rule())
    with pytest.raises(RulesetError):
        accepted(rule(**changes))
