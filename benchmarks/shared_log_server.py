"""A windows table whose shared logs somebody has filled, behind HTTP, so that a real client can be measured.

    PYTHONPATH=src:. .venv/bin/python -m benchmarks.shared_log_server --members 250000 --log 60000:28333333
    ...

Enters: the epochs to fill, as timespan (ms) and number. Leaves: its port, on stdout. It answers Query from
the filled epochs, in pages of up to 1 MB as DynamoDB counts them, takes every write, and keeps none.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html
"""

from __future__ import annotations

import argparse
import base64
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

from benchmarks.cost_meter import KB
from sessionwarden.detection.storage.placement import shared_log_name
from sessionwarden.detection.storage.shared_log import pack
from sessionwarden.detection.storage.shared_log_size import SHARED_LOG_LIMIT

PAGE_BYTES = KB * KB
MEMBERS_PER_ITEM = 1_000
"""What a batch of a flood brings."""
MEMBER_BYTES = 19
"""An owner, a quantum and the hash of a value: what most members are."""


class SharedLogs:
    """The filled epochs, as pages that are ready to be sent."""

    def __init__(self, *, members: int, limit: int, epochs: list[tuple[int, int]]) -> None:
        random = Random(1)
        self._items: dict[str, list[tuple[str, str]]] = {}
        for timespan_ms, epoch in epochs:
            items = self._items.setdefault(shared_log_name(timespan_ms, limit=limit), [])
            for number, begin in enumerate(range(0, members, MEMBERS_PER_ITEM)):
                period = f"s#{epoch:014d}#{number:010d}"
                items.append((period, _item(random, period, min(MEMBERS_PER_ITEM, members - begin))))

    def page(self, request: dict[str, Any]) -> bytes:
        """The answer to a Query."""
        values = {name: value["S"] for name, value in request["ExpressionAttributeValues"].items()}
        first = request.get("ExclusiveStartKey", {}).get("slot", {}).get("S", "")
        found = [
            one
            for one in self._items.get(values[":key"], ())
            if first < one[0] and values[":first"] <= one[0] <= values[":last"]
        ]
        size = MEMBERS_PER_ITEM * MEMBER_BYTES
        page = found[: max(1, PAGE_BYTES // size)]
        last = {"key": {"S": values[":key"]}, "slot": {"S": page[-1][0]}} if page else {}
        more = f', "LastEvaluatedKey": {json.dumps(last)}' if len(page) < len(found) else ""
        return f'{{"Items": [{",".join(text for _, text in page)}], "Count": {len(page)}{more}}}'.encode()


def _item(random: Random, period: str, members: int) -> str:
    packed = pack(random.randbytes(MEMBER_BYTES) for _ in range(members))
    return json.dumps({"slot": {"S": period}, "members": {"B": base64.b64encode(packed).decode()}})


class Handler(BaseHTTPRequestHandler):
    """Answers DynamoDB's JSON protocol."""

    protocol_version = "HTTP/1.1"
    # an answer in one piece: in two, the second waits 40 ms for the first to be acknowledged
    wbufsize = -1
    shared_logs: SharedLogs

    def do_POST(self) -> None:
        """One call."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        query = self.headers["X-Amz-Target"].endswith(".Query")
        answer = self.shared_logs.page(json.loads(body)) if query else b"{}"
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as the base class has it
        """Nothing: the measurement is what is printed."""


def main() -> None:
    """Fill the shared logs, say where, and answer until killed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--members", type=int, required=True, help="of each epoch")
    parser.add_argument("--limit", type=int, default=SHARED_LOG_LIMIT, help="at which an epoch is full")
    parser.add_argument("--log", nargs="*", default=[], help="timespan:epoch")
    given = parser.parse_args()
    epochs = [(int(timespan), int(epoch)) for timespan, epoch in (one.split(":") for one in given.log)]
    Handler.shared_logs = SharedLogs(members=given.members, limit=given.limit, epochs=epochs)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
