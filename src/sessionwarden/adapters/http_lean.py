"""One kept HTTP/1.1 connection over a raw socket, with a deadline and a strict response parser.

Enters: an endpoint and the bytes of a request. Leaves: status, headers and body. Invariants: all
waiting ends at the deadline; a connection is used again only after an answer that was read to its
exact end, so that no answer can be taken for that of another request; what RFC 9112 leaves open to
interpretation (both lengths, folded lines, bare line feeds) is refused. Leaves out: redirects,
proxies, compression. Name resolution is the one step that a socket's timeout cannot bound.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

MAX_HEAD_BYTES = 16_384
RECEIVE_BYTES = 65_536

# headers that decide where the answer ends, or what it says
_ONCE = frozenset({"connection", "content-encoding", "content-length", "transfer-encoding", "x-amz-crc32"})

Deadline = Callable[[], float]
"""Seconds left; zero or less once time is up."""


class HttpError(Exception):
    """The exchange failed: no connection, out of time, or not an answer that HTTP/1.1 allows."""


class Endpoint(NamedTuple):
    """Where to connect. `authority` is the `Host` header's value."""

    secure: bool
    host: str
    port: int
    authority: str
    path: str


class Response(NamedTuple):
    """An answer read to its end. Header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def parse_endpoint(url: str) -> Endpoint:
    """The parts of an absolute http or https URL; raises `ValueError` for anything else.

    >>> parse_endpoint("https://dynamodb.eu-west-1.amazonaws.com").authority
    'dynamodb.eu-west-1.amazonaws.com'
    """
    scheme, found, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    host, colon, port = authority.rpartition(":") if not authority.endswith("]") else (authority, "", "")
    if not colon:
        host, port = authority, ""
    if scheme not in ("http", "https") or not found or not host or "@" in authority:
        raise ValueError("not an http or https URL")
    # a line break or a space would end up in the request's head
    if not url.isascii() or not url.isprintable() or " " in url or "?" in url or "#" in url:
        raise ValueError("not a plain http or https URL")
    if colon and not port.isdecimal():
        raise ValueError("not a port")
    secure = scheme == "https"
    number = int(port) if port else 443 if secure else 80
    return Endpoint(secure, host.strip("[]"), number, authority, slash + path or "/")


class Connection:
    """A connection to one endpoint, opened when needed and kept while answers are clean.

    Not for several threads at once. TLS verifies the certificate and the name; `cafile` adds to
    nothing but replaces the system's roots.
    """

    def __init__(self, endpoint: Endpoint, *, max_body_bytes: int, cafile: str | None = None) -> None:
        self.endpoint = endpoint
        self._max_body_bytes = max_body_bytes
        self._tls = _tls_context(cafile) if endpoint.secure else None
        self._socket: socket.socket | None = None
        self._poll: select.poll | None = None

    def exchange(self, request: bytes, deadline: Deadline) -> Response:
        """Send `request` and read its answer.

        Raises `HttpError`. The request may have been executed even so; the connection is closed.
        """
        try:
            kept = self._usable()
            connected = kept if kept is not None else self._open(deadline)
            connected.settimeout(_remaining(deadline))
            connected.sendall(request)
            response = _Reader(connected, deadline, self._max_body_bytes).read()
        except (OSError, ValueError) as error:
            self.close()
            raise HttpError(f"{type(error).__name__}: {error}") from error
        except BaseException:
            self.close()
            raise
        if response.headers.get("connection", "").lower() == "close":
            self.close()
        return response

    def close(self) -> None:
        """Close the connection, if there is one; the next exchange opens another."""
        connected, self._socket, self._poll = self._socket, None, None
        if connected is not None:
            connected.close()

    def _usable(self) -> socket.socket | None:
        """The kept socket, unless something can be read from it: its end, or bytes nobody asked for."""
        if self._socket is None or self._poll is None:
            return None
        if self._poll.poll(0):
            self.close()
            return None
        return self._socket

    def _open(self, deadline: Deadline) -> socket.socket:
        endpoint = self.endpoint
        if endpoint.secure:
            # a snapshot is restored many times with one generator state: two handshakes must not share keys
            ssl.RAND_add(os.urandom(32), 32.0)
        plain = _connect(endpoint, deadline)
        try:
            # a request is one write; waiting to fill a segment only adds 40 ms
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.settimeout(_remaining(deadline))
            connected = (
                self._tls.wrap_socket(plain, server_hostname=endpoint.host)
                if self._tls is not None
                else plain
            )
        except BaseException:
            plain.close()
            raise
        self._socket = connected
        self._poll = select.poll()
        self._poll.register(connected.fileno(), select.POLLIN)
        return connected


class _Reader:
    """Reads one answer from a socket, and not a byte of another."""

    def __init__(self, connected: socket.socket, deadline: Deadline, max_body_bytes: int) -> None:
        self._socket = connected
        self._deadline = deadline
        self._max_body_bytes = max_body_bytes
        self._buffer = b""

    def read(self) -> Response:
        head = self._until(b"\r\n\r\n", MAX_HEAD_BYTES)
        status, headers = parse_head(head)
        body = self._chunked() if "transfer-encoding" in headers else self._exactly(self._length(headers))
        if self._buffer:
            raise ValueError("bytes after the answer")
        return Response(status, headers, body)

    def _length(self, headers: dict[str, str]) -> int:
        text = headers.get("content-length", "")
        if not (text.isascii() and text.isdecimal()) or len(text) > 12:
            raise ValueError("no usable length")
        length = int(text)
        if length > self._max_body_bytes:
            raise ValueError("answer too large")
        return length

    def _chunked(self) -> bytes:
        parts = []
        total = 0
        while True:
            size_text = self._until(b"\r\n", 64).partition(b";")[0]
            if not 0 < len(size_text) <= 8 or size_text.strip(b"0123456789abcdefABCDEF"):
                raise ValueError("bad chunk size")
            size = int(size_text, 16)
            total += size
            if total > self._max_body_bytes:
                raise ValueError("answer too large")
            if size == 0:
                break
            parts.append(self._exactly(size))
            if self._exactly(2) != b"\r\n":
                raise ValueError("bad chunk end")
        if self._until(b"\r\n", 2) != b"":
            raise ValueError("trailers are not read")
        return b"".join(parts)

    def _until(self, mark: bytes, limit: int) -> bytes:
        while (end := self._buffer.find(mark)) < 0:
            if len(self._buffer) > limit:
                raise ValueError("line or head too long")
            self._receive()
        found, self._buffer = self._buffer[:end], self._buffer[end + len(mark) :]
        return found

    def _exactly(self, length: int) -> bytes:
        if len(self._buffer) < length:
            parts = [self._buffer]
            missing = length - len(self._buffer)
            self._buffer = b""
            while missing > 0:
                self._receive()
                parts.append(self._buffer)
                missing -= len(self._buffer)
                self._buffer = b""
            self._buffer = b"".join(parts)
        found, self._buffer = self._buffer[:length], self._buffer[length:]
        return found

    def _receive(self) -> None:
        self._socket.settimeout(_remaining(self._deadline))
        received = self._socket.recv(RECEIVE_BYTES)
        if not received:
            raise ValueError("connection closed within the answer")
        self._buffer += received


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers of an HTTP/1.1 answer, without the empty line.

    Raises `ValueError` for another version, an informational status, a repeated header, both kinds
    of length, any transfer coding but `chunked`, a content coding, and what is not plain text.
    """
    lines = head.decode("latin-1").split("\r\n")
    version, status = lines[0][:9], lines[0][9:12]
    if (
        version != "HTTP/1.1 "
        or not (status.isascii() and status.isdecimal())
        or lines[0][12:13] not in ("", " ")
    ):
        raise ValueError("not an HTTP/1.1 answer")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        name = name.lower()
        # folding, white space before the colon and bare CR or LF all read differently elsewhere
        if (
            not colon
            or not name.replace("-", "").replace("_", "").isalnum()
            or "\n" in value
            or "\r" in value
        ):
            raise ValueError("bad header line")
        if name in headers:
            if name in _ONCE:
                raise ValueError("repeated header")
            continue
        headers[name] = value.strip(" \t")
    coding = headers.get("transfer-encoding")
    if coding is not None and ("content-length" in headers or coding.lower() != "chunked"):
        raise ValueError("ambiguous length")
    if "content-encoding" in headers or int(status) < 200:
        raise ValueError("an answer that was not asked for")
    return int(status), headers


@lru_cache(maxsize=4)
def _tls_context(cafile: str | None) -> ssl.SSLContext:
    """One for all connections: loading the roots takes tens of milliseconds of CPU."""
    return ssl.create_default_context(cafile=cafile)


def _connect(endpoint: Endpoint, deadline: Deadline) -> socket.socket:
    """socket.create_connection gives each address the whole timeout; here they share the deadline."""
    failure: OSError = OSError("no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(
        endpoint.host, endpoint.port, type=socket.SOCK_STREAM
    ):
        plain = socket.socket(family, kind, protocol)
        try:
            plain.settimeout(_remaining(deadline))
            plain.connect(address)
        except OSError as error:
            plain.close()
            failure = error
            continue
        return plain
    raise failure


def _remaining(deadline: Deadline) -> float:
    left = deadline()
    if left <= 0:
        raise TimeoutError("out of time")
    return left
