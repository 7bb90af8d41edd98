from __future__ import annotations

import threading
from collections.abc import Callable
from uuid import UUID

import pytest

from sessionwarden.adapters.lean.denylist import Poll
from sessionwarden.denylist.broad import (
    MAX_LIVE,
    BroadDenies,
    end_key,
    from_broad_item,
    network_of,
    sort_key,
    to_broad_item,
)
from sessionwarden.errors import DamagedItemError, StoreError
from sessionwarden.model.deny import BroadDeny, Claims
from sessionwarden.ruleset.compiler.policy_file import MAX_BROAD_DENIES_PER_HOUR
from tests.support.tokens import CLIENT, NOW, POOL, SUB

CLAIMS = Claims(POOL, "access", SUB, CLIENT, SUB, "alice", None, None, NOW, NOW, NOW + 60)
CLIENT_ENTRY = BroadDeny("d-1", NOW + 60, client=f"{POOL}#{CLIENT}")


def network(text: str, *, deny_until: int = NOW + 60, lifted_at: int | None = None) -> BroadDeny:
    return BroadDeny("d-2", deny_until, network=text, lifted_at=lifted_at)


def reason(*entries: BroadDeny, source_ip: object = "203.0.113.7", now: int = NOW) -> str | None:
    verdict = BroadDenies(entries).refusal(CLAIMS, source_ip, now=now)
    return None if verdict is None else verdict.reason


def test_a_denied_client_is_refused_until_the_very_second() -> None:
    assert reason(CLIENT_ENTRY) == "client_denied"
    assert reason(CLIENT_ENTRY, now=NOW + 60) == "client_denied"
    assert reason(CLIENT_ENTRY, now=NOW + 61) is None
    assert reason(CLIENT_ENTRY._replace(client=f"other#{CLIENT}")) is None
    assert reason(CLIENT_ENTRY._replace(lifted_at=NOW)) is None


@pytest.mark.parametrize(
    ("denied", "source_ip", "found"),
    [
        ("203.0.113.7", "203.0.113.7", True),
        ("203.0.113.0/24", "203.0.113.255", True),
        ("203.0.113.0/24", "203.0.114.0", False),
        ("203.0.113.0/24", "::ffff:203.0.113.7", True),
        ("::ffff:203.0.113.0/120", "203.0.113.7", True),
        ("2001:db8::/64", "2001:db8::1", True),
        ("2001:db8::/64", "2001:db8:0:1::1", False),
        ("0.0.0.0/0", "192.0.2.1", True),
        ("0.0.0.0/0", "2001:db8::1", False),
        ("203.0.113.0/24", "not an address", False),
        ("203.0.113.0/24", None, False),
        ("203.0.113.0/24", "203.0.113.128/25", True),
        ("203.0.113.0/24", "203.0.112.0/23", False),
        ("2001:db8::/64", "2001:db8::/32", False),
        ("203.0.113.0/24", 3_405_803_783, False),
    ],
)
def test_an_address_is_refused_within_a_denied_network(denied: str, source_ip: object, found: bool) -> None:
    assert reason(network(denied), source_ip=source_ip) == ("network_denied" if found else None)
    assert reason(network(denied, deny_until=NOW - 1), source_ip=source_ip) is None


def test_of_two_entries_the_longer_holds() -> None:
    short = CLIENT_ENTRY._replace(deny_until=NOW + 1)
    for entries in ((short, CLIENT_ENTRY), (CLIENT_ENTRY, short)):
        assert reason(*entries, now=NOW + 30) == "client_denied"


@pytest.mark.parametrize("entry", [CLIENT_ENTRY, network("2001:db8::/64"), network("192.0.2.1", lifted_at=5)])
def test_an_entry_survives_the_table(entry: BroadDeny) -> None:
    assert from_broad_item(to_broad_item(entry)) == entry


def test_the_item_is_the_one_that_other_versions_read() -> None:
    assert to_broad_item(CLIENT_ENTRY) == {
        "principal": {"S": "#polled"},
        "decision_id": {"S": f"00{NOW + 60}#d-1"},
        "deny_until": {"N": str(NOW + 60)},
        "expires_at": {"N": str(NOW + 60)},
        "client": {"S": f"{POOL}#{CLIENT}"},
    }


def test_all_ipv4_addresses_written_as_ipv6_are_all_ipv4_addresses() -> None:
    assert network_of("::ffff:0:0/96") == network_of("0.0.0.0/0")


@pytest.mark.parametrize(
    "entry",
    [
        BroadDeny("d", 5),
        CLIENT_ENTRY._replace(network="192.0.2.0/24"),
        network("192.0.2.1/24"),
        network("192.0.2.0/0024"),
        network("x"),
    ],
)
def test_an_entry_that_denies_neither_or_both_of_client_and_network_is_not_written(entry: BroadDeny) -> None:
    with pytest.raises(ValueError, match=r"either|host bits|not an address|prefix"):
        to_broad_item(entry)


