"""The protocols through which the core reaches stores and services. `adapters` implements them.

Every method may raise `StoreError` (or the error named), which means "not acknowledged", never
"did not happen": callers rely only on operations that are safe to repeat.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:  # the authorizer imports this module and must not pay for msgspec
    from sessionwarden.model.coverage import Coverage
    from sessionwarden.model.decision import ActionResult, Decision, Enforcement
    from sessionwarden.model.deny import BroadDeny, DenyEntry
    from sessionwarden.model.finding import Action, Finding


class Clock(Protocol):
    """Tells the present time, as epoch milliseconds."""

    def __call__(self) -> int: ...


MEMBER_LIMIT = 20_000
"""Members that a set of a window may hold: the evaluation of a key reads all of them."""

MEMBER_BYTES = 18
"""Bytes of the longest member, with the tag of its session."""


class WindowStore(Protocol):
    """Grow-only sets of members, by (window key, epoch), and markers of suppressed periods.

    An epoch is a number here: ordered sequences have one for each epoch of time and step.

    `add` is idempotent and commutative; once it returns, every `read` that starts later sees it. A set that
    holds `member_limit` members silently drops further ones: for most types of rules, its key had a finding
    long before. Several threads can call an implementation.
    """

    @property
    def member_limit(self) -> int:
        """`MEMBER_LIMIT`, except in tests and where nothing is stored for long."""
        ...

    def add(
        self,
        additions: Mapping[tuple[str, int], frozenset[bytes]],
        *,
        expires_at: Mapping[tuple[str, int], int],
    ) -> None:
        """Add members to the sets. `expires_at` is epoch seconds per set."""
        ...

    def read(self, key: str, epochs: Iterable[int]) -> Mapping[int, frozenset[bytes]]:
        """The members of `key` for `epochs`, strongly consistent. Absent epochs are left out."""
        ...

    def suppressed(self, key: str, periods: Iterable[int]) -> frozenset[int]:
        """Those of `periods` that have a suppression marker under `key`."""
        ...

    def suppress(self, key: str, period: int, *, expires_at: int) -> None:
        """Write the suppression marker of a period, after the finding of that period was emitted."""
        ...


class SharedLogEpoch(Protocol):
    """The members of one epoch of a shared log; the hash of its owner stands before each."""

    count: int

    def of(self, owner: bytes) -> frozenset[bytes]:
        """The members of one owner, without its hash."""
        ...


class SharedLogStore(Protocol):
    """Grow-only sets that many keys share, by (shared log, epoch): one write holds what a batch brings them.

    It promises the same as `WindowStore`, except that a full set says so. Several threads may call it, each
    for other shared logs.
    """

    @property
    def shared_log_limit(self) -> int:
        """Members with which a set is full; the last addition may go beyond."""
        ...

    def append(self, shared_log: str, epoch: int, members: frozenset[bytes], *, expires_at: int) -> bool:
        """Make sure that a set holds the members; false if it is full. `expires_at` is epoch seconds."""
        ...

    def read_shared_log(self, shared_log: str, epochs: Iterable[int]) -> Mapping[int, SharedLogEpoch]:
        """The members of a shared log for `epochs`, strongly consistent. Absent epochs are left out."""
        ...


class DenylistStore(Protocol):
    """Deny entries by principal (`pool#sub`), and those of clients and networks, all in one place."""

    def put(self, principal: str, entry: DenyEntry) -> None:
        """Record the entry unless one with its decision id exists: a retry or a lift must win."""
        ...

    def lift(self, principal: str, decision_id: str, *, lifted_at: int, revive_tokens: bool) -> bool:
        """Leave a tombstone; false if there was no such entry. Times are epoch seconds."""
        ...

    def entries(self, principal: str) -> Sequence[DenyEntry]:
        """Every entry of the principal, strongly consistent, expired ones included."""
        ...

    def put_broad(self, entry: BroadDeny) -> None:
        """Record the entry unless it exists, like `put`.

        Raises `ValueError` if it names no one thing, or a network that readers could not read: one such
        entry would fail every request.
        """
        ...

    def lift_broad(self, entry: BroadDeny, *, lifted_at: int) -> bool:
        """Leave a tombstone; false if `entry` was never put. The first lift stays. Epoch seconds."""
        ...

    def broad(self, *, now: int) -> Sequence[BroadDeny]:
        """Every entry whose time is not over at `now` (epoch seconds), lifted ones included, consistent."""
        ...


class DecisionStore(Protocol):
    """The audit record: each decision and what was done for it."""

    def record(self, decision: Decision) -> Enforcement:
        """Record it unless its id exists; returns what is recorded, which is what counts."""
        ...

    def attempt(self, decision_id: str, action: Action) -> None:
        """Record that an action is about to be tried, so that an operator can undo it after a crash."""
        ...

    def note(self, decision_id: str, result: ActionResult) -> None:
        """Record the result of an action beside the decision; the first result of an action stays."""
        ...

    def lift(self, decision_id: str, *, lifted_at: int, by: str) -> bool:
        """Record that it was undone (epoch seconds; the first record stays); false if it does not exist."""
        ...

    def get(self, decision_id: str) -> Enforcement | None:
        """A decision with its results (none yet: an empty tuple), strongly consistent, or `None`."""
        ...

    def list(self, *, since_ms: int, limit: int) -> Sequence[Enforcement]:
        """Newest first; may lag a moment behind `record`."""
        ...


class Act(NamedTuple):
    """An act that covers what was done before it. Times are epoch ms.

    `by` is the id of its decision, made `at`; it covers events up to `until`. `lockout`: see `Coverage`.
    """

    by: str
    at: int
    until: int
    lockout: bool


MOST_REMEMBERED = 20
"""Acts of a day that are kept for one name: what follows an act changes with the first few only."""


class CoverageStore(Protocol):
    """What has been acted upon, by name; see `model.coverage`."""

    def read(self, name: str) -> Coverage:
        """What is covered of `name`, strongly consistent."""
        ...

    def claim(self, name: str, act: Act, *, since: int) -> bool:
        """Cover `name` up to the act, in one step, unless events after `since` (epoch ms) are covered.

        True again for the same decision; true as well for a lockout where none has been.
        """
        ...

    def extend(self, name: str, act: Act) -> None:
        """Cover `name` up to the act, unless more is covered; keep the act's time in any case."""
        ...

    def lift(self, name: str, decision_id: str, *, until: int) -> None:
        """Forget an act. If it was the last, `name` is covered up to `until` (epoch ms)."""
        ...


