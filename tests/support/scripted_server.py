"""A server that sends a script of answers, well-formed or not, one for each request."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

Turn = Callable[[socket.socket], bool]
"""Answers one request that was read; returns whether the connection stays open."""


def http(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def say(data: bytes) -> Turn:
    def turn(peer: socket.socket) -> bool:
        peer.sendall(data)
        return True

    return turn


def say_and_close(data: bytes) -> Turn:
    def turn(peer: socket.socket) -> bool:
        if data:
            peer.sendall(data)
        return False

    return turn


CLOSE = say_and_close(b"")


class ScriptedServer:
    """Answers with `turns` in order, over as many connections as the client opens."""

    def __init__(self, *turns: Turn, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.connections = 0
        self.ended = threading.Event()
        self._turns = iter(turns)
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        self.ended.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            with peer:
                self._converse(peer)

    def _converse(self, plain: socket.socket) -> None:
        # the client may hang up at any moment: that is what the tests are about
        with contextlib.suppress(OSError):
            peer = self._tls.wrap_socket(plain, server_side=True) if self._tls else plain
            with peer:
                while self._read(peer) and next(self._turns, CLOSE)(peer):
                    pass

    def _read(self, peer: socket.socket) -> bool:
        data = b""
        while b"\r\n\r\n" not in data:
            received = peer.recv(65_536)
            if not received:
                return False
            data += received
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        wanted = int(lengths[0].partition(b":")[2]) if lengths else 0
        while len(body) < wanted:
            body += peer.recv(65_536)
        self.requests.append((head.decode(), json.loads(body) if body else {}))
        return True
