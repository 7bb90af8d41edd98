"""The network by which rules find what one client spreads over many addresses."""

from __future__ import annotations

import pytest

from sessionwarden.detection.windows.group_key import key_reader
from sessionwarden.model.source_network import source_network
from tests.support.detection import event


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.0/24"),
        ("192.0.3.7", "192.0.3.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("2001:db8:1:ffff::", "2001:db8:1::/48"),
        ("2001:DB8:2::1", "2001:db8:2::/48"),
        ("::ffff:192.0.2.7", "192.0.2.0/24"),
        ("fe80::1%eth0", "fe80::/48"),
        ("not an address", "not an address"),
        ("1" * 5_000, "1" * 5_000),
        ("", ""),
    ],
)
def test_an_address_is_in_one_network(address: str, network: str) -> None:
    assert source_network(address) == network


def test_events_of_one_network_have_one_key_and_those_without_an_address_none() -> None:
    read_key = key_reader(("source_network",))
    keys = {read_key(event(1, source_ip=f"2001:db8:1:{number}::1")) for number in range(9)}
    assert keys == {("2001:db8:1::/48",)}
    assert read_key(event(1, source_ip=None)) is None
