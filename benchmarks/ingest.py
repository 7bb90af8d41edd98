"""CPU time per record of opening a CloudWatch Logs delivery and of reading its lines.

    .venv/bin/python benchmarks/ingest.py --records 5000

The delivery is made of simulated access-log lines, packed as CloudWatch Logs does: JSON in gzip in base64.
Its steps stand beside the whole, so that a change shows where it counts. All are run in turn, so that other
work on the machine befalls each alike, and the last column says how often `gzip.decompress` would fit in.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import gzip
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import msgspec

from functions.ingest.records import read_records
from sessionwarden.local.simulation.day import MIN_LINES, simulate
from sessionwarden.sources.cloudwatch import LogRecord, open_payload

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
    # one that is not plainly ours, at the end: then each line is read for itself
    odd = (*records, LogRecord(id="odd", message="not a line of ours"))
    steps: dict[str, Callable[[], object]] = {
        "gzip.decompress": lambda: gzip.decompress(compressed),
        "base64": lambda: binascii.a2b_base64(event["awslogs"]["data"]),
        "open_payload, whole": lambda: open_payload(event),
        "lines to events": lambda: read_records(records, "http_api", now_ms=AHEAD_MS),
        "the same, one is odd": lambda: read_records(odd, "http_api", now_ms=AHEAD_MS),
    }
    best = dict.fromkeys(steps, float("inf"))
    for _ in range(arguments.repeat):
        for name, step in steps.items():
            best[name] = min(best[name], cpu_seconds(step))
    print(f"{len(records):,} records, {len(payload):,} bytes of JSON, {len(compressed):,} of gzip")
    for name, seconds in best.items():
        ratio = seconds / best["gzip.decompress"]
        print(f"{name:<22}{seconds / len(records) * 1e6:>8.2f} µs / record{ratio:>8.2f}")


def simulated_lines(count: int) -> list[str]:
    """The first lines of a simulated day."""
    return list(islice(simulate(lines=max(count, MIN_LINES), seed=1).lines, count))


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
