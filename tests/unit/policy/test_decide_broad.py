"""How a finding about a client or an address becomes a decision: whom, how long, what withholds it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sessionwarden.detection.windows.group_key import key_reader, shown_key
from sessionwarden.model.event import Event
from sessionwarden.model.policy import Protected
from sessionwarden.policy.decide import STALE_MS, decide, needs_user_facts, reduce_for_budget
from tests.support.enforcement import (
    CLIENT_DENY,
    DAY,
    MACHINE,
    NETWORK_DENY,
    NOW_MS,
    NOW_S,
    POOL,
    SESSION,
    SUB,
    deployed,
    finding,
    response,
)

ADDRESS = {"source_ip": "203.0.113.7"}


@pytest.mark.parametrize(
    ("key", "source_ip", "network"),
    [
        ("203.0.113.7", "203.0.113.7", "203.0.113.7/32"),
        ("2001:db8:1:2::/64", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
    ],
)
def test_a_deny_of_an_address_names_its_network_and_has_an_end(
    key: str, source_ip: str, network: str
) -> None:
    given = finding(answer=NETWORK_DENY, key={"source_ip": key}, source_ip=source_ip)
    decision = decide(given, deployed(), now_ms=NOW_MS)
    assert (decision.scope, decision.value, decision.simulated) == ("source_ip", network, False)
    assert decision.deny_until == decision.expires_at == NOW_S + 900
    assert (decision.not_before, decision.session) == (None, None)


@pytest.mark.parametrize(
    ("group_by", "fields", "denied"),
    [
        (("source_ip",), {"source_ip": "203.0.113.7"}, "203.0.113.7/32"),
        (("source_ip",), {"source_ip": "::ffff:203.0.113.7"}, "203.0.113.7/32"),
        (("country", "source_ip"), {"source_ip": "2001:db8:1:2:3::9", "country": "NO"}, "2001:db8:1:2::/64"),
        (("client", "pool"), {"client": "app", "pool": POOL}, "app"),
    ],
)
def test_what_detection_groups_by_is_what_can_be_denied(
    group_by: tuple[str, ...], fields: dict[str, str], denied: str
) -> None:
    event = msgspec.convert({"id": "e", "time": 1, "source": "api_access", **fields}, Event)
    key = key_reader(group_by)(event)
    assert key is not None
    answer = CLIENT_DENY if "client" in group_by else NETWORK_DENY
    named = {name: value for name, value in fields.items() if name != "country"}
    unknown = dict.fromkeys(("user", "username", "session", "client", "pool", "source_ip"))
    given = finding(answer=answer, key=shown_key(group_by, key), **(unknown | named))
    decision = decide(given, deployed(), now_ms=NOW_MS)
    assert (decision.withheld, decision.value) == (None, denied)


def test_an_address_needs_neither_a_user_nor_a_watched_pool() -> None:
    given = finding(answer=NETWORK_DENY, user=None, pool=None, session=None, client=None)
    assert not decide(given, deployed(pools=()), now_ms=NOW_MS).simulated


def test_a_deny_of_a_machine_names_its_client_and_pool() -> None:
    decision = decide(finding(**MACHINE), deployed(), now_ms=NOW_MS)
    assert (decision.scope, decision.pool, decision.value) == ("client", POOL, "app")
    assert (decision.deny_until, decision.simulated) == (NOW_S + 3600, False)


@pytest.mark.parametrize("person", [{"user": SUB}, {"username": "alice"}, {"session": SESSION}])
def test_a_client_that_serves_people_is_not_denied_for_what_one_of_them_does(person: dict[str, Any]) -> None:
    decision = decide(finding(**(MACHINE | person)), deployed(), now_ms=NOW_MS)
    assert (decision.simulated, decision.withheld) == (True, "shared_client")


@pytest.mark.parametrize(
    "changes",
    [
        {"key": {"client": "app"}},
        {"key": {"client": "app", "pool": "eu-west-1_Other"}},
        {"key": {"client": "another", "pool": POOL}},
        {"client": None},
        {"pool": None},
    ],
)
def test_a_client_that_the_key_and_the_event_do_not_agree_on_is_no_principal(changes: dict[str, Any]) -> None:
    decision = decide(finding(**(MACHINE | changes)), deployed(), now_ms=NOW_MS)
    assert (decision.simulated, decision.withheld) == (True, "no_principal")


def test_a_client_of_another_pool_is_not_denied() -> None:
    decision = decide(finding(**MACHINE), deployed(pools=("eu-west-1_Other",)), now_ms=NOW_MS)
    assert decision.withheld == "unknown_pool"


@pytest.mark.parametrize(
    "key", ["0.0.0.0/0", "203.0.113.0/24", "2001:db8::/32", "attacker.example", "203.0.113.8"]
)
def test_what_is_not_the_one_address_of_the_event_is_not_denied(key: str) -> None:
    decision = decide(finding(answer=NETWORK_DENY, key={"source_ip": key}), deployed(), now_ms=NOW_MS)
    assert (decision.simulated, decision.withheld) == (True, "no_principal")
    assert decision.deny_until is None


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "192.168.0.1", "100.64.1.1", "::1", "fd00::1"])
def test_addresses_of_proxies_and_neighbours_are_never_denied(address: str) -> None:
    key = f"{address.rpartition(':')[0]}:/64" if ":" in address else address
    given = finding(answer=NETWORK_DENY, key={"source_ip": key}, source_ip=address)
    assert decide(given, deployed(), now_ms=NOW_MS).withheld == "protected"


@pytest.mark.parametrize(
    ("protected", "withheld"),
    [
        (Protected(source_ips=("203.0.113.0/24",)), "protected"),
        (Protected(source_ips=("203.0.113.7/32",)), "protected"),
        (Protected(source_ips=("198.51.100.0/24", "2001:db8::/32")), None),
        (Protected(clients=("app",)), "protected"),
        (Protected(users=(SUB,)), "protected"),
    ],
)
def test_an_address_of_a_protected_network_or_principal_is_never_denied(
    protected: Protected, withheld: str | None
) -> None:
    decision = decide(finding(answer=NETWORK_DENY), deployed(protected=protected), now_ms=NOW_MS)
    assert decision.withheld == withheld


def test_a_protected_network_makes_none_of_its_users_immune() -> None:
    protected = Protected(source_ips=("203.0.113.0/24",))
    assert not decide(finding(), deployed(protected=protected), now_ms=NOW_MS).simulated


def test_a_protected_machine_is_never_denied() -> None:
    decision = decide(finding(**MACHINE), deployed(protected=Protected(clients=("app",))), now_ms=NOW_MS)
    assert decision.withheld == "protected"


def test_names_and_groups_are_looked_up_for_users_only() -> None:
    careful = deployed(protected=Protected(usernames=("root",), groups=("admins",)))
    unknown: dict[str, Any] = {"username": None, "groups": None}
    assert needs_user_facts(finding(**unknown), careful)
    assert not needs_user_facts(finding(answer=NETWORK_DENY, **unknown), careful)
    assert not needs_user_facts(finding(**(MACHINE | unknown)), careful)


@pytest.mark.parametrize("deployment", ["observe", "enforce"])
@pytest.mark.parametrize("rule", ["observe", "enforce"])
def test_both_rule_and_deployment_must_enforce(deployment: Any, rule: Any) -> None:
    answer = response(scope="source_ip", actions=("deny",), deny_seconds=900, mode=rule)
    decision = decide(finding(answer=answer), deployed(mode=deployment), now_ms=NOW_MS)
    assert decision.withheld == ("observe" if "observe" in (deployment, rule) else None)
    assert decision.deny_until == NOW_S + 900, "an observed decision says what would have happened"


def test_a_late_finding_denies_no_address_that_is_another_s_by_now() -> None:
    late = finding(answer=NETWORK_DENY, time=NOW_MS - STALE_MS - 1)
    assert decide(late, deployed(), now_ms=NOW_MS).withheld == "stale"


@pytest.mark.parametrize("seconds", [None, 0, 10 * DAY])
def test_no_deny_of_an_address_lasts_longer_than_a_day_whatever_the_finding_says(
    seconds: int | None,
) -> None:
    answer = response(scope="source_ip", actions=("deny",), deny_seconds=seconds)
    decision = decide(finding(answer=answer), deployed(), now_ms=NOW_MS)
    assert decision.deny_until == NOW_S + (DAY if seconds else 0)


@pytest.mark.parametrize("scope", ["client", "source_ip"])
def test_no_user_is_signed_out_for_the_address_or_client_they_share(scope: str) -> None:
    answer = response(scope=scope, actions=("deny", "sign_out", "disable_user", "alert"), deny_seconds=60)
    key = {"client": "app", "pool": POOL} if scope == "client" else ADDRESS
    assert decide(finding(answer=answer, key=key), deployed(), now_ms=NOW_MS).actions == ("deny", "alert")


@pytest.mark.parametrize("changes", [{"answer": NETWORK_DENY}, MACHINE])
def test_over_the_budget_no_session_is_denied_in_their_place(changes: dict[str, Any]) -> None:
    full = decide(finding(**changes), deployed(), now_ms=NOW_MS)
    left = reduce_for_budget(full, deployed().policy, sessions=(SESSION,))
    assert (left.simulated, left.withheld, left.reduced, left.session) == (True, "budget", None, None)
