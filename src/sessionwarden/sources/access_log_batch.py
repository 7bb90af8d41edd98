r"""Many access-log lines at once, at a third of what they cost one by one.

Enters: lines of our own two formats. Leaves: the event of each, or `None` if any of them is not plainly
ours; whoever called then reads them one by one, which finds the reason. Invariant: where this answers,
`parse_access_line` gives the same events (a property test holds them together).

A list of heads is decoded in one call, and a line must not be able to smuggle a record in, nor to
swallow its neighbour's. A line ends in no line, and a raw line end is legal between JSON values but not
inside a string; so heads are joined by a line end and a comma. Each head ends with `}`, hence outside of
any string; heads are flat, so nothing is open there and each head is one record or more. As many records
as heads: each is exactly one. Duplicate keys: every record has all of its 18 keys with texts as values,
so the quotation marks of all heads are 72 for each if and only if none has a duplicate (`strict_json`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

import msgspec

from sessionwarden.errors import SourceError
from sessionwarden.model.event import Event
from sessionwarden.sources.access_log import (
    HEAD_DELIMITERS,
    MAX_HEAD_CHARS,
    Head,
    is_ours,
    number,
    present,
    untrusted,
)
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
_decode_texts = msgspec.json.Decoder(list[str]).decode
_decode_integers = msgspec.json.Decoder(list[int]).decode

_IDENTITY = ("user", "session", "token", "client", "pool")
_NUMBERS = ("time", "status", "response_bytes", "latency_ms")


def parse_access_lines(lines: Sequence[str], *, now_ms: int) -> list[Event] | None:
    """The events of `lines` (none of which holds a line end), or `None`: read them one by one.

    A line that is not ours makes all of them slow, so give it no more than a hundred or so.
    """
    parts = [line.split("\t") for line in lines]
    if set(map(len, parts)) != {3} or max(map(len, lines)) > MAX_LINE_CHARS:
        return None
    heads, paths, agents = zip(*parts, strict=True)
    try:
        columns = _head_columns(heads, now_ms=now_ms)
    except (msgspec.DecodeError, UnicodeError, SourceError):
        return None
    if columns is None:
        return None
    columns["path"] = _tail_column(paths)
    columns["user_agent"] = _tail_column(agents)
    columns["source"] = repeat("api_access")
    return list(map(Event, *(columns.get(name, repeat(None)) for name in Event.__struct_fields__)))


def _head_columns(heads: Sequence[str], *, now_ms: int) -> dict[str, Iterable[object]] | None:
    text = "[" + "\n,".join(heads) + "]"
    # no escape, so that text and values are the same characters, and none of them is a control character
    if "\\" in text or "\x7f" in text or max(map(len, heads)) > MAX_HEAD_CHARS:
        return None
    if {head[-1:] for head in heads} != {"}"} or text.count('"') != HEAD_DELIMITERS * len(heads):
        return None
    records = _decode_heads(text)
    if len(records) != len(heads):
        return None
    rows = map(msgspec.structs.astuple, records)
    columns: dict[str, Sequence[str]] = dict(
        zip(Head.__struct_fields__, zip(*rows, strict=True), strict=True)
    )
    numbers = _all_numbers(columns)
    # most lines of signed-in traffic lack nothing; looking once is cheaper than at each value
    if '"-"' in text or '""' in text:
        present_columns: dict[str, Sequence[Any]] = {name: _present(found) for name, found in columns.items()}
    else:
        present_columns = dict(columns)
    return _checked(present_columns | numbers, now_ms=now_ms)


def _checked(columns: dict[str, Sequence[Any]], *, now_ms: int) -> dict[str, Iterable[object]] | None:
    ids, times = columns["id"], columns["time"]
    if set(columns.pop("v")) != {"1"} or None in ids or None in times or max(map(len, ids)) > MAX_ID_CHARS:
        return None
    if min(times) < EARLIEST_MS or max(times) > now_ms + MAX_AHEAD_MS:
        return None
    columns["source_ip"] = [text and address(text) for text in columns["source_ip"]]
    _forget_what_others_said(columns)
    # a REST request that met no resource has no resourcePath
    columns["route"] = [text and (None if text.endswith(" -") else text) for text in columns["route"]]
    return dict(columns)


def _forget_what_others_said(columns: dict[str, Sequence[Any]]) -> None:
    ours = list(map(is_ours, columns["decision"], columns["pool"]))
    if all(ours):
        return
    for name in _IDENTITY:
        columns[name] = [value if known else None for value, known in zip(columns[name], ours, strict=True)]


def _present(texts: Sequence[str]) -> Sequence[str | None]:
    return list(map(present, texts)) if "-" in texts or "" in texts else texts


def _all_numbers(columns: dict[str, Sequence[str]]) -> dict[str, Sequence[Any]]:
    """Takes the columns of numbers out of `columns`: read in one go, or one by one where one is absent."""
    texts = {name: columns.pop(name) for name in _NUMBERS}
    count = len(texts["time"])
    found = _integers([text for column in texts.values() for text in column])
    if found is None:
        return {name: list(map(number, column)) for name, column in texts.items()}
    return {
        name: found[start : start + count]
        for name, start in zip(texts, range(0, len(found), count), strict=True)
    }


def _integers(texts: Sequence[str]) -> Sequence[int] | None:
    """What `values.integer` makes of each, or `None` if that has to be asked."""
    text = ",".join(texts)
    if not text.replace(",", "").isdigit():
        return None
    try:
        found = _decode_integers(f"[{text}]")
    except msgspec.DecodeError:  # an absent one, or one that begins with 0
        return None
    return found if len(found) == len(texts) and max(found) <= MAX_INTEGER else None


def _tail_column(quoted: Sequence[str]) -> Sequence[str | None]:
    text = "[" + "\n,".join(quoted) + "]"
    if "\\" not in text and max(map(len, quoted)) <= MAX_FIELD_CHARS:
        try:
            values = _decode_texts(text)
        except (msgspec.DecodeError, UnicodeError):
            values = []
        if len(values) == len(quoted):
            return _present(values)
    return list(map(untrusted, quoted))
