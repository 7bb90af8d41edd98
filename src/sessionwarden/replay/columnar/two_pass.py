"""A log that is read twice: first all of it as columns, then, as events, the rows that can matter.

Enters: logs that are files, in our own formats. Leaves: findings and counts, the same as of reading once.
Invariant: the closer look gets the batches that reading once would make, less rows that are not wanted, at
the same times. What is remembered between the two lies in a temporary file without a name: a log of a month
must not have to fit into memory. The first reading can be shared by several processes.
"""

from __future__ import annotations

import secrets
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import IO

import msgspec
import numpy as np

from sessionwarden.detection.acceptance import LATE_MS, LogTime
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.replay.columnar import first_pass_file
from sessionwarden.replay.columnar.columns import TextNumbers
from sessionwarden.replay.columnar.first_pass import Look, Looker, Place
from sessionwarden.replay.columnar.first_pass_file import Part, PartNotes
from sessionwarden.replay.columnar.prefilter import Survey, wanted_rows
from sessionwarden.replay.log_files import WHOLE, LogAgain, LogFileError, ranges_of
from sessionwarden.replay.log_lines import EVENTS_AT_ONCE, LineReader, own_formats, own_formats_at_once
from sessionwarden.replay.replayer import Replayer
from sessionwarden.ruleset.compiled import CompiledRuleset

MOST_BAD = 20_000
"""Bad lines that a process sends at once; a range of 16 MiB can hold millions."""


class ReadTwice:
    """A replay of `logs` by two readings, the first of them by so many processes.

    `reader` counts lines, and those that are quarantined.
    """

    def __init__(
        self,
        logs: Sequence[str],
        ruleset: CompiledRuleset,
        reader: LineReader,
        replayer: Replayer,
        *,
        now_ms: int,
        jobs: int = 1,
    ) -> None:
        self._logs = logs
        self._ruleset = ruleset
        self._reader = reader
        self._now_ms = now_ms
        self._jobs = jobs
        self._secret = secrets.randbits(128)
        self._survey = Survey(ruleset, TextNumbers(self._secret))
        self._replayer = replayer
        self.late = 0
        self.refused = 0

    @property
    def failed(self) -> int:
        """Events on which a rule raised."""
        return self._replayer.failed

    def findings(self) -> Iterator[Finding]:
        """All findings, in the order of the log.

        Raises `LogFileError` if a log cannot be read to its end, after the findings before that.
        """
        with first_pass_file.kept() as notes:
            broken = self._first_reading(notes)
            notes.seek(0)
            yield from self._second_reading(notes)
        if broken is not None:
            raise LogFileError(broken)

    def _first_reading(self, notes: IO[bytes]) -> str | None:
        line, log, reached = 0, 0, 0
        for place, look in self._looks():
            line = line if place.log == log else 0
            for bad in look.bad:
                self._reader.refuse(msgspec.structs.replace(bad, line=line + bad.line))
            self._reader.lines += look.lines
            self._reader.events += look.events
            line, log = line + look.text_lines, place.log
            if look.group is not None:
                reached = max(reached, int(look.group.times.max()))
                first_pass_file.write(notes, look.group)
            self._survey.merge(look.counted, reached_ms=reached)
            if look.broken is not None:
                return look.broken
        return None

    def _looks(self) -> Iterator[tuple[Place, Look]]:
        places = [
            Place(number, log, some) for number, log in enumerate(self._logs) for some in ranges_of(log)
        ]
        looker = Looker(self._ruleset, secret=self._secret, now_ms=self._now_ms)
        if self._jobs == 1 or len(places) == 1:
            yield from ((place, look) for place in places for look in looker.look(place))
            return
        arguments = self._ruleset, self._secret, self._now_ms
        processes = ProcessPoolExecutor(self._jobs, initializer=_prepare, initargs=arguments)
        try:
            yield from _in_order(processes, looker, places, ahead=2 * self._jobs)
        except BrokenProcessPool as error:
            raise LogFileError("a process that read the logs was killed; try --jobs 1") from error
        finally:
            processes.shutdown(cancel_futures=True)

    def _second_reading(self, file: IO[bytes]) -> Iterator[Finding]:
        may_fire = self._survey.may_fire()
        again = [LogAgain(log) for log in self._logs]
        time = LogTime()
        try:
            for batch in _batches(first_pass_file.read(file, shapes=self._survey.shapes)):
                rows: list[int] = []
                events: list[Event] = []
                first = 0
                for some in batch:
                    wanted = wanted_rows(some.notes, may_fire).tolist()
                    events += self._events(some, wanted, again[some.part.log]) if wanted else ()
                    rows += [first + row for row in wanted]
                    first += some.part.rows
                yield from self._closer_look(batch, rows, events, time)
        finally:
            for log in again:
                log.close()

    def _closer_look(
        self, batch: Sequence[PartNotes], rows: Sequence[int], events: Sequence[Event], time: LogTime
    ) -> Iterator[Finding]:
        times = np.concatenate([some.times for some in batch])
        refused = np.concatenate([some.notes.refused for some in batch])
        for first, end, now_ms in time.spans(times.tolist()):
            late = times[first:end] < now_ms - LATE_MS
            self.late += int(np.count_nonzero(late))
            self.refused += int(np.count_nonzero(refused[first:end] & ~late))
            start, stop = np.searchsorted(rows, (first, end)).tolist()
            yield from self._replayer.feed_at(events[start:stop], now_ms=now_ms)

    def _events(self, some: PartNotes, rows: Sequence[int], log: LogAgain) -> list[Event]:
        part = some.part
        if not part.plain:
            events = self._read(log.read(part.place, part.length), part, count=part.rows)
            return [events[row] for row in rows]
        ends = some.ends.tolist()
        spans = [(ends[row - 1] + 1 if row else 0, ends[row]) for row in rows]
        lines = [log.read(part.place + begin, end - begin) for begin, end in spans]
        return self._read(b"\n".join(lines), part, count=len(rows))

    def _read(self, lines: bytes, part: Part, *, count: int) -> list[Event]:
        reader = LineReader(
            own_formats(self._now_ms), lambda line: None, parse_batch=own_formats_at_once(self._now_ms)
        )
        events = reader.read(lines, file="", first_line=1)
        if len(events) != count:
            raise LogFileError(f"{self._logs[part.log]} has changed while it was read")
        return events


