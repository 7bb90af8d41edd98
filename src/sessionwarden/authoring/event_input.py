"""Makes an `Event` of what a rule author gives as one.

A line of an access log or of the authorizer's log, as ingest reads it, or a JSON object with the event
fields that rules name. Invariant: a log line is believed exactly as far as ingest believes it. An object
is the person's own word: it may leave out `id` and `time`, which is then that of the log's end.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import msgspec

from sessionwarden.authoring.words import line
from sessionwarden.errors import SourceError, WrongArgumentError
from sessionwarden.model.event import FIELDS, Event
from sessionwarden.replay.formats import OwnFormats
from sessionwarden.replay.log_files import Log, read_blocks
from sessionwarden.replay.log_lines import LineReader
from sessionwarden.ruleset.vocabulary import field_hint
from sessionwarden.sources.authorizer_log import is_decision_line
from sessionwarden.sources.redaction import CLIENT_TEXTS, redacted
from sessionwarden.sources.strict_json import UNREADABLE

MAX_CHARACTERS = 1 << 20
GIVEN_ID = "given"


def read_event(text: str, *, log: str | None) -> Event:
    """The event that `text` is (`-`: what standard input holds). Raises `WrongArgumentError`.

    An object without a time happened at the end of `log`, or now.
    """
    if text == "-":
        text = sys.stdin.read(MAX_CHARACTERS)
    text = text.strip("\r\n ")
    first, _, rest = text.partition("\n")
    # an object may be written over many lines, a log line never is
    if rest and ("\t" in first or is_decision_line(first) or not text.startswith("{")):
        raise WrongArgumentError("one event at a time: these are several lines")
    now_ms = time.time_ns() // 1_000_000
    try:
        found = OwnFormats(now_ms=now_ms).parse_line(text, 1)
    except SourceError as error:
        if "\t" in text or not text.startswith("{"):
            raise WrongArgumentError(f"not a line of an access log ({error.reason}), nor JSON") from error
        found = None
    return found or _from_object(text, log, now_ms)


def read_log(path: str) -> Iterator[Event]:
    """The events of a log in our own formats. Lines that are none are left out, as ingest would."""
    now_ms = time.time_ns() // 1_000_000
    reader = LineReader(OwnFormats(now_ms=now_ms), lambda line: None)
    for _, block in read_blocks(Log(path)):
        yield from reader.read(block, file=path, first_line=1)


def _from_object(text: str, log: str | None, now_ms: int) -> Event:
    try:
        given = msgspec.json.decode(text, type=dict)
    except UNREADABLE as error:
        raise WrongArgumentError(f"not JSON: {line(str(error))}") from error
    for key in given:
        if key not in FIELDS:
            raise WrongArgumentError(f"no event has a field {line(str(key))!r} ({field_hint(key)})")
    present = {key: value for key, value in given.items() if value not in (None, "", "-", [])}
    if "time" not in present:
        present["time"] = max((event.time for event in read_log(log)), default=now_ms) if log else now_ms
    texts = {
        key: redacted(value)
        for key, value in present.items()
        if key in CLIENT_TEXTS and isinstance(value, str)
    }
    try:
        return msgspec.convert({"id": GIVEN_ID, **present, **texts}, Event)
    except msgspec.ValidationError as error:
        raise WrongArgumentError(f"not an event: {line(str(error))}") from error
