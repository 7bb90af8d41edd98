"""A detect process whose shared logs somebody has filled with invented keys: its memory, CPU and first batch.

    PYTHONPATH=src:. .venv/bin/python -m benchmarks.shared_log_flood

Each row is a process of its own with the real engine, store and boto3 client, as `detect` has them, at a
table (`shared_log_server`) of which the epoch that goes on and the one before it hold so many members, for
every timespan that the rules shelve. It evaluates batches of ordinary requests; the first one finds
everything to be read. Printed: what that cost, what a later batch costs, and the most memory that the process
had.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.lambda_cpu import cpu_share
from sessionwarden.detection.storage.shared_log_size import SMALLEST_MEMORY_MB, shared_log_limit_for

REQUESTS = 1_000
"""Of a batch: ten deliveries of a hundred."""
BATCHES = 5
ALMOST = 5_000
"""Members that a shared log which is almost full still takes: more than a batch brings."""

# a process in between, because a process starts with the largest size of the one that started it
LAUNCH = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"


class Measured(NamedTuple):
    """Of one process. CPU in seconds, of the client and the engine; sizes in bytes."""

    members: int
    base_mib: float
    peak_mib: float
    first_cpu: float
    first_calls: int
    first_bytes: int
    later_cpu: float
    later_calls: float
    failures: int


class Traffic:
    """Counts what a client asks and gets."""

    def __init__(self, client: Any) -> None:
        self.calls = 0
        self.bytes = 0
        client.meta.events.register("response-received.dynamodb", self._count)

    def _count(self, response_dict: dict[str, Any], **_: Any) -> None:
        self.calls += 1
        self.bytes += len(response_dict["body"])


@contextmanager
def server(members: int, limit: int, places: Sequence[tuple[int, int]]) -> Iterator[str]:
    """A table with these epochs full, for a while: its address."""
    shared_logs = [f"{timespan}:{epoch}" for timespan, epoch in places]
    command = [
        sys.executable,
        "-m",
        "benchmarks.shared_log_server",
        "--members",
        str(members),
        "--limit",
        str(limit),
        "--log",
        *shared_logs,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def measure(ruleset: Path, members: int, limit: int) -> Measured:
    """In this process: start as a function does, evaluate batches."""
    from functions.detect.handler import STORE_CALLS_AT_ONCE
    from sessionwarden.adapters.aws.clients import client
    from sessionwarden.adapters.dynamodb.shared_log import DynamoDBSharedLogStore
    from sessionwarden.adapters.dynamodb.windows import DynamoDBWindowStore
    from sessionwarden.detection.engine import Engine
    from sessionwarden.detection.storage.placement import is_in_shared_log
    from sessionwarden.detection.windows.plan import build_windows
    from sessionwarden.local.simulation.day import START_MS, ordinary
    from sessionwarden.ruleset.load import load_ruleset
    from sessionwarden.sources.access_log.block import parse_access_block

    rules = load_ruleset(ruleset.read_bytes())
    spans = sorted({window.timespan_ms for window in build_windows(rules) if is_in_shared_log(window)})
    places = [(span, START_MS // span + before) for span in spans for before in (-1, 0)]
    log = ordinary(lines=REQUESTS * (BATCHES + 1), per_second=50, seed=1)
    batches = []
    while lines := [one.text for one in itertools.islice(log, REQUESTS)]:
        batches.append(parse_access_block("\n".join(lines).encode(), now_ms=START_MS * 2) or [])
    with server(members, limit, places) as url, ThreadPoolExecutor(STORE_CALLS_AT_ONCE) as threads:
        dynamodb = client("dynamodb", endpoint_url=url)
        traffic = Traffic(dynamodb)
        engine = Engine(
            rules,
            DynamoDBWindowStore(dynamodb, "windows"),
            run=threads.map,
            shared_logs=DynamoDBSharedLogStore(dynamodb, "windows", shared_log_limit=limit),
        )
        base = peak_mib()
        used, calls, failures = [], [], 0
        first_bytes = 0
        for batch in batches:
            before = traffic.calls
            begin = time.process_time()
            outcome = engine.process(batch, now_ms=batch[-1].time)
            outcome.commit(outcome.findings)
            used.append(time.process_time() - begin)
            calls.append(traffic.calls - before)
            first_bytes = first_bytes or traffic.bytes
            failures += len(outcome.failures)
    later_calls = sum(calls[1:]) / BATCHES
    return Measured(
        members, base, peak_mib(), used[0], calls[0], first_bytes, min(used[1:]), later_calls, failures
    )


def peak_mib() -> float:
    """The most memory that this process has had."""
    per_mib = 1024 * 1024 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / per_mib


def measured_alone(rules: str, members: Sequence[int], limit: int) -> Iterator[Measured]:
    """Each in a process of its own."""
    from benchmarks.cost import compiled
    from benchmarks.measured_rules import TEN

    with tempfile.TemporaryDirectory(prefix="sessionwarden-bench-") as folder:
        path = Path(folder) / "ruleset.json"
        path.write_bytes(compiled(TEN if rules == "ten" else ()))
        for count in members:
            command = [sys.executable, "-m", "benchmarks.shared_log_flood", "--measure", str(path)]
            done = subprocess.run(
                [sys.executable, "-c", LAUNCH, *command, "--members", str(count), "--limit", str(limit)],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
                env={
                    **os.environ,
                    "AWS_ACCESS_KEY_ID": "test",
                    "AWS_SECRET_ACCESS_KEY": "test",
                    "AWS_DEFAULT_REGION": "us-east-1",
                    "POWERTOOLS_METRICS_NAMESPACE": "Sessionwarden",
                },
            )
            yield Measured(*json.loads(done.stdout))


def print_row(one: Measured, memory_mb: int) -> None:
    """One line of the table."""
    share = cpu_share(memory_mb)
    print(
        f"{one.members:>9,}{one.base_mib:>8.0f}{one.peak_mib:>7.0f}{one.first_calls:>8}"
        f"{one.first_bytes / 1e6:>8.1f}{one.first_cpu:>8.2f}{one.first_cpu / share:>10.1f}"
        f"{one.later_calls:>8.0f}{one.later_cpu:>8.2f}{one.later_cpu / share:>10.1f}{one.failures:>9}",
        flush=True,
    )


def main() -> None:
    """Print a table, one row for each number of members."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--members", type=int, nargs="+", help="of an epoch; none, 100,000, almost full and full if not said"
    )
    parser.add_argument("--memory", type=int, default=SMALLEST_MEMORY_MB, help="of the process, in MB")
    parser.add_argument("--rules", choices=["ten", "pack"], nargs="+", default=["ten", "pack"])
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--limit", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure, given.members[0], given.limit)))
        return
    limit = shared_log_limit_for(memory_mb=given.memory)
    members = given.members or [0, 100_000, limit - ALMOST, limit]
    print(
        f"Batches of {REQUESTS:,} requests; seconds of CPU here and of what Lambda gives {given.memory:,} MB."
    )
    for rules in given.rules:
        print(f"\n{rules} rules         MiB         first batch                        a later batch")
        print("  members    base   peak   calls      MB   CPU s  Lambda s   calls   CPU s  Lambda s   failed")
        for one in measured_alone(rules, members, limit):
            print_row(one, given.memory)


if __name__ == "__main__":
    main()
