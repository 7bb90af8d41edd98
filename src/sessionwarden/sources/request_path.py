"""Brings the path of a request into one spelling, so that a rule that names a path meets its other spellings.

Enters: a path as the client wrote it. Leaves: what most backends make of it, which rules know as `path`, and
the written one as `raw_path` where the two differ. A client chooses among many spellings of one path:
`/login`, `/login/`, `/%6Cogin`, `//login`, `/x/../login`, `/login;a=b`, `/login%20`. Backends differ in
which of them they accept, so the one spelling is that of the most lenient: a rule that fires on a request
that the backend refused is harmless, since the request was sent to deceive. docs/reference/rules.md gives a
reason for each step. Invariants: linear time; never longer than what was written, never empty; the one
spelling of a plain path is the path itself. Left out: a second percent-decoding, overlong UTF-8 and
Unicode's compatibility forms, which rules can look for in `raw_path`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

from sessionwarden.sources.redaction import MARKER, redacted

_AFTER_PATH = re.compile(r"[?#]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_BLANKS = "".join(character for character in map(chr, range(0x3001)) if character.isspace())


def path_and_raw(written: str | None) -> tuple[str | None, str | None]:
    """The fields `path` and `raw_path` of an event; the second is `None` where the written path is plain."""
    if written is None:
        return None, None
    path = one_spelling(written)
    if path == written or (MARKER in path and MARKER not in written):
        # a token whose letters were percent-encoded must not stay in the written form
        return path, None
    return path, written


def one_spelling(written: str) -> str:
    r"""The path that `written` stands for.

    >>> one_spelling("/shop//x/../Forgot%2Dpassword;v=1/.%20")
    '/shop/Forgot-password'
    """
    if is_plain(written):
        return written
    # a client cannot send these in a path: what follows is a query that a log wrote behind it, or a deception
    path = _AFTER_PATH.split(written, maxsplit=1)[0]
    path = unquote(path, errors="replace").replace("\\", "/").partition("\0")[0]
    names = [_name(segment) for segment in _CONTROL.sub("", path).split("/")]
    kept: list[str] = []
    for name in names:
        if name == "..":
            del kept[-1:]
        elif name:
            kept.append(name)
    # a few logs write paths without the first slash
    path = "/".join(kept) if kept and kept[:1] == names[:1] else "/" + "/".join(kept)
    return redacted(path)


def is_plain(written: str) -> bool:
    """Whether a path is its own one spelling, as nearly all are; a few of those are not recognised."""
    if written[-1:] in ("/", ".") and written != "/":
        return False
    # written out, because a loop or a pattern costs three times as much, and each line of a log is asked
    return (
        written.isascii()
        and written.isprintable()
        and not (
            "%" in written
            or "/." in written
            or "//" in written
            or "./" in written
            or ";" in written
            or " " in written
            or "\\" in written
            or "?" in written
            or "#" in written
        )
    )


def all_plain(written: Iterable[str]) -> bool:
    """Whether each of many paths is plain, at little more than the cost of one."""
    text = "&".join(written)  # a character that changes no path
    return is_plain(text) and "/&" not in text and ".&" not in text


def _name(segment: str) -> str:
    """A segment without its parameters (RFC 3986, section 3.3) and without what file systems cut off."""
    name = segment.partition(";")[0].strip(_BLANKS)
    return name if name == ".." else name.rstrip("." + _BLANKS)
