"""Decodes base64url and JSON strictly, so that an attacker cannot write one token in two ways.

Invariants: two different base64url texts never decode to the same bytes; no two readers can see different
values for one JSON key. Raises only `ValueError`. Base64url: RFC 4648 section 5 without padding, as in
RFC 7515 section 2; JSON: RFC 8259, UTF-8, no byte order mark.
"""

from __future__ import annotations

import binascii
import json
from typing import Any

_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
MAX_DEPTH = 32
"""The most levels of arrays and objects. Fixed here, because Python versions stop at different depths."""

_TO_URL = bytes.maketrans(b"+/", b"-_")


def decode_base64url(text: bytes) -> bytes:
    """The bytes that `text` stands for.

    Raises `ValueError` unless encoding the result again produces exactly `text`. That refuses padding,
    foreign characters, white space, `+` and `/`, and trailing bits that are set.
    """
    padded = text.translate(_TO_STANDARD) + b"=" * (-len(text) % 4)
    raw = binascii.a2b_base64(padded)
    if binascii.b2a_base64(raw, newline=False).rstrip(b"=").translate(_TO_URL) != text:
        raise ValueError("not canonical base64url")
    return raw


def load_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`; raises `ValueError` as `load_json` does, or if it is not an object."""
    value = load_json(raw)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def load_json(raw: bytes) -> Any:
    """The JSON value in `raw`.

    Raises `ValueError` for anything that is not UTF-8 (UTF-16 included), nested too deeply, holds a
    duplicate key at any depth, `NaN`, `Infinity`, or an unpaired surrogate.
    """
    text = raw.decode("utf-8")
    if text.startswith("\ufeff"):
        raise ValueError("byte order mark")
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    # each level opens with a bracket, so counting brackets clears most texts without walking the value
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _refuse_depth(value)
    if "\\u" in text:
        # half of a surrogate pair cannot be encoded, so it cannot be logged, stored or compared
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def _refuse_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        inside = [item for item in level if isinstance(item, dict | list)]
        level = [child for item in inside for child in (item.values() if isinstance(item, dict) else item)]
        if not level:
            return
    if any(isinstance(item, dict | list) for item in level):
        raise ValueError("nested too deeply")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("duplicate key")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# One decoder for all calls; json.loads would build a new one each time.
_DECODER = json.JSONDecoder(object_pairs_hook=_once_each, parse_constant=_no_constant)
