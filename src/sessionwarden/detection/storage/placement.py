"""Decides whether members lie in sets of their own key or on a shared log, then writes and reads them.

Keys whose members lie on one shared log form a group, which one call writes and one call reads. Invariant:
the members of a key on a shared log, with those in its own sets if the log is full, are the ones that its own
sets would have held: the theorem of docs/explanation/windows.md covers both. Only keys that stop growing
once they have a finding are kept in a shared log. Figures: docs/explanation/cost.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import NamedTuple

from sessionwarden.correlations.member_encoding import Members
from sessionwarden.detection.acceptance import expiry
from sessionwarden.detection.batch import Work
from sessionwarden.detection.storage.own_sets import OwnSets
from sessionwarden.detection.storage.shared_log import NOTHING
from sessionwarden.detection.storage.shared_log_size import SHARED_LOG_LIMIT
from sessionwarden.detection.windows.window import Window
from sessionwarden.ports import SharedLogStore

SHARED_LOG_TIMESPAN_MS = 60 * 60_000
"""The longest timespan of windows in a shared log: every process keeps what it reads of one."""

SHARED_LOG_FORMAT = 2
"""The format of shared logs. It changes with `shared_log.pack`, `SHARED_LOG_LIMIT` and `is_in_shared_log`."""

Read = Callable[[Work], Members]
"""Returns all members that are stored around those of a work."""


class Group(NamedTuple):
    """Keys of a batch that share a shared log, or one key that has sets of its own (`name` is `None`)."""

    name: str | None
    works: list[Work]


class Placement:
    """Writes and reads the members of groups. Without `shared_logs`, every key has sets of its own."""

    def __init__(self, own: OwnSets, shared_logs: SharedLogStore | None) -> None:
        self._own = own
        self._shared_logs = shared_logs

    def groups(self, works: Iterable[Work]) -> list[Group]:
        """The works, grouped so that one call can serve each group."""
        alone: list[Group] = []
        shared: dict[str, Group] = {}
        for work in works:
            name = self._shared_log_of(work.state.window)
            if name is None:
                alone.append(Group(None, [work]))
            else:
                shared.setdefault(name, Group(name, [])).works.append(work)
        return [*shared.values(), *alone]

    def _shared_log_of(self, window: Window) -> str | None:
        if self._shared_logs is None or not is_in_shared_log(window):
            return None
        return shared_log_name(window.timespan_ms, limit=self._shared_logs.shared_log_limit)

    def admitted(self, works: Iterable[Work]) -> list[Group]:
        """The groups of a level, without the keys that need sets of their own and are not served."""
        groups = self.groups(works)
        alone = [work for group in groups if group.name is None for work in group.works]
        self._own.served(alone)
        for work in alone:
            if work.dropped:
                work.members.clear()
        return [group for group in groups if any(work.due for work in group.works)]

    def write(self, group: Group) -> None:
        """Add all members of the group. Raises `StoreError`."""
        if group.name is None or self._shared_logs is None:
            for work in group.works:
                self._own.write(work, work.members)
            return
        full = self._append(group.name, group.works, self._shared_logs)
        beside = [work for work in group.works if not full.isdisjoint(work.members)]
        self._own.served(beside)
        for work in beside:
            if work.dropped:
                for epoch in full:
                    work.members.pop(epoch, None)
            else:
                self._own.write(work, {epoch: work.members[epoch] for epoch in full & work.members.keys()})

    @staticmethod
    def _append(name: str, works: Iterable[Work], shared_logs: SharedLogStore) -> set[int]:
        """Append to a shared log, epoch by epoch; returns the epochs that were full and stored nothing."""
        epochs: dict[int, list[Work]] = {}
        for work in works:
            for epoch in work.members:
                epochs.setdefault(epoch, []).append(work)
        full = set()
        for epoch, its_works in epochs.items():
            members = frozenset(
                work.state.log_owner + member for work in its_works for member in work.members[epoch]
            )
            needed_until = max(work.state.window.needed_until(epoch) for work in its_works)
            if not shared_logs.append(name, epoch, members, expires_at=expiry(needed_until)):
                full.add(epoch)
        return full

    def read(self, group: Group) -> Read:
        """A function that returns, for each work of the group, what is stored around its members.

        Raises `StoreError`; for a key with sets of its own, the function raises it.
        """
        if group.name is None or self._shared_logs is None:
            return lambda work: self._own.read(work, _around(work))
        nearby: dict[tuple[int, ...], list[int]] = {}
        for work in group.works:
            touched = tuple(work.members)
            if touched not in nearby:
                nearby[touched] = _around(work)
        epochs = self._shared_logs.read_shared_log(
            group.name, sorted(set(chain.from_iterable(nearby.values())))
        )
        limit = self._shared_logs.shared_log_limit
        full = {number for number, epoch in epochs.items() if epoch.count >= limit}

        def around(work: Work) -> list[int]:
            return nearby[tuple(work.members)]

        # a process that found the shared log full wrote beside it; any later one finds it full by now
        beside = [work for work in group.works if not full.isdisjoint(around(work))] if full else []
        both = {id(work) for work in self._own.served(beside)}

        def read(work: Work) -> Members:
            owner, numbers = work.state.log_owner, around(work)
            shared = {number: epochs[number].of(owner) for number in numbers if number in epochs}
            return _united(shared, self._own.read(work, numbers)) if id(work) in both else shared

        return read


def _united(shared: Members, own: Members) -> Members:
    return {number: shared.get(number, NOTHING) | own.get(number, NOTHING) for number in {*shared, *own}}


def is_in_shared_log(window: Window) -> bool:
    """Whether the keys of the window are kept in a shared log.

    A key must stop growing by itself, or it would fill the shared log. That excludes a key that no finding
    suppresses, because other rules count its matches, and a key that always needs more members.
    Ordered sequences have sets of their own.
    """
    encoding = window.encoding
    return (
        encoding is not None
        and encoding.sets == 1
        and encoding.timespan_ms <= SHARED_LOG_TIMESPAN_MS
        and window.full_is_proof
        and not window.is_counted
    )


def shared_log_name(timespan_ms: int, *, limit: int) -> str:
    """The shared log of all windows with one timespan: only these have epochs of the same numbers and times.

    The format is part of the name, and so is a limit other than `SHARED_LOG_LIMIT`: two processes that pack
    members differently, or disagree on when a shared log is full, must not use the same one. The
    process with the larger limit would not read the own sets of keys whose log the other found full. While a
    deployment replaces processes, the old and the new do not see each other's members.
    """
    size = "" if limit == SHARED_LOG_LIMIT else f"-{limit}"
    return f"shelf{SHARED_LOG_FORMAT}{size}#{timespan_ms}"


def _around(work: Work) -> list[int]:
    encoding = work.state.window.encoding
    assert encoding is not None
    return encoding.around(work.members)
