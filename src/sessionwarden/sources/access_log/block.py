r"""Parses blocks of access-log lines at once, at a fraction of what they cost one by one.

Enters: the bytes of whole lines of our own two formats. Leaves: the event of each, or `None` if any of
them is not plainly ours; the caller then reads them one by one, which finds the reason. Invariant:
where this answers, `parse_access_line` returns the same events (a property test holds them together).

A list of heads is decoded in one call, and a line must not be able to smuggle a record in, nor to
swallow its neighbour's. Each head but the first is decoded together with the line end before it: a raw
line end is legal between JSON values but not inside a string. Each head ends with `}`, hence outside of
any string; heads are flat, so nothing is open there and each head is one record or more. As many records
as heads: each is exactly one. Duplicate keys: every record has all of its 18 keys with texts as values,
so the quotation marks of all heads are 72 for each if and only if none has a duplicate (`strict_json`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Any

import msgspec

from sessionwarden.errors import SourceError
from sessionwarden.model.event import Event
from sessionwarden.sources.access_log.line import (
    HEAD_DELIMITERS,
    MAX_HEAD_CHARS,
    Head,
    is_ours,
    number,
    untrusted,
)
from sessionwarden.sources.redaction import holds_token, redacted
from sessionwarden.sources.strict_json import UNREADABLE
from sessionwarden.sources.values import (
    EARLIEST_MS,
    MAX_AHEAD_MS,
    MAX_FIELD_CHARS,
    MAX_ID_CHARS,
    MAX_INTEGER,
    MAX_LINE_CHARS,
    address,
)

_decode_heads = msgspec.json.Decoder(list[Head]).decode
_decode_integers = msgspec.json.Decoder(list[int]).decode
_decode_texts = msgspec.json.Decoder(list[str]).decode

IDENTITY = ("user", "session", "token", "client", "pool")
NUMBERS = ("time", "status", "response_bytes", "latency_ms")
LONGEST_TAIL = (MAX_LINE_CHARS - MAX_HEAD_CHARS) // 2
"""Bytes of path or user agent: a line whose parts are no longer is not too long."""

_ABSENT: dict[str, str | None] = {"-": None, "": None}


def parse_access_block(block: bytes, *, now_ms: int) -> list[Event] | None:
    """The events of the lines of `block` (the last without its line end), or `None`: read them one by one.

    A line that is not ours makes all of them slow.
    """
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n").removesuffix(b"\r")
    lines = block.count(b"\n") + 1
    # a line end goes with what follows it, so that a head shows whether it began a line
    parts = block.replace(b"\n", b"\t\n").split(b"\t")
    if len(parts) != 3 * lines:
        return None
    try:
        columns = _head_columns(parts[0::3], now_ms=now_ms)
        if columns is None:
            return None
        columns["path"] = _tail_column(parts[1::3])
        columns["user_agent"] = _tail_column(parts[2::3])
    except (*UNREADABLE, SourceError):
        return None
    columns["source"] = repeat("api_access")
    return list(map(Event, *(columns.get(name, repeat(None)) for name in Event.__struct_fields__)))


def _head_columns(heads: Sequence[bytes], *, now_ms: int) -> dict[str, Iterable[object]] | None:
    text = b",".join(heads)
    # a line end can only be where a part begins: as many as follow a head, and each of those began a line
    if text.count(b"\n") != len(heads) - 1 or {head[-1:] for head in heads} != {b"}"}:
        return None
    # no escape, so that text and values are the same characters, and none of them is a control character
    if b"\\" in text or b"\x7f" in text or max(map(len, heads)) > MAX_HEAD_CHARS:
        return None
    if text.count(b'"') != HEAD_DELIMITERS * len(heads):
        return None
    records = _decode_heads(b"[" + text + b"]")
    if len(records) != len(heads):
        return None
    rows = map(msgspec.structs.astuple, records)
    columns: dict[str, Sequence[Any]] = dict(
        zip(Head.__struct_fields__, zip(*rows, strict=True), strict=True)
    )
    numbers = {name: _numbers(columns.pop(name)) for name in NUMBERS}
    # looking once in the text is cheaper than at each value
    marks = [mark for mark in ("-", "") if f'"{mark}"'.encode() in text]
    present_columns = {name: _present(found, marks) for name, found in columns.items()}
    return _checked(present_columns | numbers, now_ms=now_ms)


def _checked(columns: dict[str, Sequence[Any]], *, now_ms: int) -> dict[str, Iterable[object]] | None:
    ids, times = columns["id"], columns["time"]
    if set(columns.pop("v")) != {"1"} or None in ids or None in times or max(map(len, ids)) > MAX_ID_CHARS:
        return None
    if min(times) < EARLIEST_MS or max(times) > now_ms + MAX_AHEAD_MS:
        return None
    columns["source_ip"] = _each_once(_address, columns["source_ip"])
    columns["route"] = _each_once(_route, columns["route"])
    _forget_what_others_said(columns)
    return dict(columns)


def _each_once(convert: Callable[[str | None], str | None], texts: Sequence[str | None]) -> list[str | None]:
    known = {text: convert(text) for text in set(texts)}
    return list(map(known.__getitem__, texts))


def _address(text: str | None) -> str | None:
    return None if text is None else address(text)


def _route(text: str | None) -> str | None:
    # a REST request that met no resource has no resourcePath
    return None if text is None or text.endswith(" -") else text


def _forget_what_others_said(columns: dict[str, Sequence[Any]]) -> None:
    decisions, pools = columns["decision"], columns["pool"]
    if None not in pools and set(decisions) <= {"allow", "deny"}:
        return
    ours = list(map(is_ours, decisions, pools))
    for name in IDENTITY:
        columns[name] = [value if known else None for value, known in zip(columns[name], ours, strict=True)]


def _present(texts: Sequence[str], marks: Iterable[str]) -> Sequence[str | None]:
    """`texts` without those that mean absent; `marks` are the ways to say so that may occur."""
    return list(map(_ABSENT.get, texts, texts)) if any(mark in texts for mark in marks) else texts


def _numbers(texts: Sequence[str]) -> Sequence[int | None]:
    """What `number` makes of each: in one go if all are there and plain. Raises `SourceError`."""
    text = ",".join(texts)
    try:
        found = _decode_integers(f"[{text}]") if text.replace(",", "").isdigit() else []
    except msgspec.DecodeError:  # one that begins with 0, or is too long
        found = []
    if len(found) == len(texts) and max(found) <= MAX_INTEGER:
        return found
    return list(map(number, texts))


def _tail_column(quoted: Sequence[bytes]) -> Sequence[str | None]:
    text = b"[" + b"\n,".join(quoted) + b"]"
    if b"\\" not in text and max(map(len, quoted)) <= MAX_FIELD_CHARS:
        try:
            values = _decode_texts(text)
        except UNREADABLE:
            values = []
        if len(values) == len(quoted):
            if holds_token(text):
                values = list(map(redacted, values))
            return _present(values, _ABSENT)
    if max(map(len, quoted)) > LONGEST_TAIL:
        raise SourceError("line_too_long")
    return [untrusted(one.decode()) for one in quoted]
