"""The first pass over a log: what a prefilter notes and counts of the lines of a range.

Enters: a range of a log. Leaves: scans, which can be sent between processes. Invariant: they are the same
whichever process scans a range, and whatever it scanned before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from sessionwarden.replay.columns.columns import Columns, EventColumns, Integers, JoinedColumns, TextNumbers
from sessionwarden.replay.formats import LogFormat
from sessionwarden.replay.log_files import Block, Log, LogFileError, Range, Unreadable, read_blocks
from sessionwarden.replay.log_lines import EVENTS_AT_ONCE, LineReader, QuarantinedLine
from sessionwarden.replay.passes.coarse_counts import Counted
from sessionwarden.replay.passes.notes_file import BlockGroup, BlockInfo
from sessionwarden.replay.passes.prefilter import Prefilter
from sessionwarden.ruleset.compiled import CompiledRuleset


class LogRange(NamedTuple):
    """A range of one of the logs, which is known by its number among them."""

    number: int
    log: Log
    of: Range


class Scan(NamedTuple):
    """What the first pass leaves of some blocks. `group` is `None` if they hold no event.

    `text_lines` are all lines, `lines` those that are not blank; the numbers of `bad` ones count from the
    first of them. `broken` says why the log cannot be read any further.
    """

    group: BlockGroup | None
    counted: Sequence[Sequence[Counted]]
    text_lines: int
    lines: int
    events: int
    bad: Sequence[QuarantinedLine]
    broken: str | None = None

    def behind(self, lines: int) -> Scan:
        """The same, where the logs have so many lines before it that are not blank."""
        if self.group is None:
            return self
        blocks = [msgspec.structs.replace(one, lines=lines + one.lines) for one in self.group.blocks]
        return self._replace(group=self.group._replace(blocks=blocks))


class Scanner:
    """Scans ranges of logs. Scanners of the same logs must share a secret."""

    def __init__(self, ruleset: CompiledRuleset, log_format: LogFormat, *, secret: int) -> None:
        self._format = log_format
        self._numbering = TextNumbers(secret)
        self._prefilter = Prefilter(ruleset, self._numbering)
        self._columns = log_format.column_reader(self._prefilter.fields, self._numbering)

    def scan(self, some: LogRange) -> Iterator[Scan]:
        """All of a range, some blocks at a time, in order."""
        blocks = self._none_yet(some)
        broken = None
        try:
            for at, block in read_blocks(some.log, some.of):
                self._add(blocks, at, block)
                # bad lines count as well: of a log that is nothing else, not all may be held
                if blocks.reader.events + len(blocks.bad) >= EVENTS_AT_ONCE:
                    yield self._scan_of(blocks)
                    blocks = self._none_yet(some)
        except LogFileError as error:
            broken = str(error)
        yield self._scan_of(blocks, broken)

    def _none_yet(self, some: LogRange) -> _Blocks:
        return _Blocks(some, self._format)

    def _add(self, blocks: _Blocks, at: int, block: Block) -> None:
        columns = None if isinstance(block, Unreadable) else self._columns.read(block)
        if columns is not None:
            blocks.add(at, len(block), columns, columns.ends, lines=blocks.reader.lines, plain=True)
            blocks.reader.count(len(columns.times))
            blocks.text_lines += len(columns.times)
            return
        lines = blocks.reader.lines
        events = blocks.reader.read(block, file=blocks.name, first_line=blocks.text_lines + 1)
        blocks.text_lines += 1 if isinstance(block, Unreadable) else block.count(b"\n") + 1
        if events:
            made = EventColumns(events, self._prefilter.fields, self._numbering)
            blocks.add(at, len(block), made, np.zeros(len(events), np.int64), lines=lines, plain=False)

    def _scan_of(self, blocks: _Blocks, broken: str | None = None) -> Scan:
        group = None
        if blocks.infos:
            columns = JoinedColumns(blocks.columns)
            ends = np.concatenate(blocks.ends)
            group = BlockGroup(blocks.infos, columns.times, ends, self._prefilter.note(columns))
        reader = blocks.reader
        return Scan(
            group=group,
            counted=self._prefilter.take(),
            text_lines=blocks.text_lines,
            lines=reader.lines,
            events=reader.events,
            bad=blocks.bad,
            broken=broken,
        )


class _Blocks:
    """Blocks of a log, one behind the other, that one scan is made of."""

    def __init__(self, some: LogRange, log_format: LogFormat) -> None:
        self.name = some.log.name
        self._number = some.number
        self.bad: list[QuarantinedLine] = []
        self.reader = LineReader(log_format, self.bad.append)
        self.infos: list[BlockInfo] = []
        self.columns: list[Columns] = []
        self.ends: list[Integers] = []
        self.text_lines = 0

    def add(self, at: int, length: int, columns: Columns, ends: Integers, *, lines: int, plain: bool) -> None:
        """A block that holds events, by its first byte and length; `lines` that are not blank precede it."""
        self.infos.append(BlockInfo(self._number, at, length, len(ends), plain, lines))
        self.columns.append(columns)
        self.ends.append(ends)
