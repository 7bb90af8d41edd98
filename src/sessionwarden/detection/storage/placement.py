"""Where members lie: in sets of their key's own, or on a shared log that many keys share.

Enters: the keys of a batch with their members. Leaves: groups of keys that are written and read by one call,
and what was read, key by key. Invariant: what a key has on a shared log, and in sets of its own if the shared
log is full, is together what its own sets would have held: the theorem of docs/explanation/windows.md does
not tell them apart. Only keys that stop growing once they fired are kept in a shared log. Figures:
docs/explanation/cost.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import NamedTuple

from sessionwarden.detection.acceptance import expiry
from sessionwarden.detection.batch import Work
from sessionwarden.detection.counting.member_encoding import Members
from sessionwarden.detection.storage.admission import Admission
from sessionwarden.detection.storage.shared_log import NOTHING
from sessionwarden.detection.storage.shared_log_size import SHARED_LOG_LIMIT
from sessionwarden.detection.windows.window import Window
from sessionwarden.ports import SharedLogEpoch, SharedLogStore, WindowStore

SHARED_LOG_TIMESPAN_MS = 60 * 60_000
"""The longest timespan of windows that are kept in a shared log: every process keeps what it reads of a
shared log."""

SHARED_LOG_FORMAT = 2
"""Of shared logs. It changes with `shared_log_epoch.pack`, `SHARED_LOG_LIMIT`, and what `is_in_shared_log`
says."""


class Group(NamedTuple):
    """Keys of a batch that share a shared log, or one that has sets of its own (`shared log` is `None`)."""

    shared_log: str | None
    works: list[Work]


class Sets:
    """Writes and reads the members of groups. Without `shared logs`, every key has sets of its own.

    A new key has them only if `admission` serves it.
    """

    def __init__(self, store: WindowStore, shared_logs: SharedLogStore | None, admission: Admission) -> None:
        self._store = store
        self._shared_logs = shared_logs
        self._admission = admission

    def groups(self, works: Iterable[Work]) -> list[Group]:
        """The works, those together that one call can serve."""
        alone: list[Group] = []
        shared: dict[str, Group] = {}
        for work in works:
            window = work.state.window
            shared_log = self._shared_log_of(window)
            if shared_log is None:
                alone.append(Group(None, [work]))
            else:
                shared.setdefault(shared_log, Group(shared_log, [])).works.append(work)
        return [*shared.values(), *alone]

    def _shared_log_of(self, window: Window) -> str | None:
        if self._shared_logs is None or not is_in_shared_log(window):
            return None
        return shared_log_name(window.timespan_ms, limit=self._shared_logs.shared_log_limit)

    def admitted(self, works: Iterable[Work]) -> list[Group]:
        """The groups, less the keys with sets of their own that are not served: these lose their members."""
        groups = self.groups(works)
        own = [work for group in groups if group.shared_log is None for work in group.works]
        self._admission.serve(own)
        for work in own:
            if work.dropped:
                work.members.clear()
        return [group for group in groups if any(work.due for work in group.works)]

    def write(self, group: Group) -> None:
        """Add all members of the group. Raises `StoreError`."""
        if group.shared_log is None or self._shared_logs is None:
            for work in group.works:
                self._write_own(work, work.members)
            return
        epochs: dict[int, list[Work]] = {}
        for work in group.works:
            for epoch in work.members:
                epochs.setdefault(epoch, []).append(work)
        full: list[int] = []
        for epoch, works in epochs.items():
            members = frozenset(
                work.state.log_owner + member for work in works for member in work.members[epoch]
            )
            needed_until = max(work.state.window.needed_until(epoch) for work in works)
            if not self._shared_logs.append(
                group.shared_log, epoch, members, expires_at=expiry(needed_until)
            ):
                full.append(epoch)
        self._write_beside([work for work in group.works if not work.members.keys().isdisjoint(full)], full)

    def _write_beside(self, works: list[Work], full: list[int]) -> None:
        """What full shared logs did not take goes into sets of the keys' own, of those that are served."""
        self._admission.serve(works)
        for work in works:
            beside = {epoch: work.members[epoch] for epoch in full if epoch in work.members}
            if not work.dropped:
                self._write_own(work, beside)
                continue
            for epoch in beside:
                del work.members[epoch]

    def _write_own(self, work: Work, sets: Mapping[int, set[bytes]]) -> None:
        key, window = work.state.table_key, work.state.window
        additions = {(key, place): frozenset(members) for place, members in sets.items()}
        if additions:
            expires_at = {at: expiry(window.needed_until(at[1])) for at in additions}
            self._store.add(additions, expires_at=expires_at)

    def read(self, group: Group) -> Callable[[Work], Members]:
        """What is stored around the members of each key. Raises `StoreError`, a shared log's at once."""
        if group.shared_log is None or self._shared_logs is None:
            return self._read_own
        nearby: dict[tuple[int, ...], list[int]] = {}
        for work in group.works:
            touched = tuple(work.members)
            if touched not in nearby:
                nearby[touched] = _around(work)
        shared_log = self._shared_logs.read_shared_log(
            group.shared_log, sorted(set(chain.from_iterable(nearby.values())))
        )
        full = {
            place for place, epoch in shared_log.items() if epoch.count >= self._shared_logs.shared_log_limit
        }
        if full:
            self._admission.serve(
                work for work in group.works if not full.isdisjoint(nearby[tuple(work.members)])
            )
        return lambda work: self._united(work, nearby[tuple(work.members)], shared_log, full)

    def _united(
        self, work: Work, around: Iterable[int], shared_log: Mapping[int, SharedLogEpoch], full: set[int]
    ) -> Members:
        owner = work.state.log_owner
        in_shared_log = {place: shared_log[place].of(owner) for place in around if place in shared_log}
        if work.dropped or full.isdisjoint(around):
            return in_shared_log
        # whoever found the shared log full wrote here; whoever did not, and wrote later, finds it full by now
        own = self._read_own(work)
        return {
            place: in_shared_log.get(place, NOTHING) | own.get(place, NOTHING)
            for place in {*in_shared_log, *own}
        }

    def _read_own(self, work: Work) -> Members:
        return self._store.read(work.state.table_key, _around(work))


def is_in_shared_log(window: Window) -> bool:
    """Whether the window's keys share shared logs.

    A key must stop growing by itself, or it would fill the shared log: not one that a finding does not
    silence (`feeds`), nor one of whose members more and more are needed. Ordered sequences have sets of their
    own.
    """
    layout = window.layout
    return (
        layout is not None
        and layout.sets == 1
        and layout.timespan_ms <= SHARED_LOG_TIMESPAN_MS
        and window.bounded
        and not window.feeds
    )


def shared_log_name(timespan_ms: int, *, limit: int) -> str:
    """The shared log of windows of a timespan: only then do their epochs have the same numbers and times.

    The format is part of the name, and so is a limit other than `SHARED_LOG_LIMIT`: two processes that pack
    members differently, or disagree on when a shared log is full, must not meet at one. The one with the
    larger limit would not look beside a shared log that the other found full. While one kind replaces the
    other, they do not see each other's members.
    """
    size = "" if limit == SHARED_LOG_LIMIT else f"-{limit}"
    return f"shelf{SHARED_LOG_FORMAT}{size}#{timespan_ms}"


def _around(work: Work) -> list[int]:
    layout = work.state.window.layout
    assert layout is not None
    return layout.around(work.members)
