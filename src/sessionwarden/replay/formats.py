"""The formats of logs that replay reads, an object each: lines, blocks of lines, and columns.

A new format is one class more here: what the event of a line is, and, to be fast, how a block of lines is
read at once. Invariant: `parse_block` and the column reader agree with `parse_line`, or return `None`. A
format can be sent to another process.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sessionwarden.documents.yaml import MAX_BYTES
from sessionwarden.errors import Diagnostic, InputFileError
from sessionwarden.model.event import Event
from sessionwarden.sources.access_log.block import parse_access_block
from sessionwarden.sources.access_log.line import parse_access_line
from sessionwarden.sources.authorizer_log import is_decision_line, parse_decision_line
from sessionwarden.sources.mapped_json import FieldMapping, parse_mapped_line
from sessionwarden.sources.mapping_file import load_mapping

if TYPE_CHECKING:  # loading numpy takes a tenth of a second, and small logs do without
    from sessionwarden.replay.columns.columns import TextNumbers
    from sessionwarden.replay.columns.line_columns import ColumnReader


class LogFormat(Protocol):
    """How the lines of a log are read."""

    @property
    def derives_ids(self) -> bool:
        """Whether an event's id can depend on the number of its line."""
        ...

    def parse_line(self, line: str, number: int) -> Event | None:
        """The event of a line, if it is one. `number`, from 1, tells identical lines apart.

        Raises `SourceError`.
        """
        ...

    def parse_block(self, block: bytes) -> list[Event] | None:
        """The event of each line, or `None`: then the lines are to be read one by one."""
        ...

    def column_reader(self, fields: Iterable[str], numbering: TextNumbers) -> ColumnReader:
        """A reader of blocks into columns with numbers for `fields`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFormats:
    """Access logs in Sessionwarden's two formats and the authorizer's decision lines, mixed.

    `now_ms` (epoch ms) bounds the times of events from above.
    """

    now_ms: int

    @property
    def derives_ids(self) -> bool:
        return False

    def parse_line(self, line: str, number: int) -> Event | None:
        if is_decision_line(line):
            return parse_decision_line(line, now_ms=self.now_ms)
        return parse_access_line(line, now_ms=self.now_ms)

    def parse_block(self, block: bytes) -> list[Event] | None:
        return parse_access_block(block, now_ms=self.now_ms)

    def column_reader(self, fields: Iterable[str], numbering: TextNumbers) -> ColumnReader:
        from sessionwarden.replay.columns.access_log import AccessLogColumns

        return AccessLogColumns(fields, numbering, now_ms=self.now_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedJson:
    """One JSON object a line, under an operator's mapping."""

    mapping: FieldMapping
    now_ms: int

    @property
    def derives_ids(self) -> bool:
        return True

    def parse_line(self, line: str, number: int) -> Event:
        return parse_mapped_line(line, self.mapping, position=number, now_ms=self.now_ms)

    def parse_block(self, block: bytes) -> None:
        return None

    def column_reader(self, fields: Iterable[str], numbering: TextNumbers) -> ColumnReader:
        from sessionwarden.replay.columns.mapped_json import MappedColumns

        return MappedColumns(self.mapping, fields, numbering, now_ms=self.now_ms)


def format_of(fields: Path | None, *, now_ms: int) -> LogFormat:
    """Our own formats, or the one that the mapping file `fields` declares. Raises `InputFileError`."""
    if fields is None:
        return OwnFormats(now_ms=now_ms)
    try:
        with fields.open("rb") as stream:
            text = stream.read(MAX_BYTES + 1).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputFileError([Diagnostic(str(fields), 0, 0, "", f"cannot be read: {error}")]) from error
    return MappedJson(mapping=load_mapping(text, file=str(fields)), now_ms=now_ms)
