from __future__ import annotations

from typing import Any

import pytest

from sessionwarden.correlations.values import grouped_address, key_digest, value_text
from sessionwarden.detection.windows.group_key import (
    KEY_TEXT_LIMIT,
    finding_id,
    key_reader,
    marker_digest,
    shown_key,
)
from tests.support.detection import event


@pytest.mark.parametrize(
    ("address", "grouped"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("1:2", "1:2"),
        ("not an address: at all", "not an address: at all"),
        ("::" + "0" * 5000, "::" + "0" * 5000),
        ("", ""),
    ],
)
def test_an_address_groups_with_what_its_client_can_change_into(address: str, grouped: str) -> None:
    assert grouped_address(address) == grouped


@pytest.mark.parametrize("missing", ["user", "session", "source_ip"])
def test_a_missing_field_never_groups(missing: str) -> None:
    read_key = key_reader(("user", "session", "source_ip"))
    assert read_key(event(1, session="s")) is not None
    fields: dict[str, Any] = {"session": "s", missing: None}
    assert read_key(event(1, **fields)) is None


def test_a_missing_value_never_counts() -> None:
    read_key = key_reader(("user",), counted="route")
    assert read_key(event(1)) is None
    assert read_key(event(1, route="GET /")) == ("alice", None)


@pytest.mark.parametrize("field", ["user", "username"])
def test_names_of_two_pools_never_mix(field: str) -> None:
    read_key = key_reader((field,))
    fields: list[dict[str, Any]] = [{field: "name", "pool": pool} for pool in ("pool-1", "pool-2", None)]
    keys = {read_key(event(1, **named)) for named in fields}
    assert len(keys) == 3
    assert len({key_digest(key) for key in keys if key is not None}) == 3


def test_the_pool_is_not_shown_as_part_of_the_key() -> None:
    key = key_reader(("user", "status"))(event(1, pool="pool-1", status=401))
    assert key is not None
    assert shown_key(("user", "status"), key) == {"user": "alice", "status": "401"}


def test_addresses_of_one_client_share_a_key() -> None:
    read_key = key_reader(("source_ip", "route"))
    first, second = (read_key(event(1, source_ip=f"2001:db8::{n}", route="GET /")) for n in (1, 2))
    assert first == second == ("2001:db8::/64", "GET /")


def test_without_group_by_all_events_share_a_key() -> None:
    assert key_reader(())(event(1, user=None)) == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "b"), ("a1:b", "")),
        (("a1:b",), ("a", "b")),
        (("ab", ""), ("a", "b")),
        (("-",), (None,)),
        (("1:a",), ("a",)),
        (("a\x00b",), ("a", "b")),
    ],
)
def test_no_text_can_imitate_the_border_between_two_values(
    one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    assert key_digest(one) != key_digest(other)


def test_text_that_is_not_unicode_still_has_a_key() -> None:
    assert len(key_digest(("\ud800",))) == 32


def test_rules_that_share_a_window_have_marks_of_their_own() -> None:
    assert marker_digest(rule="a", window="w") != marker_digest(rule="b", window="w")
    assert marker_digest(rule="a", window="bw") != marker_digest(rule="ab", window="w")


def test_a_finding_is_named_by_mark_and_period_alone() -> None:
    assert finding_id(marker_key="m#k", period=1) == finding_id(marker_key="m#k", period=1)
    assert finding_id(marker_key="m#k", period=1) != finding_id(marker_key="m#k", period=2)


def test_an_endless_key_is_cut_where_it_is_shown() -> None:
    assert shown_key(("path",), ("x" * 1_000_000,)) == {"path": "x" * KEY_TEXT_LIMIT}


def test_counted_values_are_texts() -> None:
    assert value_text("status", 401) == "401"
    assert value_text("scope", ("a", "b")) == "a b"
    assert value_text("source_ip", "2001:db8::1") == value_text("source_ip", "2001:db8::2")
