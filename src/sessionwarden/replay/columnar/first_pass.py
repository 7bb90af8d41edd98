"""The first reading of a log: a range of it in, notes and counts out.

Enters: a range of a log file. Leaves: what a survey notes of its rows, and what it counted, in a form that
can be sent between processes. Invariant: the same whoever looks at a range, and whatever else was looked at
before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from sessionwarden.replay.columnar.access_log import AccessLogColumns
from sessionwarden.replay.columnar.coarse_counts import Counted
from sessionwarden.replay.columnar.columns import Columns, EventColumns, Integers, JoinedColumns, TextNumbers
from sessionwarden.replay.columnar.first_pass_file import Group, Part
from sessionwarden.replay.columnar.prefilter import Survey
from sessionwarden.replay.log_files import Block, LogFileError, Range, Unreadable, read_blocks
from sessionwarden.replay.log_lines import (
    EVENTS_AT_ONCE,
    LineReader,
    QuarantinedLine,
    own_formats,
    own_formats_at_once,
)
from sessionwarden.ruleset.compiled import CompiledRuleset


class Place(NamedTuple):
    """A range of one of the logs."""

    log: int
    path: str
    of: Range


class Look(NamedTuple):
    """What was seen of some blocks. `group` is `None` if they hold no event.

    `text_lines` are all lines, `lines` less those that are blank; the numbers of `bad` ones count from the
    first of them. `broken` says why the log cannot be read any further.
    """

    group: Group | None
    counted: Sequence[Sequence[Counted]]
    text_lines: int
    lines: int
    events: int
    bad: Sequence[QuarantinedLine]
    broken: str | None = None


class _Seen:
    """Some blocks of a log, one after the other."""

    def __init__(self, place: Place, columns: AccessLogColumns, fields: frozenset[str], now_ms: int) -> None:
        self._place = place
        self._columns = columns
        self._fields = fields
        self.bad: list[QuarantinedLine] = []
        self.reader = LineReader(
            own_formats(now_ms), self.bad.append, parse_batch=own_formats_at_once(now_ms)
        )
        self.parts: list[Part] = []
        self.columns: list[Columns] = []
        self.ends: list[Integers] = []
        self.text_lines = 0

    def add(self, at: int, block: Block, numbering: TextNumbers) -> None:
        """The next block, and where it lies."""
        plain = None if isinstance(block, Unreadable) else self._columns.read(block)
        if plain is not None:
            self.reader.count(len(plain.times))
            self.text_lines += len(plain.times)
            self._keep(at, len(block), plain, plain.ends, plain=True)
            return
        events = self.reader.read(block, file=self._place.path, first_line=self.text_lines + 1)
        self.text_lines += 1 if isinstance(block, Unreadable) else block.count(b"\n") + 1
        if events:
            columns = EventColumns(events, self._fields, numbering)
            self._keep(at, len(block), columns, np.zeros(len(events), np.int64), plain=False)

    def _keep(self, at: int, length: int, columns: Columns, ends: Integers, *, plain: bool) -> None:
        self.parts.append(Part(self._place.log, at, length, len(ends), plain))
        self.columns.append(columns)
        self.ends.append(ends)

    def look(self, survey: Survey, broken: str | None = None) -> Look:
        """What a survey makes of them."""
        group = None
        if self.parts:
            columns = JoinedColumns(self.columns)
            group = Group(self.parts, columns.times, np.concatenate(self.ends), survey.note(columns))
        reader = self.reader
        return Look(
            group=group,
            counted=survey.take(),
            text_lines=self.text_lines,
            lines=reader.lines,
            events=reader.events,
            bad=self.bad,
            broken=broken,
        )


class Looker:
    """Looks at ranges of logs, by a secret that all who look at the same logs share."""

    def __init__(self, ruleset: CompiledRuleset, *, secret: int, now_ms: int) -> None:
        self._now_ms = now_ms
        self._numbering = TextNumbers(secret)
        self._survey = Survey(ruleset, self._numbering)
        self._columns = AccessLogColumns(self._survey.fields, self._numbering, now_ms=now_ms)

    def look(self, place: Place) -> Iterator[Look]:
        """All of a range, some blocks at a time, in order."""
        seen = self._nothing(place)
        broken = None
        try:
            for at, block in read_blocks(place.path, place.of):
                seen.add(at, block, self._numbering)
                # bad lines count as well: of a log that is nothing else, not all may be held
                if seen.reader.events + len(seen.bad) >= EVENTS_AT_ONCE:
                    yield seen.look(self._survey)
                    seen = self._nothing(place)
        except LogFileError as error:
            broken = str(error)
        yield seen.look(self._survey, broken)

    def _nothing(self, place: Place) -> _Seen:
        return _Seen(place, self._columns, self._survey.fields, self._now_ms)
