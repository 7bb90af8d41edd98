"""Which networks may be denied, and how wide."""

from __future__ import annotations

import pytest

from sessionwarden.policy.networks import (
    grouped_network,
    never_denied,
    operators_network,
    overlaps,
    parse_network,
)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("203.0.113.7", "203.0.113.7/32"),
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("::ffff:203.0.113.7", "203.0.113.7/32"),
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:3:4:5:6/128", "2001:db8:1:2:3:4:5:6/128"),
        ("2001:db8:1::/48", "2001:db8:1::/48"),
        ("2001:db8:1:2:3:4:5:6%eth0", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::%eth0/64", "2001:db8:1:2::/64"),
    ],
)
def test_an_operator_denies_an_address_as_it_groups_or_a_block(text: str, network: str) -> None:
    assert str(operators_network(text)) == network


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("203.0.112.0/23", "203.0.112.0/23 is wider than a /24"),
        ("0.0.0.0/0", "wider than a /24"),
        ("2001:db8::/47", "wider than a /48"),
        ("::/0", "wider than a /48"),
        ("::ffff:0:0/96", "0.0.0.0/0 is wider than a /24"),
        ("0.0.0.0", "never denied"),
        ("127.0.0.1", "never denied"),
        ("10.1.2.0/24", "never denied"),
        ("100.64.0.1", "never denied"),
        ("192.168.1.1", "never denied"),
        ("169.254.169.254", "never denied"),
        ("255.255.255.255", "never denied"),
        ("::1", "never denied"),
        ("fd00::1", "never denied"),
        ("fe80::1", "never denied"),
        ("64:ff9b::203.0.113.7", "never denied"),
        ("64:ff9b:1:2::7", "never denied"),
        ("2001:0:1:2:3:4:5:6", "never denied"),
        ("203.0.113.7/24", "without host bits"),
        ("203.0.113.7/33", "not an address"),
        ("office", "'office' is not an address"),
        ("", "not an address"),
        ("203.0.113.7, 203.0.113.8", "not an address"),
    ],
)
def test_what_an_operator_cannot_deny_is_one_sentence(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        operators_network(text)


@pytest.mark.parametrize(
    ("key", "address", "network"),
    [
        ("203.0.113.7", "203.0.113.7", "203.0.113.7/32"),
        ("203.0.113.7", "::ffff:203.0.113.7", "203.0.113.7/32"),
        ("203.0.113.7", None, "203.0.113.7/32"),
        ("2001:db8:1:2::/64", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::%eth0/64", "2001:db8:1:2:3:4:5:6%eth0", "2001:db8:1:2::/64"),
        ("203.0.113.7", "203.0.113.8", None),
        ("203.0.113.7", "2001:db8::1", None),
        ("203.0.113.0/24", "203.0.113.7", None),
        ("2001:db8::/48", "2001:db8::1", None),
        ("2001:db8::1/128", "2001:db8::1", None),
        ("0.0.0.0/0", "203.0.113.7", None),
        ("attacker.example", None, None),
        ("203.0.113.7", "garbage", None),
        ("", None, None),
    ],
)
def test_a_rule_denies_exactly_what_addresses_group_by(
    key: str, address: str | None, network: str | None
) -> None:
    found = grouped_network(key, address)
    assert (None if found is None else str(found)) == network


def test_networks_overlap_within_one_version_only() -> None:
    office = parse_network("203.0.113.0/24")
    assert overlaps(parse_network("203.0.113.7"), [office])
    assert overlaps(parse_network("0.0.0.0/0"), [office])
    assert not overlaps(parse_network("203.0.114.7"), [office])
    assert not overlaps(parse_network("::/0"), [office])
    assert never_denied(parse_network("0.0.0.0/0"))
