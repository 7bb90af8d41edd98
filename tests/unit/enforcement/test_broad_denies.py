"""Denies of clients and addresses, from the finding to the poll and back by a lift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from sessionwarden.denylist.broad import BroadDenies
from sessionwarden.errors import StoreError
from sessionwarden.model.decision import Enforcement
from sessionwarden.model.deny import BroadDeny, Claims
from sessionwarden.model.finding import Finding
from sessionwarden.model.policy import Protected
from sessionwarden.policy.decide import decide
from tests.support.enforcement import (
    MACHINE,
    NETWORK_DENY,
    NOW_MS,
    NOW_S,
    POOL,
    SUB,
    World,
    about,
    deployed,
    finding,
)

NETWORK: dict[str, Any] = {"answer": NETWORK_DENY}
BOTH = pytest.mark.parametrize(
    ("changes", "reason"),
    [(NETWORK, "network_denied"), (MACHINE, "client_denied")],
    ids=["network", "client"],
)


def from_address(address: str) -> Finding:
    return finding(id=address, key={"source_ip": address}, source_ip=address, **NETWORK)


def broad(world: World) -> Sequence[BroadDeny]:
    return world.denylist.broad(now=world.now_ms // 1000)


def refusal(world: World, *, source_ip: str = "203.0.113.7", client: str = "app") -> str | None:
    now = world.now_ms // 1000
    claims = Claims(POOL, "access", client, client, None, None, None, None, now, now, now + 3600)
    verdict = BroadDenies(broad(world)).refusal(claims, source_ip, now=now)
    return None if verdict is None else verdict.reason


def outcomes(enforcement: Enforcement) -> list[tuple[str, str, str]]:
    return [(result.action, result.outcome, result.detail) for result in enforcement.results]


def lift(world: World, decision_id: str = "f-1") -> None:
    lifted = world.lift.lift(decision_id, lifted_at=NOW_S + 60, by="on-call", revive_tokens=False)
    assert lifted is not None
    assert (lifted.denied, lifted.account) == (True, "untouched")


@BOTH
def test_the_poll_reads_it_and_an_alert_and_an_event_are_sent(changes: dict[str, Any], reason: str) -> None:
    world = World()
    done = world.enforcer.enforce(finding(**changes))
    assert outcomes(done) == [("deny", "done", ""), ("alert", "done", "")]
    (entry,) = broad(world)
    assert (entry.decision_id, entry.deny_until) == ("f-1", done.decision.deny_until)
    assert refusal(world) == reason
    assert refusal(world, source_ip="203.0.113.8", client="other") is None
    assert not world.users.signed_out
    assert len(world.alerts.sent) == len(world.bus.published) == 1


def test_a_client_is_broad_with_its_pool() -> None:
    world = World()
    world.enforcer.enforce(finding(**MACHINE))
    assert broad(world) == [BroadDeny("f-1", NOW_S + 3600, client=f"{POOL}#app")]


@BOTH
def test_the_alert_names_what_is_refused_until_when_and_the_command_that_undoes_it(
    changes: dict[str, Any], reason: str
) -> None:
    world = World()
    world.enforcer.enforce(finding(**changes))
    message = world.alerts.sent[0].message
    named = "203.0.113.7/32" if reason == "network_denied" else "app"
    until = "08:15:00Z" if reason == "network_denied" else "09:00:00Z"
    assert f'All requests of "{named}" are refused, within 5 seconds, until 2027-01-15 {until}.' in message
    assert "sessionwarden decisions delete f-1 --stack warden --region eu-west-1" in message
    assert "New sign-ins" not in message


@BOTH
def test_a_redelivered_finding_neither_moves_the_end_nor_puts_a_lifted_deny_back(
    changes: dict[str, Any], reason: str
) -> None:
    world = World()
    world.enforcer.enforce(finding(**changes))
    before = broad(world)
    world.now_ms += 60_000
    world.enforcer.enforce(finding(**changes))
    assert (broad(world), refusal(world)) == (before, reason)
    lift(world)
    assert refusal(world) is None
    world.enforcer.enforce(finding(**changes))
    assert refusal(world) is None
    assert [entry.lifted_at for entry in broad(world)] == [NOW_S + 60]
    assert len(world.alerts.sent) == 1


@BOTH
def test_a_lift_before_the_first_act_keeps_the_deny_from_ever_being_written(
    changes: dict[str, Any], reason: str
) -> None:
    world = World()
    world.decisions.record(decide(finding(**changes), world.deployment, now_ms=world.now_ms))
    lift(world)
    done = world.enforcer.enforce(finding(**changes))
    assert outcomes(done)[0] == ("deny", "skipped", "lifted")
    assert refusal(world) is None


def test_a_lift_ends_one_decision_and_not_another_of_the_same_address() -> None:
    world = World()
    world.enforcer.enforce(finding(**NETWORK))
    world.now_ms += 1_000_000
    world.enforcer.enforce(finding(id="f-2", time=world.now_ms, first_time=world.now_ms - 10, **NETWORK))
    lift(world)
    assert refusal(world) == "network_denied"
    lift(world, "f-2")
    assert refusal(world) is None


def test_a_deny_is_over_without_anybody_s_doing() -> None:
    world = World()
    world.enforcer.enforce(finding(**NETWORK))
    world.now_ms += 900_000
    assert refusal(world) == "network_denied"
    world.now_ms += 1_000
    assert (refusal(world), broad(world)) == (None, [])


@BOTH
def test_the_kill_switch_holds(changes: dict[str, Any], reason: str) -> None:
    world = World()
    world.control.stop(by="on-call", at_ms=NOW_MS)
    assert world.enforcer.enforce(finding(**changes)).decision.withheld == "stopped"
    assert not broad(world)


def test_a_network_s_deny_that_the_table_did_not_take_is_written_by_the_retry() -> None:
    world = World()
    take = world.denylist.put_broad

    def refuse(entry: BroadDeny) -> None:
        raise StoreError("denylist: throttled")

    world.denylist.put_broad = refuse  # type: ignore[method-assign]
    with pytest.raises(StoreError):
        world.enforcer.enforce(finding(**NETWORK))
    assert not world.alerts.sent
    world.denylist.put_broad = take  # type: ignore[method-assign]
    world.now_ms += 60_000
    world.enforcer.enforce(finding(**NETWORK))
    assert [entry.deny_until for entry in broad(world)] == [NOW_S + 900]


def test_a_site_s_many_networks_fill_their_own_budget_and_no_other() -> None:
    world = World(deployment=deployed(broad=3, limit=1, alerts=2))
    done = []
    for number in range(20):
        network = f"2001:db8:1:{number:x}::"
        given = finding(
            id=f"n-{number}", key={"source_ip": f"{network}/64"}, source_ip=f"{network}1", **NETWORK
        )
        done.append(world.enforcer.enforce(given))
    assert [one.decision.withheld for one in done] == [None] * 3 + ["budget"] * 17
    assert len(broad(world)) == 3
    # each of the three denies has its alert; of those withheld two have one, and a notice stands for the rest
    assert len(world.alerts.sent) == 6
    assert "limits.broad_denies_per_hour is spent for scope source_ip" in world.alerts.sent[3].message
    assert world.alerts.sent[5].attributes["held_back"] == "true"
    assert world.enforcer.enforce(finding(id="m", **MACHINE)).decision.withheld is None
    assert world.enforcer.enforce(finding(id="u")).decision.reduced is None


def test_users_who_fill_their_budget_spare_no_address() -> None:
    world = World(deployment=deployed(limit=1))
    for number in range(3):
        world.enforcer.enforce(about(f"u-{number}"))
    assert world.enforcer.enforce(finding(**NETWORK)).decision.withheld is None


def test_the_budget_is_renewed_with_the_hour() -> None:
    world = World(deployment=deployed(broad=1))
    assert world.enforcer.enforce(from_address("203.0.113.7")).decision.withheld is None
    assert world.enforcer.enforce(from_address("203.0.113.8")).decision.withheld == "budget"
    world.now_ms += 3_600_000
    assert world.enforcer.enforce(from_address("203.0.113.9")).decision.withheld is None


def test_who_cannot_be_looked_up_does_not_hold_up_the_deny_of_an_address() -> None:
    world = World(deployment=deployed(protected=Protected(usernames=("root",), groups=("admins",))))
    unknown: dict[str, Any] = {"user": None, "username": None, "groups": None, "pool": None}
    done = world.enforcer.enforce(finding(**NETWORK, **unknown))
    assert outcomes(done)[0] == ("deny", "done", "")


def test_a_client_that_people_use_is_not_denied_and_an_alert_says_so() -> None:
    world = World()
    done = world.enforcer.enforce(finding(**(MACHINE | {"user": SUB})))
    assert (done.decision.withheld, outcomes(done)) == ("shared_client", [("alert", "done", "")])
    assert not broad(world)
    assert "all of them would be shut out" in world.alerts.sent[0].message
