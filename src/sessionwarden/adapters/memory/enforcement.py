"""Stores, user pool, alerts and bus in the memory of this process: for tests, and for trying out a policy.

The stores keep the contract of those in DynamoDB: a first write stays, a tombstone stays, a budget counts
each decision once. One suite of tests runs against both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from sessionwarden.denylist.broad import to_broad_item
from sessionwarden.errors import UserPoolError
from sessionwarden.model.coverage import NOT_COVERED, Coverage
from sessionwarden.model.decision import ActionResult, Decision, Enforcement
from sessionwarden.model.deny import BroadDeny, DenyEntry
from sessionwarden.model.finding import Action
from sessionwarden.ports import MOST_REMEMBERED, Act, PoolUser, Stop


class MemoryDenylistStore:
    """`ports.DenylistStore` in a dictionary."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], DenyEntry] = {}
        self._broad: dict[tuple[int, str], BroadDeny] = {}

    def put(self, principal: str, entry: DenyEntry) -> None:
        self._entries.setdefault((principal, entry.decision_id), entry)

    def lift(self, principal: str, decision_id: str, *, lifted_at: int, revive_tokens: bool) -> bool:
        entry = self._entries.get((principal, decision_id))
        if entry is None:
            return False
        self._entries[principal, decision_id] = entry._replace(
            lifted_at=lifted_at if entry.lifted_at is None else entry.lifted_at,
            tokens_revived=entry.tokens_revived or revive_tokens,
        )
        return True

    def entries(self, principal: str) -> Sequence[DenyEntry]:
        return [entry for (owner, _), entry in sorted(self._entries.items()) if owner == principal]

    def put_broad(self, entry: BroadDeny) -> None:
        # what cannot be stored is refused here too
        to_broad_item(entry)
        self._broad.setdefault((entry.deny_until, entry.decision_id), entry)

    def lift_broad(self, entry: BroadDeny, *, lifted_at: int) -> bool:
        key = (entry.deny_until, entry.decision_id)
        known = self._broad.get(key)
        if known is None:
            return False
        if known.lifted_at is None:
            self._broad[key] = known._replace(lifted_at=lifted_at)
        return True

    def broad(self, *, now: int) -> Sequence[BroadDeny]:
        return [entry for (until, _), entry in sorted(self._broad.items()) if until >= now]


class MemoryDecisionStore:
    """`ports.DecisionStore` in a dictionary."""

    def __init__(self) -> None:
        self._records: dict[str, Enforcement] = {}

    def record(self, decision: Decision) -> Enforcement:
        fresh = Enforcement(decision=decision, results=(), time=decision.created_at)
        return self._records.setdefault(decision.id, fresh)

    def attempt(self, decision_id: str, action: Action) -> None:
        known = self._records.get(decision_id)
        if known is not None and action not in known.attempted:
            self._records[decision_id] = replace(known, attempted=tuple(sorted((*known.attempted, action))))

    def note(self, decision_id: str, result: ActionResult) -> None:
        known = self._records.get(decision_id)
        if known is None or any(result.action == old.action for old in known.results):
            return
        results = tuple(sorted((*known.results, result), key=lambda result: result.time))
        self._records[decision_id] = replace(known, results=results, time=results[-1].time)

    def lift(self, decision_id: str, *, lifted_at: int, by: str) -> bool:
        known = self._records.get(decision_id)
        if known is None:
            return False
        if known.lifted_at is None:
            self._records[decision_id] = replace(known, lifted_at=lifted_at, lifted_by=by)
        return True

    def get(self, decision_id: str) -> Enforcement | None:
        return self._records.get(decision_id)

    def list(self, *, since_ms: int, limit: int) -> Sequence[Enforcement]:
        recent = [known for known in self._records.values() if known.decision.created_at >= since_ms]
        return sorted(recent, key=lambda known: known.decision.created_at, reverse=True)[:limit]


class MemoryControlStore:
    """`ports.ControlStore` in memory."""

    def __init__(self) -> None:
        self._switch: Stop | None = None
        self._spent: dict[tuple[str, int], set[str]] = {}

    def stopped(self) -> bool:
        return self._switch is not None

    def switch(self) -> Stop | None:
        return self._switch

    def spend(self, *, budget: str, hour: int, decision_id: str, limit: int) -> bool:
        spent = self._spent.setdefault((budget, hour), set())
        if decision_id not in spent and len(spent) >= limit:
            return False
        spent.add(decision_id)
        return True

    def stop(self, *, by: str, at_ms: int) -> None:
        self._switch = Stop(by, at_ms)

    def resume(self) -> None:
        self._switch = None


class MemoryCoverageStore:
    """`ports.CoverageStore` in a dictionary."""

    def __init__(self) -> None:
        self._covered: dict[str, Coverage] = {}

    def read(self, name: str) -> Coverage:
        return self._covered.get(name, NOT_COVERED)

    def claim(self, name: str, act: Act, *, since: int) -> bool:
        known = self.read(name)
        taken = known.by not in ("", act.by) and known.until > since
        free = not taken or (act.lockout and not known.lockout)
        if free:
            self._set(name, act)
        return free

    def extend(self, name: str, act: Act) -> None:
        known = self.read(name)
        if known.until < act.until:
            self._set(name, act)
        else:
            self._covered[name] = known._replace(enforced={act.by: act.at, **known.enforced})

    def lift(self, name: str, decision_id: str, *, until: int) -> None:
        known = self.read(name)
        enforced = {by: at for by, at in known.enforced.items() if by != decision_id}
        self._covered[name] = known._replace(
            enforced=enforced, until=until if known.by == decision_id else known.until
        )

    def _set(self, name: str, act: Act) -> None:
        enforced = {act.by: act.at, **self.read(name).enforced}
        newest = sorted(enforced.items(), key=lambda one: -one[1])[:MOST_REMEMBERED]
        self._covered[name] = Coverage(act.until, act.by, act.lockout, dict(newest))


class MemoryUserPool:
    """`ports.UserPool` that remembers its calls, and who is disabled."""

    def __init__(self, users: Mapping[tuple[str, str], PoolUser]) -> None:
        self._users = dict(users)
        self.signed_out: list[tuple[str, str]] = []
        self.disabled: set[tuple[str, str]] = set()

    def describe(self, pool: str, user: str) -> PoolUser | None:
        return self._users.get((pool, user))

    def sign_out(self, pool: str, user: str) -> None:
        self.signed_out.append(self._known(pool, user))

    def disable(self, pool: str, user: str) -> None:
        self.disabled.add(self._known(pool, user))

    def enable(self, pool: str, user: str) -> None:
        self.disabled.discard(self._known(pool, user))

    def _known(self, pool: str, user: str) -> tuple[str, str]:
        if (pool, user) not in self._users:
            raise UserPoolError("UserNotFoundException", retryable=False)
        return pool, user


class SentAlert(NamedTuple):
    """An alert as it was sent."""

    subject: str
    message: str
    attributes: Mapping[str, str]


class MemoryAlertSink:
    """`ports.AlertSink` that keeps what was sent."""

    def __init__(self) -> None:
        self.sent: list[SentAlert] = []

    def alert(self, *, subject: str, message: str, attributes: Mapping[str, str]) -> None:
        self.sent.append(SentAlert(subject, message, dict(attributes)))


class MemoryPublisher:
    """`ports.Publisher` that keeps what was published."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes]] = []

    def publish(self, detail_type: str, details: Sequence[bytes]) -> None:
        self.published += [(detail_type, detail) for detail in details]
