"""The checks of single values that every log format shares: text, numbers, times and addresses.

Invariant: no value is guessed. A check returns what an event field may hold, or raises `SourceError` with a
reason.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from sessionwarden.errors import SourceError

MAX_LINE_CHARS = 65_536
"""The most characters of a log line. API Gateway accepts 10,240 bytes of request line and headers, which fit
even if every byte is escaped to six; it writes no longer line."""

MAX_FIELD_CHARS = 10_240
MAX_ID_CHARS = 128
MAX_INTEGER = 2**53 - 1

EARLIEST_MS = 1_420_070_400_000
"""2015-01-01, before API Gateway existed. A time in 1970, for example, is a unit error or a forgery."""

MAX_AHEAD_MS = 300_000
"""How far ahead a source's clock may be. An event from far ahead would open a window that no honest event
reaches, and would move a replay's watermark past everything that follows."""

_SECONDS = re.compile(r"([0-9]{1,13})(?:\.([0-9]{1,9}))?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def checked_line(line: str) -> str:
    """`line` itself. Raises `SourceError` `line_too_long`."""
    if len(line) > MAX_LINE_CHARS:
        raise SourceError("line_too_long")
    return line


def checked_text(text: str, *, limit: int = MAX_FIELD_CHARS) -> str:
    """`text` itself. Raises `SourceError` `field_too_long` or `control_character`."""
    if len(text) > limit:
        raise SourceError("field_too_long")
    if not text.isprintable() and _CONTROL.search(text):  # isprintable is the cheap answer for most
        raise SourceError("control_character")
    return text


def integer(text: str) -> int:
    """A non-negative decimal integer. Raises `SourceError` `wrong_type`.

    Python's own `int` also accepts `1_000`, spaces and the digits of other scripts, in unbounded time.
    """
    if len(text) > 16 or not (text.isascii() and text.isdigit()):
        raise SourceError("wrong_type")
    return checked_integer(int(text))


def checked_integer(number: int) -> int:
    """`number` itself, if it is from 0 to 2^53-1. Raises `SourceError` `wrong_type`."""
    if not 0 <= number <= MAX_INTEGER:
        raise SourceError("wrong_type")
    return number


def milliseconds(text: str) -> int:
    """Epoch milliseconds from a text in seconds, with or without a fraction."""
    found = _SECONDS.fullmatch(text)
    if found is None:
        raise SourceError("wrong_type")
    whole, fraction = found.groups(default="0")
    return int(whole) * 1000 + int(fraction.ljust(3, "0")[:3])


def checked_time(time_ms: int, *, now_ms: int) -> int:
    """`time_ms` itself. Raises `SourceError` `time_out_of_range` before 2015 or ahead of `now_ms`."""
    if not EARLIEST_MS <= time_ms <= now_ms + MAX_AHEAD_MS:
        raise SourceError("time_out_of_range")
    return time_ms


@lru_cache(maxsize=65_536)
def address(text: str) -> str:
    """An IP address in its one canonical spelling. Raises `SourceError` `bad_address`.

    IPv4 written as IPv6 becomes IPv4, so that one client cannot count as two. A zone (`fe80::1%eth0`) is
    refused, because it is free text.
    """
    if len(text) > 45 or "%" in text:
        raise SourceError("bad_address")
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        raise SourceError("bad_address") from None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return found.compressed
