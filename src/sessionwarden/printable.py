"""Makes text that an attacker may have written safe to show on a terminal and in an e-mail.

A username may hold any Unicode: escape sequences that rewrite the operator's screen, line breaks that forge
lines of an alert, and marks that reverse the reading order.
"""

from __future__ import annotations

ELLIPSIS = "…"


def printable(text: str, *, limit: int) -> str:
    r"""`text` on one line, at most `limit` characters, with everything invisible escaped.

    >>> printable("bob\n\x1b[2J\u202ekcatta", limit=40)
    'bob\\n\\x1b[2J\\u202ekcatta'
    """
    escaped = "".join(map(_visible, text[: limit + 1]))
    return escaped if len(escaped) <= limit else escaped[: limit - 1] + ELLIPSIS


def ascii_line(text: str, *, limit: int) -> str:
    """`text` as at most `limit` visible ASCII characters; others become `?`."""
    plain = printable(text, limit=limit).replace(ELLIPSIS, "~")
    return "".join(character if character.isascii() else "?" for character in plain)


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
