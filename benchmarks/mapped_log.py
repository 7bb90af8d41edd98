"""A log in Sessionwarden's own format written anew as mapped JSON, with the mapping that replay reads it by.

    .venv/bin/python benchmarks/mapped_log.py OWN_LOG MAPPED_LOG MAPPING

The members are those that API Gateway's console proposes, and some that nobody reads: about 600 bytes a line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from sessionwarden.sources.access_log.line import parse_access_line

FIELDS = {
    "id": "requestId",
    "source_ip": "ip",
    "api_id": "apiId",
    "stage": "stage",
    "route": "routeKey",
    "method": "httpMethod",
    "status": "status",
    "response_bytes": "responseLength",
    "latency_ms": "responseLatency",
    "user": "user",
    "session": "session",
    "token": "token",
    "client": "client",
    "pool": "pool",
    "path": "path",
    "user_agent": "userAgent",
}
TIME_KEY = "requestTimeEpoch"
IGNORED = {"protocol": "HTTP/1.1", "caller": "-", "domainName": "api.example.com", "integrationLatency": 12}
FAR_FUTURE_MS = 4_000_000_000_000

MAPPING = json.dumps({"fields": FIELDS, "time": {"key": TIME_KEY, "unit": "ms"}, "ignore": list(IGNORED)})
"""JSON is YAML."""


def mapped(lines: Iterable[str]) -> Iterator[str]:
    """Each line of our own format as one of mapped JSON. Raises `SourceError` for what is no such line."""
    for line in lines:
        event = parse_access_line(line.rstrip("\n"), now_ms=FAR_FUTURE_MS)
        members = {key: _text(getattr(event, field)) for field, key in FIELDS.items()}
        yield json.dumps(members | {TIME_KEY: event.time} | IGNORED, separators=(",", ":")) + "\n"


def _text(value: object) -> str:
    return "-" if value is None else str(value)


def main() -> None:
    """Write the mapped log and its mapping."""
    own, log, mapping = map(Path, sys.argv[1:])
    mapping.write_text(MAPPING + "\n", encoding="utf-8")
    with own.open(encoding="utf-8") as lines, log.open("w", encoding="utf-8") as file:
        file.writelines(mapped(lines))


if __name__ == "__main__":
    main()
