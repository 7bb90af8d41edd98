"""Findings, and an enforcer over memory, for the tests of policy and enforcement."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sessionwarden.adapters.memory.enforcement import (
    MemoryAlertSink,
    MemoryControlStore,
    MemoryCoverageStore,
    MemoryDecisionStore,
    MemoryDenylistStore,
    MemoryPublisher,
    MemoryUserPool,
)
from sessionwarden.enforcement.acted import Acted
from sessionwarden.enforcement.actions import Actions
from sessionwarden.enforcement.alert_text import DeploymentName
from sessionwarden.enforcement.enforcer import Enforcer
from sessionwarden.enforcement.lift import Lift
from sessionwarden.model.deny import CLOCK_SKEW_SECONDS
from sessionwarden.model.finding import Finding, Mode, Response
from sessionwarden.model.policy import Policy, Protected
from sessionwarden.policy.deployment import Deployment
from sessionwarden.ports import PoolUser

POOL = "eu-west-1_Pool1"
SUB = "0b5c1f3e-93b1-4f8e-9d5e-1f2a3b4c5d6e"
SESSION = "aaaaaaaa-0000-4000-8000-000000000001"
NOW_MS = 1_800_000_000_500
NOW_S = 1_800_000_000
CUT_OFF = NOW_S + CLOCK_SKEW_SECONDS
"""Which sign-ins an act at `NOW_MS` ends: those of a clock that is fast, too."""
DAY = 86_400


def response(**changes: Any) -> Response:
    fields: dict[str, Any] = {
        "scope": "user",
        "mode": "enforce",
        "actions": ("deny", "sign_out", "alert"),
        "deny_seconds": None,
        "cooldown_ms": 900_000,
    }
    return Response(**(fields | changes))


NETWORK_DENY = response(scope="source_ip", actions=("deny", "alert"), deny_seconds=900)
CLIENT_DENY = response(scope="client", actions=("deny", "alert"), deny_seconds=3600)
MACHINE: dict[str, Any] = {
    "answer": CLIENT_DENY,
    "key": {"client": "app", "pool": POOL},
    "user": None,
    "username": None,
    "session": None,
}
"""Changes of a finding that make it one about a machine's client."""


def finding(*, answer: Response | None = None, **changes: Any) -> Finding:
    answer = answer or response()
    keys = {"user": {"user": SUB}, "session": {"session": SESSION}, "source_ip": {"source_ip": "203.0.113.7"}}
    fields: dict[str, Any] = {
        "id": "f-1",
        "rule": "request-rate-per-user",
        "title": "Too many requests by one user",
        "level": "high",
        "ruleset_digest": "d" * 64,
        "response": answer,
        "key": keys.get(answer.scope, {"client": "app"}),
        "time": NOW_MS - 1000,
        "first_time": NOW_MS - 61_000,
        "count": 120,
        "events": ("e-1", "e-2"),
        "pool": POOL,
        "user": SUB,
        "username": "bob",
        "session": SESSION,
        "client": "app",
        "groups": (),
        "source_ip": "203.0.113.7",
        "api_id": "abc123",
        "route": "GET /items",
    }
    return Finding(**(fields | changes))


def about(name: str, *, answer: Response | None = None, **changes: Any) -> Finding:
    """A finding with the id `name`, about a user and a session that no other finding is about."""
    answer = answer or response()
    sub, session = f"sub-{name}", f"session-{name}"
    key = {"session": session} if answer.scope == "session" else {"user": sub}
    own = {"id": name, "user": sub, "session": session, "key": key, "username": name}
    return finding(answer=answer, **(own | changes))


def deployed(
    *,
    mode: Mode = "enforce",
    pools: tuple[str, ...] = (POOL,),
    protected: Protected | None = None,
    limit: int = 10,
    alerts: int = 60,
    broad: int = 10,
    lifetime: int = 30 * DAY,
) -> Deployment:
    """An enforcing deployment that watches the pool of `finding`, unless told otherwise."""
    return Deployment(
        mode=mode,
        pools=pools,
        policy=Policy(
            protected=protected or Protected(),
            enforcements_per_hour=limit,
            alerts_per_hour=alerts,
            broad_denies_per_hour=broad,
        ),
        session_lifetime_seconds=lifetime,
    )


@dataclass
class World:
    """Everything that an enforcer touches, in memory, with a clock that the test moves."""

    deployment: Deployment = field(default_factory=deployed)
    now_ms: int = NOW_MS
    decisions: MemoryDecisionStore = field(default_factory=MemoryDecisionStore)
    denylist: MemoryDenylistStore = field(default_factory=MemoryDenylistStore)
    control: MemoryControlStore = field(default_factory=MemoryControlStore)
    coverage: MemoryCoverageStore = field(default_factory=MemoryCoverageStore)
    users: MemoryUserPool = field(
        default_factory=lambda: MemoryUserPool({(POOL, SUB): PoolUser("bob", ("staff",))})
    )
    alerts: MemoryAlertSink = field(default_factory=MemoryAlertSink)
    bus: MemoryPublisher = field(default_factory=MemoryPublisher)

    @property
    def actions(self) -> Actions:
        return Actions(
            decisions=self.decisions,
            denylist=self.denylist,
            control=self.control,
            acted=Acted(self.coverage),
            users=self.users,
            clock=lambda: self.now_ms,
        )

    @property
    def enforcer(self) -> Enforcer:
        return Enforcer(
            deployment=self.deployment,
            actions=self.actions,
            alerts=self.alerts,
            bus=self.bus,
            name=DeploymentName(stack="warden", region="eu-west-1"),
        )

    @property
    def lift(self) -> Lift:
        return Lift(
            decisions=self.decisions, denylist=self.denylist, acted=Acted(self.coverage), users=self.users
        )
