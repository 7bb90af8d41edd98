from __future__ import annotations

import pytest

from sessionwarden.adapters.lean.connection import parse_endpoint, parse_head

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: a"


def test_a_head_gives_status_and_lower_case_headers() -> None:
    assert parse_head(OK) == (200, {"content-length": "2", "content-type": "a"})


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"HTTP/1.0 200 OK",
        b"HTTP/2 200",
        b"HTTP/1.1 20",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 +20 OK",
        b"HTTP/1.1  200 OK",
        b"HTTP/1.1 100 Continue",
        b"ICY 200 OK",
        OK + b"\r\nContent-Length: 2",
        OK + b"\r\nContent-Length: 3",
        OK + b"\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        OK + b"\r\nContent-Encoding: gzip",
        OK + b"\r\n folded",
        OK + b"\r\nname : value",
        OK + b"\r\n: value",
        OK + b"\r\nno-colon",
        OK + b"\r\nx: a\nContent-Length: 5",
        OK + b"\r\nx: a\rb",
    ],
)
def test_a_head_that_could_be_read_in_two_ways_is_refused(head: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the reason is for people
        parse_head(head)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:4566", (False, "127.0.0.1", 4566, "127.0.0.1:4566", "/")),
        ("https://a.example", (True, "a.example", 443, "a.example", "/")),
        ("https://a.example/b/c.json", (True, "a.example", 443, "a.example", "/b/c.json")),
        ("http://[::1]:80/x", (False, "::1", 80, "[::1]:80", "/x")),
        ("http://[::1]", (False, "::1", 80, "[::1]", "/")),
    ],
)
def test_an_endpoint_is_taken_apart(url: str, expected: tuple[object, ...]) -> None:
    assert parse_endpoint(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "", "a.example", "ftp://a", "https://", "https://a:b",
        "https://a:", "https://a:99999", "https://a:0", "https://a:²", "https://a b", "https://a\r\nX: y",
        "https://u@a", "https://a/?q", "https://a/#f", "https://é",
    ],
)  # fmt: skip
def test_what_is_no_plain_http_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        parse_endpoint(url)
