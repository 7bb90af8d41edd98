"""Who the protected usernames and groups are, listed beforehand: one look-up a list, not one a finding.

Access logs carry neither names nor groups, so enforcement must ask Cognito before it acts. Asked for every
finding, a Cognito that throttles would hold up every deny, and an attacker can cause a thousand findings.
Invariants: a user is taken for unprotected only by a complete list that is not older than `MAX_AGE_MS`;
otherwise the caller must look the user up. A list that cannot be made is no list.
"""

from __future__ import annotations

from typing import NamedTuple

from sessionwarden.errors import UserPoolError
from sessionwarden.policy.deployment import Deployment
from sessionwarden.ports import Clock, UserDirectory

REFRESH_AFTER_MS = 5 * 60_000
MAX_AGE_MS = 15 * 60_000
"""For so long a user who has just come into a protected group may still be acted upon."""
RETRY_AFTER_MS = 60_000
"""How soon a list that could not be made is tried again: each try costs quota too."""
MOST_NAMES = 20
"""Usernames and groups that are asked for, counted in each pool. With the members, at most 37 calls."""
MOST_MEMBERS = 1_000
"""Members of all groups together, of which Cognito returns 60 a call."""


class ProtectedList(NamedTuple):
    """Users, as pool and sub, and when they were asked for (epoch ms). `complete` if no bound was met."""

    users: frozenset[tuple[str, str]]
    complete: bool
    made_at: int


class ListReport(NamedTuple):
    """What operators are told of the list: its age, look-ups of single users, a code if it was not made."""

    age_ms: int | None
    complete: bool
    look_ups: int
    failure: str | None


class ProtectedUsers:
    """The list of one process. It is made when a finding first needs it."""

    def __init__(self, *, directory: UserDirectory, deployment: Deployment, clock: Clock) -> None:
        self._directory = directory
        self._deployment = deployment
        self._clock = clock
        self._list: ProtectedList | None = None
        self._wanted = False
        self._not_before = 0
        self._look_ups = 0
        self._failure: str | None = None

    def includes(self, pool: str, user: str) -> bool | None:
        """Whether the user (a sub) is protected by name or group; `None` if the user must be looked up."""
        self._wanted = True
        if self._older_than(MAX_AGE_MS):
            self._make()
        if self._list is not None and (pool, user) in self._list.users:
            return True
        if self._list is not None and self._list.complete and not self._older_than(MAX_AGE_MS):
            return False
        self._look_ups += 1
        return None

    def refresh(self) -> None:
        """Make the list again if it is no longer new: between batches, when no deny waits for it."""
        if self._wanted and self._older_than(REFRESH_AFTER_MS):
            self._make()

    def report(self) -> ListReport | None:
        """What has happened since the last report; `None` while no finding has needed the list."""
        if not self._wanted:
            return None
        known = self._list
        report = ListReport(
            age_ms=None if known is None else self._clock() - known.made_at,
            complete=known is not None and known.complete,
            look_ups=self._look_ups,
            failure=self._failure,
        )
        self._look_ups, self._failure = 0, None
        return report

    def _older_than(self, age_ms: int) -> bool:
        return self._list is None or self._clock() - self._list.made_at > age_ms

    def _make(self) -> None:
        now_ms = self._clock()
        if now_ms < self._not_before:
            return
        try:
            self._list = self._ask(now_ms)
        except UserPoolError as error:
            self._not_before = now_ms + RETRY_AFTER_MS
            self._failure = error.code

    def _ask(self, now_ms: int) -> ProtectedList:
        protected, pools = self._deployment.policy.protected, self._deployment.pools
        names = [(pool, name) for pool in pools for name in protected.usernames]
        groups = [(pool, group) for pool in pools for group in protected.groups]
        complete = len(names) + len(groups) <= MOST_NAMES
        users: set[tuple[str, str]] = set()
        for pool, name in names[:MOST_NAMES]:
            sub = self._directory.sub_of(pool, name)
            users |= {(pool, sub)} if sub is not None else set()
        left = MOST_MEMBERS
        for pool, group in groups[: max(MOST_NAMES - len(names), 0)]:
            members = self._directory.members(pool, group, limit=left)
            complete = complete and len(members) <= left
            users |= {(pool, sub) for sub in members}
            left = max(left - len(members), 0)
        return ProtectedList(frozenset(users), complete, now_ms)
