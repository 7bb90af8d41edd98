"""Writes a simulated log as JSON lines of an API's own, about 600 bytes each, and the mapping that reads it.

    .venv/bin/python benchmarks/json_log.py OWN_LOG JSON_LOG FIELDS

API Gateway writes such lines from a template in which every value is quoted. `benchmarks/plain_loop.py` and
`replay --fields` both read it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

LINE_BYTES = 600

FIELDS = """\
fields:
  id: requestId
  source_ip: ip
  api_id: apiId
  stage: stage
  route: routeKey
  method: httpMethod
  status: status
  response_bytes: responseLength
  latency_ms: responseLatency
  user: sub
  session: session
  token: token
  client: client
  pool: pool
  decision: decision
  reason: reason
  path: path
  user_agent: userAgent
time: {key: requestTimeEpoch, unit: ms}
ignore: [protocol]
"""

NAMES = {
    "id": "requestId",
    "time": "requestTimeEpoch",
    "source_ip": "ip",
    "api_id": "apiId",
    "route": "routeKey",
    "method": "httpMethod",
    "response_bytes": "responseLength",
    "latency_ms": "responseLatency",
    "user": "sub",
}


def json_line(line: str) -> str:
    """The line of our own format as one JSON object, filled up to `LINE_BYTES` by its protocol."""
    head, path, agent = line.split("\t")
    members = msgspec.json.decode(head, type=dict[str, str])
    del members["v"]
    texts = {NAMES.get(key, key): value for key, value in members.items()}
    texts |= {"protocol": "HTTP/1.1", "path": path[1:-1], "userAgent": agent[1:-1]}
    short = LINE_BYTES - sum(len(key) + len(value) + 6 for key, value in texts.items()) - 2
    texts["protocol"] += " " * max(short, 0)
    return msgspec.json.encode(texts).decode()


def main() -> None:
    """Convert a log."""
    own, log, fields = map(Path, sys.argv[1:])
    with own.open() as lines, log.open("w") as out:
        for line in lines:
            out.write(json_line(line.rstrip("\n")) + "\n")
    fields.write_text(FIELDS)


if __name__ == "__main__":
    main()
