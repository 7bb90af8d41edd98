"""The paths that an application may read in a path that a client wrote.

Servers, proxies and frameworks differ in how often they decode a path, in what they drop, cut or replace, and
in which order. So a path has many readings: its closure under all the steps below, in any order and number.
That covers any chain of servers, each of which takes some of these steps. Each step shortens the text or
replaces a character for good, so the closure is finite. Where it is large, or a reading walks up with `..`,
no reading is named, and the caller must expect any path at all.

    decode    `%2f`, `%u002f`, over-long UTF-8 (`%c0%af`, also with a wrong last byte), again and again
    replace   a backslash by a slash; what Unicode or Windows hold for ASCII signs (NFKC, best fit)
    cut       matrix parameters (`;x` up to the next slash, or all that follows); all after `?`, `#`, NUL
    drop      control characters, spaces around a segment; empty segments and `.`, or these stay segments

What a segment means by itself (`segment_texts`) is judged in the same way, since many frameworks divide the
path first and decode afterwards. Letter case and a suffix (`.json`) are the caller's to compare loosely.
RFC 3986 section 6.2, RFC 3629 section 10, https://url.spec.whatwg.org/#url-parsing
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

# Honest paths have few readings, usually two or three. Beyond these bounds any path is expected, which also
# bounds what one request can cost.
MAX_READINGS = 24
MAX_LENGTH = 1024
MAX_SEGMENTS = 64

_ESCAPE = re.compile(rb"%(?:u([0-9a-fA-F]{4})|([0-9a-fA-F]{2}))")
# ASCII in two to six bytes. The last byte should be 80 to bf, but decoders have been lax about that.
_OVERLONG = re.compile(
    rb"(?:([\xc0\xc1])|(?:\xe0|\xf0\x80|\xf8\x80{2}|\xfc\x80{3})([\x80\x81]))([\x00-\xff])", re.DOTALL
)
_MATRIX = re.compile(r";[^/]*")
_SPACES = re.compile(r" +(?=/|$)|(?<=/) +|^ +")
_CONTROLS = dict.fromkeys((*range(32), 127))
# What Windows replaces by an ASCII character and NFKC does not: division slash, fraction slash, big solidus,
# set minus and big reverse solidus.
_BEST_FIT = str.maketrans({"\u2215": "/", "\u2044": "/", "\u29f8": "/", "\u2216": "\\", "\u29f9": "\\"})
REPLACEMENT = "\ufffd"
"""Stands for bytes that a decoder before us could not read: what they were is not known."""


def readings(path: str) -> frozenset[tuple[str, ...]] | None:
    """The segments of each path that `path` may mean; `None` if it may mean any path.

    >>> sorted(readings("/a%2fb"))
    [('a', 'b'), ('a%2fb',)]
    """
    texts = _closure(path)
    if texts is None:
        return None
    found: set[tuple[str, ...]] = set()
    for text in texts:
        parts = text.removeprefix("/").removesuffix("/").split("/")
        if ".." in parts or len(parts) > MAX_SEGMENTS:
            return None
        found.add(tuple(part for part in parts if part not in ("", ".")))
        if "" in parts or "." in parts:
            found.add(tuple(parts))
    return frozenset(found)


# each segment is compared with those of many routes
@lru_cache(maxsize=256)
def segment_texts(segment: str) -> frozenset[str] | None:
    """The lower-case texts that one segment may mean; `None` if it may mean any text.

    >>> sorted(segment_texts("%41dmin;x"))
    ['%41dmin', '%41dmin;x', 'admin', 'admin;x']
    """
    texts = _closure(segment)
    if texts is None:
        return None
    # upper case first, since some letters become ASCII ones only so
    return frozenset(form for text in texts for form in (text.lower(), text.upper().lower()))


def _closure(text: str) -> set[str] | None:
    """All texts that any chain of steps makes of `text`, or `None` if there are too many."""
    if len(text) > MAX_LENGTH or REPLACEMENT in text:
        return None
    found = {text}
    new = [text]
    while new:
        for other in _steps(new.pop()):
            if other in found:
                continue
            if len(found) == MAX_READINGS or REPLACEMENT in other:
                return None
            found.add(other)
            new.append(other)
    return found


def _steps(text: str) -> Iterator[str]:
    """What one step makes of `text`; it may be `text` itself."""
    if "%" in text:
        yield from _decoded(text)
    if "\\" in text:
        yield text.replace("\\", "/")
    if ";" in text:
        yield _MATRIX.sub("", text)
    for sign in (";", "?", "#", "\0"):
        if sign in text:
            yield text.partition(sign)[0]
    if " " in text:
        yield _SPACES.sub("", text)
    if not text.isprintable():
        yield text.translate(_CONTROLS)
    if not text.isascii():
        # imported only here: ordinary paths are ASCII
        from unicodedata import normalize

        yield normalize("NFKC", text.translate(_BEST_FIT))


def _decoded(text: str) -> Iterator[str]:
    raw = _ESCAPE.sub(_escaped, text.encode("utf-8", "surrogatepass"))
    for read in (raw, _OVERLONG.sub(_short, raw)):
        try:
            yield read.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            # decoders read other bytes as Latin-1, or leave them out
            yield read.decode("latin-1")
            yield read.decode("utf-8", "ignore")


def _escaped(found: re.Match[bytes]) -> bytes:
    if found[1]:
        return chr(int(found[1], 16)).encode("utf-8", "surrogatepass")
    return bytes((int(found[2], 16),))


def _short(found: re.Match[bytes]) -> bytes:
    lead = (found[1] or found[2])[0]
    return bytes(((lead & 1) << 6 | found[3][0] & 0x3F,))
