"""Log records in, events and quarantined lines out; each line on its own.

Invariant: every record is an event, ignored because it is not ours to read, or quarantined with a
reason. None is dropped, and none takes its batch along.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from sessionwarden.errors import SourceError
from sessionwarden.model.event import Event
from sessionwarden.sources.access_log import parse_access_line
from sessionwarden.sources.cloudwatch import LogRecord
from sessionwarden.sources.decision_line import parse_decision_line

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


class Reading(NamedTuple):
    """What became of a delivery's records."""

    events: list[Event]
    quarantined: list[QuarantinedLine]


def read_records(records: Iterable[LogRecord], kind: LogKind | None, *, now_ms: int) -> Reading:
    """Read each record as `kind`; a log group that nobody configured (`None`) is quarantined whole."""
    reading = Reading([], [])
    for record in records:
        try:
            event = _read(record.message, kind, now_ms=now_ms)
        except SourceError as error:
            reading.quarantined.append(QuarantinedLine(record.id, error.reason))
        else:
            if event is not None:
                reading.events.append(event)
    return reading


def _read(message: str, kind: LogKind | None, *, now_ms: int) -> Event | None:
    if kind is None:
        raise SourceError("unknown_log_group")
    # Lambda ends a printed line with the newline that print wrote
    return _PARSERS[kind](message.rstrip("\r\n"), now_ms=now_ms)
