"""Logs in, events out, in batches. How lines are read: in our own formats, or under a mapping.

Invariant: the batches depend on the lines alone. What cannot be read costs a line, and is counted by the
reader.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from sessionwarden.errors import Diagnostic, InputFileError
from sessionwarden.model.event import Event
from sessionwarden.replay.log_files import LogFileError, Unreadable, read_blocks
from sessionwarden.replay.log_lines import (
    EVENTS_AT_ONCE,
    BatchParser,
    LineReader,
    Parser,
    mapped_format,
    one_by_one,
    own_formats,
    own_formats_at_once,
)
from sessionwarden.sources.mapping_file import load_mapping


def parsers(fields: Path | None) -> tuple[Parser, BatchParser]:
    """How lines are read: in our own formats, or as the mapping file `fields` says."""
    now_ms = time.time_ns() // 1_000_000
    if fields is None:
        return own_formats(now_ms), own_formats_at_once(now_ms)
    try:
        text = fields.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputFileError([Diagnostic(str(fields), 0, 0, "", f"cannot be read: {error}")]) from error
    return mapped_format(load_mapping(text, file=str(fields)), now_ms), one_by_one


def read_logs(reader: LineReader, logs: Sequence[str]) -> Iterator[list[Event]]:
    """The events of the logs, in their order, many at a time.

    Raises `LogFileError` if a log cannot be read to its end, after the events before that.
    """
    events: list[Event] = []
    try:
        for log in logs:
            first_line = 1
            for _, block in read_blocks(log):
                events += reader.read(block, file=log, first_line=first_line)
                first_line += 1 if isinstance(block, Unreadable) else block.count(b"\n") + 1
                if len(events) >= EVENTS_AT_ONCE:
                    yield events
                    events = []
    except LogFileError:
        yield events
        raise
    yield events