class Stop(NamedTuple):
    """The kill switch is on: who stopped enforcement, and when (epoch ms)."""

    by: str
    at_ms: int


class ControlStore(Protocol):
    """The kill switch of operators and the hourly budgets; enforcement reads them before each action."""

    def stopped(self) -> bool:
        """Whether the kill switch is on, strongly consistent."""
        ...

    def switch(self) -> Stop | None:
        """Who switched it on and when, strongly consistent; `None` while enforcement runs."""
        ...

    def spend(self, *, budget: str, hour: int, decision_id: str, limit: int) -> bool:
        """Take one unit of the named budget of the hour; true again for the same decision id."""
        ...

    def stop(self, *, by: str, at_ms: int) -> None: ...

    def resume(self) -> None: ...


class PoolUser(NamedTuple):
    """What a user pool says of a user now; an older token may say otherwise."""

    username: str
    groups: tuple[str, ...]


class UserPool(Protocol):
    """The admin calls of a Cognito user pool; `user` is a sub. Raises `UserPoolError`."""

    def describe(self, pool: str, user: str) -> PoolUser | None:
        """The user's name and groups, or `None` if the pool has no such user."""
        ...

    def sign_out(self, pool: str, user: str) -> None: ...

    def disable(self, pool: str, user: str) -> None: ...

    def enable(self, pool: str, user: str) -> None: ...


NOTHING_PUBLISHED = b""
"""What `PublishedRules` returns while no operator has put a rule set live."""


class PublishedRules(Protocol):
    """The compiled rule set that operators have put live without a deployment."""

    def poll(self) -> bytes | None:
        """The bytes that are live now, `NOTHING_PUBLISHED`, or `None` if nothing new is known.

        The detect Lambda calls it for every batch; it asks the service only after an interval, and never
        returns `None` to the first call. Raises `RulesUnavailableError` if the service did not answer.
        """
        ...


class FindingSink(Protocol):
    """Hands findings to enforcement; raises `DeliveryError` unless all were accepted."""

    def emit(self, findings: Sequence[Finding]) -> None: ...


class Publisher(Protocol):
    """Puts events of this product on the bus; raises `DeliveryError` unless all were accepted."""

    def publish(self, detail_type: str, details: Sequence[bytes]) -> None: ...


class AlertSink(Protocol):
    """Notifies operators. `subject` is at most 100 ASCII characters."""

    def alert(self, *, subject: str, message: str, attributes: Mapping[str, str]) -> None: ...
