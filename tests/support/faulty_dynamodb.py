"""A proxy in front of DynamoDB that answers chosen calls with faults.

A test chooses a fault by operation and by the number of earlier calls, such as "the second write was made,
and answered with a 500". A call that was forwarded has taken effect, whatever the answer says.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Fault(NamedTuple):
    """`forwarded`: whether the call takes effect. With a `status` of 0, there is no answer."""

    forwarded: bool
    status: int
    code: str


THROTTLED = Fault(False, 400, "ProvisionedThroughputExceededException")
REFUSED = Fault(False, 500, "InternalServerError")
DONE_BUT_500 = Fault(True, 500, "InternalServerError")
DONE_BUT_SILENT = Fault(True, 0, "")


class FaultyDynamoDB:
    """Listens on loopback in front of `port`. Each of `faults` is used once: (operation, number) → fault."""

    def __init__(self, port: int) -> None:
        self.faults: dict[tuple[str, int], Fault] = {}
        self.calls: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(port))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def fail(self, operation: str, fault: Fault, *, after: int = 0, times: int = 1) -> None:
        """From now on, let `after` calls of the operation pass, then let the next `times` fail."""
        first = self.calls[operation] + after
        self.faults |= {(operation, first + number): fault for number in range(times)}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _take(self, operation: str) -> Fault | None:
        with self._lock:
            number = self.calls[operation]
            self.calls[operation] += 1
        return self.faults.pop((operation, number), None)

    def _handler(self, port: int) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                fault = outer._take(self.headers["X-Amz-Target"].partition(".")[2])
                status, answer = 0, b""
                if fault is None or fault.forwarded:
                    status, answer = self._forward(body)
                if fault is None:
                    self._answer(status, answer)
                elif fault.status:
                    self._answer(fault.status, json.dumps({"__type": f"x#{fault.code}"}).encode())
                else:
                    self.close_connection = True

            def _forward(self, body: bytes) -> tuple[int, bytes]:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                try:
                    connection.request("POST", "/", body, dict(self.headers))
                    response = connection.getresponse()
                    return response.status, response.read()
                finally:
                    connection.close()

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        return Handler
