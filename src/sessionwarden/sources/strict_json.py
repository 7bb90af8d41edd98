r"""Reads one flat JSON object and refuses duplicate keys.

JSON leaves the meaning of duplicate keys open (RFC 8259, section 4), and most readers keep the last. A client
that breaks out of a quoted value could so override what the server wrote before it. msgspec is fast but does
not report duplicates, so its result is checked by counting quotation marks:

    Outside of escapes, a `"` occurs only as a delimiter of a string. Each member in the result has two for
    its key, and two for each string of its value, so their number follows from the result. A discarded
    duplicate has at least two more. So there is a duplicate if and only if the text has more than that.

Escaped quotes are removed before counting: backslashes pair up from the left within a run, so
dropping every `\\` and then every `\"` leaves exactly the delimiters.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from sessionwarden.errors import SourceError

Scalar = str | int | float | bool | None
Flat = dict[str, Scalar | list[str]]

UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What msgspec raises for a text that an attacker may have written: it is no JSON or of another type, holds
half a character, or is nested as deeply as the stack. Readers catch all three, so that a text fails alone."""

_decode_flat = msgspec.json.Decoder(Flat).decode


def delimiters(text: str) -> int:
    """The number of quotation marks in a JSON text that delimit strings."""
    if "\\" in text:
        text = text.replace("\\\\", "").replace('\\"', "")
    return text.count('"')


def read_flat_object(text: str) -> Flat:
    """The members of a JSON object whose values are scalars or lists of strings.

    Raises `SourceError`: `not_json`, `duplicate_key`, or `wrong_type` for anything nested deeper.
    """
    try:
        members = _decode_flat(text)
    except UNREADABLE as error:
        raise SourceError(explain(text)) from error
    kept = 2 * len(members)
    for value in members.values():
        if type(value) is str:
            kept += 2
        elif type(value) is list:
            kept += 2 * len(value)
    if delimiters(text) != kept:
        raise SourceError("duplicate_key")
    return members


def explain(text: str) -> str:
    """Why a text is no flat object, for the quarantine's statistics. It is slow, so call it only then."""
    repeated = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        repeated.append(len(found) != len(pairs))
        return found

    try:
        value = json.loads(text, object_pairs_hook=members, parse_constant=_refuse_constant)
        json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except (ValueError, RecursionError):
        return "not_json"
    if not isinstance(value, dict):
        return "not_json"
    return "duplicate_key" if any(repeated) else "wrong_type"


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON's