@pytest.mark.parametrize(
    "changes",
    [
        {"unknown": {"S": "x"}},
        {"principal": {"S": f"{POOL}#{SUB}"}},
        {"principal": {"N": "5"}},
        {"decision_id": {"S": "d-2"}},
        {"decision_id": {"S": f"00{NOW + 61}#d-2"}},
        {"decision_id": {"S": f"00{NOW + 60}#"}},
        {"client": {"S": "p#c"}},
        {"deny_until": {"S": "5"}},
        {"network": {"S": "192.0.2.0/33"}},
        {"network": {"S": ""}},
    ],
)
def test_an_item_that_cannot_be_read_completely_fails_the_whole_poll(changes: dict[str, object]) -> None:
    item = to_broad_item(network("192.0.2.0/24")) | changes
    with pytest.raises(DamagedItemError):
        BroadDenies([from_broad_item(item)])


def test_a_poll_is_five_seconds_old_at_most_and_a_failed_one_raises() -> None:
    now = float(NOW)
    answers: list[BroadDenies | Exception] = [
        BroadDenies(),
        BroadDenies([CLIENT_ENTRY]),
        StoreError("down"),
    ]
    asked = 0

    def read(_now: int) -> BroadDenies:
        nonlocal asked
        answer = answers[asked]
        asked += 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    poll = Poll(read, clock=lambda: now)
    for _ in range(10):
        assert poll().refusal(CLAIMS, None, now=NOW) is None
    assert asked == 1
    now += 4.9
    poll()
    assert asked == 1
    now += 0.1
    assert poll().refusal(CLAIMS, None, now=NOW) is not None
    now -= 3600  # a clock set back
    with pytest.raises(StoreError):
        poll()
    assert asked == 3


def test_threads_share_one_reading_and_none_uses_an_older_one_meanwhile() -> None:
    now = float(NOW)
    asked = 0
    entered, release = threading.Event(), threading.Event()

    def read(_now: int) -> BroadDenies:
        nonlocal asked
        asked += 1
        entered.set()
        assert release.wait(10)
        return BroadDenies([CLIENT_ENTRY] if asked > 1 else [])

    poll = Poll(read, clock=lambda: now, wait_seconds=10)
    found: list[bool] = []

    def ask_in_threads() -> None:
        made = [
            threading.Thread(target=lambda: found.append(poll().refusal(CLAIMS, None, now=NOW) is not None))
            for _ in range(20)
        ]
        for thread in made:
            thread.start()
        assert entered.wait(10)
        assert found == []
        release.set()
        for thread in made:
            thread.join(10)

    ask_in_threads()
    assert (found, asked) == ([False] * 20, 1)
    found.clear()
    entered.clear()
    release.clear()
    now += 5
    ask_in_threads()
    # an entry that was written since the first reading refuses in every thread
    assert (found, asked) == ([True] * 20, 2)


def test_a_thread_that_comes_just_after_a_reading_makes_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    def read(_now: int) -> BroadDenies:
        nonlocal asked
        asked += 1
        return BroadDenies([CLIENT_ENTRY])

    poll = Poll(read, clock=lambda: float(NOW))
    shared = poll._shared

    def after_another(call: Callable[[], BroadDenies]) -> BroadDenies:
        monkeypatch.setattr(poll, "_shared", shared)
        poll()
        return shared(call)

    # this one has seen that a reading is due, and another thread makes it before this one begins
    monkeypatch.setattr(poll, "_shared", after_another)
    assert poll().refusal(CLAIMS, None, now=NOW) is not None
    assert asked == 1


def test_a_poll_begins_where_the_entries_begin_that_are_still_in_force() -> None:
    over, last_second, later = (network("192.0.2.0/24", deny_until=NOW + seconds) for seconds in (-1, 0, 1))
    assert sort_key(over) < end_key(NOW) < sort_key(last_second) < sort_key(later)
    assert to_broad_item(later)["decision_id"] == {"S": f"00{NOW + 1}#d-2"}


def test_a_day_of_rules_at_their_highest_limit_fits_one_page_of_a_query() -> None:
    longest = network("2001:db8:1234:5678::/64", lifted_at=NOW)._replace(decision_id=f"manual-{UUID(int=5)}")
    size = sum(len(name) + len(next(iter(value.values()))) for name, value in to_broad_item(longest).items())
    assert size < 200
    assert size * (2 * 24 * MAX_BROAD_DENIES_PER_HOUR + MAX_LIVE) < 1_000_000


def test_an_ipv4_address_in_ipv6_is_the_ipv4_one() -> None:
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1")
