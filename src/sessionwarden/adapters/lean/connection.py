"""Sends HTTP/1.1 requests over one kept connection, with a deadline and a strict response parser.

Built on a raw socket, because an HTTP library would cost the authorizer most of its CPU. Invariants: all
waiting ends at the deadline, except name resolution; a connection is used again only after an answer was
read to its exact end, so that no answer is taken for that of another request; what RFC 9112 leaves open to
interpretation (both lengths, folded lines, bare line feeds) is refused. There are no redirects, no proxies
and no compression.
"""

from __future__ import annotations

import os
import re
import select
import socket
import ssl
from time import monotonic
from typing import NamedTuple

from sessionwarden.adapters.lean.tls_trust import first_context, wider_context

MAX_HEAD_BYTES = 16_384
# The largest TLS record (RFC 8446 section 5.1): a read must leave no decrypted bytes behind, because
# poll() cannot see those.
RECEIVE_BYTES = 16_384

# Headers that decide where the answer ends, or how its body is read.
_ONCE = frozenset({"connection", "content-encoding", "content-length", "transfer-encoding", "x-amz-crc32"})

# Other parsers read folded lines, white space before the colon, and a bare CR or LF differently.
_HEAD = re.compile(r"HTTP/1\.1 ([0-9]{3})(?: [^\r\n]*)?(?:\r\n[A-Za-z0-9_-]+:[^\r\n]*)*")


class HttpError(Exception):
    """The exchange failed: no connection, no answer in time, or an answer that HTTP/1.1 does not allow."""


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
    # a line break or a space would become part of the request's head
    if not url.isascii() or not url.isprintable() or " " in url or "?" in url or "#" in url:
        raise ValueError("not a plain http or https URL")
    secure = scheme == "https"
    number = _port(port) if colon else 443 if secure else 80
    return Endpoint(secure, host.strip("[]"), number, authority, slash + path or "/")


def _port(text: str) -> int:
    # a larger number would raise OverflowError at the first connection
    if not text.isdecimal() or len(text) > 5 or not 0 < int(text) < 65_536:
        raise ValueError("not a port")
    return int(text)


class Connection:
    """A connection to one endpoint, opened when needed and kept while answers are well-formed.

    For one thread at a time. TLS verifies the certificate and the name; `cafile` replaces all other roots.
    """

    def __init__(self, endpoint: Endpoint, *, max_body_bytes: int, cafile: str | None = None) -> None:
        self.endpoint = endpoint
        self._max_body_bytes = max_body_bytes
        self._tls = first_context(endpoint.host, cafile) if endpoint.secure else None
        self._kept: _Stream | None = None

    def exchange(self, request: bytes, end: float) -> Response:
        """Send `request` and read its answer. `end` is when `time.monotonic()` says to give up.

        Raises `HttpError` and closes the connection; the server may have executed the request even so.
        """
        try:
            stream = self._usable() or self._open(end)
            stream.send(request, end)
            response = _Reader(stream, end, self._max_body_bytes).read()
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
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def _usable(self) -> _Stream | None:
        """The kept connection, unless it has input already: its end, or bytes that answer no request."""
        if self._kept is not None and self._kept.has_input():
            self.close()
        return self._kept

    def _open(self, end: float) -> _Stream:
        try:
            connected = self._connected(end)
        except ssl.SSLCertVerificationError:
            wider = None if self._tls is None else wider_context(self._tls)
            if wider is None:
                raise
            self._tls = wider
            connected = self._connected(end)
        self._kept = _Stream(connected)
        return self._kept

    def _connected(self, end: float) -> socket.socket:
        if self.endpoint.secure:
            # every environment restored from a snapshot starts with one generator state, and two
            # handshakes must not share keys
            ssl.RAND_add(os.urandom(32), 32.0)
        plain = _connect(self.endpoint, end)
        try:
            # a request is one write, and waiting to fill a segment would only add 40 ms
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.settimeout(_remaining(end))
            if self._tls is None:
                return plain
            return self._tls.wrap_socket(plain, server_hostname=self.endpoint.host)
        except BaseException:
            plain.close()
            raise


class _Stream:
    """A connected non-blocking socket; all waiting is done in `_wait`, until `end`.

    A socket with a timeout polls before each write and sets its mode again for each new timeout, which adds
    three system calls to an exchange.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        connected.setblocking(False)
        self._input = select.poll()
        self._input.register(connected, select.POLLIN)
        self._output = select.poll()
        self._output.register(connected, select.POLLOUT)

    def has_input(self) -> bool:
        """Whether a read would find something now: bytes, the end, or an error."""
        return bool(self._input.poll(0))

    def send(self, data: bytes, end: float) -> None:
        left = memoryview(data)
        while True:
            try:
                left = left[self._socket.send(left) :]
            except ssl.SSLWantReadError:
                _wait(self._input, end)
            except (ssl.SSLWantWriteError, BlockingIOError):
                _wait(self._output, end)
            if not left:
                return

    def receive(self, end: float) -> bytes:
        """The bytes that have arrived, at least one; raises `ValueError` at the connection's end."""
        ready = self._input
        while True:
            _wait(ready, end)
            try:
                received = self._socket.recv(RECEIVE_BYTES)
            except (ssl.SSLWantReadError, BlockingIOError):
                ready = self._input
            except ssl.SSLWantWriteError:
                ready = self._output
            else:
                break
        if not received:
            raise ValueError("connection closed within the answer")
        return received

    def close(self) -> None:
        self._socket.close()

    def __del__(self) -> None:
        # a thread that ends leaves its connection behind
        self._socket.close()


class _Reader:
    """Reads one answer from a stream, and refuses bytes that follow it."""

    def __init__(self, stream: _Stream, end: float, max_body_bytes: int) -> None:
        self._stream = stream
        self._end = end
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
        self._buffer += self._stream.receive(self._end)


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers of an HTTP/1.1 answer, without the empty line.

    Raises `ValueError` for another version, an informational status, a repeated header, both kinds
    of length, any transfer coding but `chunked`, a content coding, and what is not plain text.
    """
    text = head.decode("latin-1")
    found = _HEAD.fullmatch(text)
    if found is None:
        raise ValueError("not the head of an HTTP/1.1 answer")
    status = int(found[1])
    headers: dict[str, str] = {}
    for line in text.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        name = name.lower()
        if name in headers:
            if name in _ONCE:
                raise ValueError("repeated header")
            continue
        headers[name] = value.strip(" \t")
    coding = headers.get("transfer-encoding")
    if coding is not None and ("content-length" in headers or coding.lower() != "chunked"):
        raise ValueError("ambiguous length")
    if "content-encoding" in headers or status < 200:
        raise ValueError("an answer that was not asked for")
    return status, headers


def _connect(endpoint: Endpoint, end: float) -> socket.socket:
    """Connect to the first address that answers. All addresses share one deadline.

    `socket.create_connection` would allow each address the whole timeout.
    """
    failure: OSError = OSError("no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(
        endpoint.host, endpoint.port, type=socket.SOCK_STREAM
    ):
        plain = socket.socket(family, kind, protocol)
        try:
            plain.settimeout(_remaining(end))
            plain.connect(address)
        except OSError as error:
            plain.close()
            failure = error
            continue
        return plain
    raise failure


def _wait(ready: select.poll, end: float) -> None:
    if not ready.poll(_remaining(end) * 1000):
        raise TimeoutError("out of time")


def _remaining(end: float) -> float:
    left = end - monotonic()
    if left <= 0:
        raise TimeoutError("out of time")
    return left
