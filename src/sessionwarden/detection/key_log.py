"""The members of one key, all in this process: distinct pairs of a time and a token, in order of time.

Enters: times (epoch ms, or quanta of a `value_count`) and 64-bit tokens, in any order, any number of
times. Invariant: the pairs are those of the grow-only sets of docs/explanation/windows.md. A pair takes
16 bytes, for a day of a busy log is millions of them. What comes in order costs a comparison and three
appends; what comes late or again costs a search and, if it is new, moving what is behind it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right

from sessionwarden.detection.windows.group_key import GroupKey
from sessionwarden.detection.windows.key_state import Key
from sessionwarden.detection.windows.window import Window

IDS_KEPT = 40
"""Event ids that are kept of a key's newest members, as evidence; twice as many before the older go."""


class KeyLog(Key):
    """One key's members, and of the newest of them an event: `ids[-1]` and `seen[-1]` belong to `times[-1]`.

    `seen` holds real times (epoch ms), and is only kept where `times` are quanta.
    """

    __slots__ = ("again", "ids", "seen", "times", "tokens")

    def __init__(self, window: Window, key: GroupKey) -> None:
        super().__init__(window, key)
        self.times = array("q")
        self.tokens = array("q")
        self.ids: list[str] = []
        self.seen: array[int] | None = None if window.value_field is None else array("q")
        # a finding of this key was not accepted: what comes next must raise it, new or not
        self.again = False

    def insert(self, time: int, token: int, event_id: str, seen: int) -> bool:
        """Add a member wherever it belongs, an event that was `seen` then; whether it is new."""
        times = self.times
        if not times or time > times[-1]:
            times.append(time)
            self.tokens.append(token)
            self.ids.append(event_id)
            if self.seen is not None:
                self.seen.append(seen)
            return True
        first, end = bisect_left(times, time), bisect_right(times, time)
        if token in self.tokens[first:end]:
            return False
        behind = len(times) - end
        if behind <= len(self.ids):
            self.ids.insert(len(self.ids) - behind, event_id)
            if self.seen is not None:
                self.seen.insert(len(self.seen) - behind, seen)
        times.insert(end, time)
        self.tokens.insert(end, token)
        return True

    def between(self, since: int, until: int) -> tuple[int, int]:
        """The range of indices of the members in `(since, until)`, both exclusive."""
        return bisect_right(self.times, since), bisect_left(self.times, until)

    def by_time(self, first: int, end: int) -> list[tuple[int, list[int]]]:
        """The tokens of each time, in order of time, of a range of indices."""
        found: dict[int, list[int]] = {}
        for time, token in zip(self.times[first:end], self.tokens[first:end], strict=True):
            found.setdefault(time, []).append(token)
        return list(found.items())

    def forget_members(self, *, before: int) -> None:
        """Drop the members of times before `before`."""
        end = bisect_left(self.times, before)
        if end:
            del self.times[:end], self.tokens[:end]
            self.forget_ids(kept=len(self.times))

    def forget_ids(self, *, kept: int) -> None:
        """Drop the ids of all but the newest `kept` members."""
        end = max(0, len(self.ids) - kept)
        del self.ids[:end]
        if self.seen is not None:
            del self.seen[:end]

    def forget_marks(self, *, before: int) -> None:
        """Drop the marks of periods that ended before `before` (epoch ms)."""
        cooldowns = {reader.mark: reader.cooldown_ms for reader in self.window.readers}
        self.suppressed = frozenset(
            (mark, period) for mark, period in self.suppressed if (period + 1) * cooldowns[mark] > before
        )
