"""CPU time per record of opening a CloudWatch Logs delivery and of reading its lines.

    .venv/bin/python benchmarks/ingest.py --records 5000

The delivery is made of simulated access-log lines, packed as CloudWatch Logs does: JSON in gzip in base64.
Its steps stand beside the whole, so that a change shows where it counts.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import gzip
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from functions.ingest.records import read_records
from sessionwarden.cli.simulate import simulate
from sessionwarden.sources.cloudwatch import open_payload

GZIP = 16 + zlib.MAX_WBITS
AHEAD_MS = 2**42


def main() -> None:
    """Make a delivery, take it apart, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=5_000)
    parser.add_argument("--repeat", type=int, default=20, help="runs of each; the best counts")
    arguments = parser.parse_args()
    payload = msgspec.json.encode(delivery(simulated_lines(arguments.records)))
    compressed = gzip.compress(payload)
    event = {"awslogs": {"data": base64.b64encode(compressed).decode()}}
    records = open_payload(event).records
    steps: dict[str, Callable[[], object]] = {
        "base64": lambda: binascii.a2b_base64(event["awslogs"]["data"]),
        "gzip": lambda: zlib.decompress(compressed, GZIP),
        "open_payload, whole": lambda: open_payload(event),
        "lines to events": lambda: read_records(records, "http_api", now_ms=AHEAD_MS),
    }
    print(f"{len(records):,} records, {len(payload):,} bytes of JSON, {len(compressed):,} of gzip")
    for name, step in steps.items():
        best = min(cpu_seconds(step) for _ in range(arguments.repeat))
        print(f"{name:<22}{best / len(records) * 1e6:>8.2f} µs / record")


def simulated_lines(count: int) -> list[str]:
    """The first lines of a simulated day."""
    with tempfile.TemporaryDirectory(prefix="sessionwarden-bench-") as folder:
        log = Path(folder) / "access.log"
        lines = str(max(count, 5_000))
        simulate.main(["--lines", lines, "--seed", "1", "--out", str(log)], standalone_mode=False)
        return log.read_text().splitlines()[:count]


def delivery(lines: list[str]) -> dict[str, Any]:
    """What a subscription filter sends."""
    events = [
        {"id": f"{number:056}", "timestamp": 1_759_708_801_348, "message": line}
        for number, line in enumerate(lines)
    ]
    return {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": "access",
        "logStream": "stream",
        "subscriptionFilters": ["sessionwarden"],
        "logEvents": events,
    }


def cpu_seconds(step: Callable[[], object]) -> float:
    """CPU time of one run."""
    started = time.process_time()
    step()
    return time.process_time() - started


if __name__ == "__main__":
    main()