def _batches(parts: Iterable[PartNotes]) -> Iterator[list[PartNotes]]:
    """The parts, as many together as make a batch of events."""
    batch: list[PartNotes] = []
    rows = 0
    for some in parts:
        batch.append(some)
        rows += some.part.rows
        if rows >= EVENTS_AT_ONCE:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch


_looker: Looker | None = None
"""Of a process that shares the first reading."""


def _prepare(ruleset: CompiledRuleset, secret: int, now_ms: int) -> None:
    global _looker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command gets it too, and ends its processes
    _looker = Looker(ruleset, secret=secret, now_ms=now_ms)


def _look(place: Place) -> list[Look] | None:
    """All of a range, or `None` if more of it is bad than may be held and sent at once."""
    assert _looker is not None
    looks, bad = [], 0
    for look in _looker.look(place):
        looks.append(look)
        bad += len(look.bad)
        if bad > MOST_BAD:
            return None
    return looks


def _seen(future: Future[list[Look] | None], looker: Looker, place: Place) -> Iterable[Look]:
    looks = future.result()
    return looker.look(place) if looks is None else looks


def _in_order(
    processes: ProcessPoolExecutor, looker: Looker, places: Iterable[Place], *, ahead: int
) -> Iterator[tuple[Place, Look]]:
    """What the processes see, in the order of the log; so many ranges may be ahead of it.

    A log that is one range is looked at here, for what is seen of it might not fit into memory at once.
    """
    begun: deque[tuple[Place, Callable[[], Iterable[Look]]]] = deque()
    for place in places:
        if place.of == WHOLE:
            begun.append((place, partial(looker.look, place)))
        else:
            begun.append((place, partial(_seen, processes.submit(_look, place), looker, place)))
        if len(begun) > ahead:
            first, looks = begun.popleft()
            yield from ((first, look) for look in looks())
    for rest, looks in begun:
        yield from ((rest, look) for look in looks())
