"""Log records in, events and quarantined lines out.

Invariant: every record is an event, ignored because it is not ours to read, or quarantined with a
reason. None is dropped, and none takes its batch along: access-log lines are read all at once, which costs
a third less, and one by one as soon as any of them is not plainly ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from sessionwarden.errors import SourceError
from sessionwarden.model.event import Event
from sessionwarden.sources.access_log.block import parse_access_block
from sessionwarden.sources.access_log.line import parse_access_line
from sessionwarden.sources.authorizer_log import parse_decision_line
from sessionwarden.sources.cloudwatch import LogRecord

LogKind = Literal["http_api", "rest_api", "authorizer"]

# both formats have one head, so one reader takes them
_PARSERS = {
    "http_api": parse_access_line,
    "rest_api": parse_access_line,
    "authorizer": parse_decision_line,
}


class QuarantinedLine(NamedTuple):
    """A record that is no event. `record_id` is CloudWatch's, to find the line in its log group."""

    record_id: str
    reason: str


class Delivery(NamedTuple):
    """What became of a delivery's records."""

    events: list[Event]
    quarantined: list[QuarantinedLine]


def read_records(records: Sequence[LogRecord], kind: LogKind | None, *, now_ms: int) -> Delivery:
    """Read each record as `kind`; a log group that nobody configured (`None`) is quarantined whole."""
    if records and kind in ("http_api", "rest_api"):
        events = _read_at_once(records, now_ms=now_ms)
        if events is not None:
            return Delivery(events, [])
    return _read_one_by_one(records, kind, now_ms=now_ms)


def _read_at_once(records: Sequence[LogRecord], *, now_ms: int) -> list[Event] | None:
    """The event of each record, or `None`: one of them needs a look of its own."""
    block = "\n".join([record.message for record in records])
    # a line end within a record, which a client may have sent, must not make two events of it
    if block.count("\n") >= len(records) or "\r" in block:
        return None
    return parse_access_block(block.encode(), now_ms=now_ms)


def _read_one_by_one(records: Sequence[LogRecord], kind: LogKind | None, *, now_ms: int) -> Delivery:
    delivery = Delivery([], [])
    for record in records:
        try:
            event = _read(record.message, kind, now_ms=now_ms)
        except SourceError as error:
            delivery.quarantined.append(QuarantinedLine(record.id, error.reason))
        else:
            if event is not None:
                delivery.events.append(event)
    return delivery


def _read(message: str, kind: LogKind | None, *, now_ms: int) -> Event | None:
    if kind is None:
        raise SourceError("unknown_log_group")
    # Lambda ends a printed line with the newline that print wrote
    return _PARSERS[kind](message.rstrip("\r\n"), now_ms=now_ms)
