"""Reads the log records of a delivery into events, and quarantines those that cannot be trusted.

Invariant: every record becomes an event, is ignored as output of another kind, or is quarantined with a
reason; none is dropped, and none fails its batch. Access-log lines are read all at once, which costs a third
less; if one of them is not plainly in our format, they are read one by one.
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

# Both access-log formats have the same head, so one reader serves both.
_PARSERS = {
    "http_api": parse_access_line,
    "rest_api": parse_access_line,
    "authorizer": parse_decision_line,
}


class QuarantinedLine(NamedTuple):
    """A record that could not be trusted. `record_id` is CloudWatch's id of the line in its log group."""

    record_id: str
    reason: str


class Delivery(NamedTuple):
    """The events and the quarantined lines of a delivery."""

    events: list[Event]
    quarantined: list[QuarantinedLine]


def read_records(records: Sequence[LogRecord], kind: LogKind | None, *, now_ms: int) -> Delivery:
    """Read each record as `kind`; if its log group is not configured (`None`), all are quarantined."""
    if records and kind in ("http_api", "rest_api"):
        events = _read_at_once(records, now_ms=now_ms)
        if events is not None:
            return Delivery(events, [])
    return _read_one_by_one(records, kind, now_ms=now_ms)


def _read_at_once(records: Sequence[LogRecord], *, now_ms: int) -> list[Event] | None:
    """The event of each record, or `None` if the records must be read one by one."""
    block = "\n".join([record.message for record in records])
    # a line end within a record, which a client may have sent, must not split it into two events
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
    # a line that a Lambda function printed still ends with the newline of print
    return _PARSERS[kind](message.rstrip("\r\n"), now_ms=now_ms)
