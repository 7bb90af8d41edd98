"""Takes tokens out of texts that clients wrote, before an event leaves the reader of its line.

Clients put tokens where they do not belong: into a query, a path, a referer. From an event such a token would
go to the bus, into findings and into the mail of an alert, where people read it who must not sign in with it.
Enters: a text. Leaves: the same text with `[jwt]` for each token, which rules can match like any other part.
A token is three parts (RFC 7515, section 3.1; the last may be cut off) or five (RFC 7516, section 3.1, such
as Cognito's refresh tokens), joined by dots that may be percent-encoded, however often. Invariant: linear
time, since attackers write these texts (RE2). Left out: tokens that are not JWTs, and JWTs in fields that a
client cannot write.
"""

from __future__ import annotations

import re2

MARKER = "[jwt]"

CLIENT_TEXTS = frozenset({"path", "query", "host", "referer", "user_agent", "error", "claimed_user"})
"""The event fields that may hold what a client wrote."""

# `{"` and `{ "`, with which the JSON of a token's header and claims begins, in base64url
_BEGINNINGS = ("eyJ", "eyA")
_BEGINNING = "ey[JA]"
_ENCODED = r"%(?:25)*"
_CHARACTERS = rf"(?:[A-Za-z0-9_-]|{_ENCODED}(?:2[Dd]|5[Ff]))*"
# in a raw line, JSON may write a dot as an escape
_DOT = rf"(?:\.|{_ENCODED}2[Ee]|\\+u002[Ee])"
_ENCRYPTED = rf"{_BEGINNING}{_CHARACTERS}(?:{_DOT}{_CHARACTERS}){{4}}"
_SIGNED = rf"{_BEGINNING}{_CHARACTERS}{_DOT}{_BEGINNING}{_CHARACTERS}(?:{_DOT}{_CHARACTERS})?"
_TOKEN = re2.compile(f"{_ENCRYPTED}|{_SIGNED}".encode())


def redacted(text: str) -> str:
    """`text` with a marker for each token in it.

    >>> redacted("/a?token=eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl&page=2")
    '/a?token=[jwt]&page=2'
    """
    if not any(beginning in text for beginning in _BEGINNINGS):
        return text
    found: bytes = _TOKEN.sub(MARKER.encode(), text.encode("utf-8", "surrogatepass"))
    return found.decode("utf-8", "surrogatepass")


def holds_token(block: bytes) -> bool:
    """Whether lines hold a token anywhere. Of lines without one, this costs a look for three bytes."""
    if not any(beginning.encode() in block for beginning in _BEGINNINGS):
        return False
    return _TOKEN.search(block) is not None
