"""Denied clients and networks: the strictest wins, and no history of deliveries undoes a lift."""

from __future__ import annotations

import ipaddress

from hypothesis import given, settings
from hypothesis import strategies as st

from sessionwarden.denylist.broad import (
    BroadDenies,
    end_key,
    from_broad_item,
    network_of,
    sort_key,
    to_broad_item,
)
from sessionwarden.model.deny import BroadDeny, Claims
from tests.support.enforcement import MACHINE, NETWORK_DENY, NOW_MS, POOL, World, finding

times = st.integers(0, 60)
addresses = st.sampled_from(
    ["192.0.2.1", "192.0.2.200", "2001:db8::1", "2001:db8:0:1::1", "::ffff:192.0.2.1"]
)
networks = st.sampled_from(
    ["192.0.2.1/32", "192.0.2.0/24", "192.0.2.128/25", "2001:db8::/64", "2001:db8::/48"]
)
ids = st.text("abc#0", min_size=1, max_size=4)
lifts = st.none() | times
entries = st.builds(BroadDeny, ids, times, st.none(), networks, lifts) | st.builds(
    BroadDeny, ids, times, st.sampled_from(["p#a", "p#b"]), st.none(), lifts
)
CLAIMS = Claims("p", "access", "a", "a", None, None, None, None, 0, 0, 0)


def refused(known: list[BroadDeny], address: str, now: int) -> bool:
    return BroadDenies(known).refusal(CLAIMS, address, now=now) is not None


@given(st.lists(entries, max_size=6), entries, addresses, times)
def test_adding_an_entry_never_turns_a_deny_into_an_allow(
    known: list[BroadDeny], added: BroadDeny, address: str, now: int
) -> None:
    assert refused([*known, added], address, now) or not refused(known, address, now)


@given(st.lists(entries, max_size=6), addresses, times)
def test_it_is_refused_exactly_while_some_entry_alone_would_refuse_it(
    known: list[BroadDeny], address: str, now: int
) -> None:
    assert refused(known, address, now) == any(refused([entry], address, now) for entry in known)


@given(st.lists(entries, max_size=6), addresses, times)
def test_what_a_poll_leaves_out_would_have_refused_nobody(
    known: list[BroadDeny], address: str, now: int
) -> None:
    read = [entry for entry in known if sort_key(entry) >= end_key(now)]
    assert refused(read, address, now) == refused(known, address, now)


@given(entries)
def test_every_entry_survives_the_table(entry: BroadDeny) -> None:
    assert from_broad_item(to_broad_item(entry)) == entry


@given(st.ip_addresses(), st.integers(0, 128))
def test_a_network_is_read_as_the_standard_library_reads_it(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, length: int
) -> None:
    network = ipaddress.ip_network((address, length % (address.max_prefixlen + 1)), strict=False)
    if network.version == 4 or network.network_address.ipv4_mapped is None:
        bits = int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
        assert network_of(str(network)) == (network.version, network.prefixlen, bits)


@given(st.text("0123456789abcdef:./% ", max_size=20) | st.text(max_size=8))
def test_text_that_is_no_network_to_the_standard_library_is_none_to_us(text: str) -> None:
    try:
        network_of(text)
    except ValueError:
        return
    ipaddress.ip_network(text)


steps = st.lists(st.sampled_from(["deliver", "lift", "stop", "resume", "wait"]), max_size=12)


@given(steps, st.booleans())
@settings(deadline=None)
def test_no_history_moves_an_end_or_puts_a_lifted_deny_back(history: list[str], machine: bool) -> None:
    world = World()
    given_finding = finding(**MACHINE) if machine else finding(answer=NETWORK_DENY)
    claims = CLAIMS._replace(pool=POOL, client="app")
    ends: set[int] = set()
    lifted = False
    for step in history:
        now = world.now_ms // 1000
        if step == "deliver":
            world.enforcer.enforce(given_finding)
        elif step == "lift":
            answer = world.lift.lift("f-1", lifted_at=now, by="x", revive_tokens=False)
            lifted = lifted or answer is not None
        elif step == "stop":
            world.control.stop(by="x", at_ms=world.now_ms)
        elif step == "resume":
            world.control.resume()
        else:
            world.now_ms += 61_000
        known = world.denylist.broad(now=0)
        ends |= {entry.deny_until for entry in known}
        verdict = BroadDenies(known).refusal(claims, "203.0.113.7", now=world.now_ms // 1000)
        assert not (lifted and verdict)
    assert len(ends) <= 1
    assert all(end > NOW_MS // 1000 for end in ends)
