"""What watching costs, in USD per million requests: ordinary traffic through the real handlers, priced.

    PYTHONPATH=src:. .venv/bin/python -m benchmarks.cost --requests 1000000

Enters: honest people at a steady rate, as lines in deliveries of CloudWatch Logs. They go through ingest's
handler, a queue with `--pollers` receivers that each wait `--wait-seconds` for a fuller batch, and detect's
handler over the real window store; `cost_meter` counts what AWS would bill, `prices.toml` prices it. What is
assumed and not measured is printed with the figures. Figures: benchmarks/RESULTS.md.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import gzip
import io
import itertools
import json
import os
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "Sessionwarden")
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "cost")
os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "WARNING")

from benchmarks.cost_meter import KB, Bill, MeteredBus, MeteredQueue, MeteredTable
from benchmarks.lambda_cpu import cpu_share
from benchmarks.measured_rules import FIVE, TEN
from functions.detect import handler as detect
from functions.detect.detector import Detector
from functions.detect.live_rules import LiveRules, NothingToPoll
from functions.ingest import handler as ingest
from functions.ingest.settings import Settings
from sessionwarden.adapters.aws.eventbridge import EventBridgePublisher
from sessionwarden.adapters.aws.sqs_findings import SQSFindingSink
from sessionwarden.adapters.dynamodb.shared_log import DynamoDBSharedLogStore
from sessionwarden.adapters.dynamodb.windows import DynamoDBWindowStore
from sessionwarden.detection.engine import Engine
from sessionwarden.detection.storage.shared_log_size import SMALLEST_MEMORY_MB, shared_log_limit_for
from sessionwarden.local.simulation.day import Written, ordinary
from sessionwarden.ruleset.compiler.compile import compile_rules, dump_ruleset

ROOT = Path(__file__).resolve().parents[1]
INGEST_MEMORY_MB = 512
CALL_SECONDS = 0.005
CALLS_AT_ONCE = 10
REPORT_BYTES = 350
"""Of START, END and REPORT, which Lambda logs for each invocation."""
BATCH_BYTES = 6 * KB * KB
"""What Lambda takes as one event: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""
ENVELOPE = {
    "version": "0",
    "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
    "detail-type": "Events",
    "source": "sessionwarden.ingest",
    "account": "123456789012",
    "time": "2026-01-01T00:00:00Z",
    "region": "us-east-1",
    "resources": [],
}
PROGRESS = 50_000
"""Requests between two lines that say how far it is, and what these cost: as shared logs fill, they cost
more."""
LOG_GROUP = "/access/http"
CONTEXT: Any = SimpleNamespace(
    function_name="cost", memory_limit_in_mb=512, invoked_function_arn="arn", aws_request_id="request"
)


class Setting(NamedTuple):
    """One way to run the pipeline. `delivery` is the lines that CloudWatch Logs sends at once.

    `memory_mb` is that of detect's processes.
    """

    requests: int
    per_second: float
    delivery: int
    pollers: int
    wait_seconds: float
    batch_size: int
    memory_mb: int


class Pipeline:
    """Ingest, the queue and detect, with one process for each poller."""

    def __init__(self, bill: Bill, rules: bytes, setting: Setting) -> None:
        self._bill = bill
        self._setting = setting
        self._bus = MeteredBus(bill)
        self._now_ms = 0
        self.cpu_seconds = {"ingest": 0.0, "detect": 0.0}
        self.log_bytes = 0
        publisher = EventBridgePublisher(
            bus="bus", source="sessionwarden.ingest", client=self._typed(self._bus)
        )
        settings = Settings.from_environment(
            {"SESSIONWARDEN_BUS": "bus", "SESSIONWARDEN_LOG_GROUPS": json.dumps({LOG_GROUP: "http_api"})}
        )
        vars(ingest).update(publisher=lambda: publisher, settings=lambda: settings)
        table = MeteredTable(bill)
        self._detectors = [self._detector(table, rules) for _ in range(setting.pollers)]
        self._waiting: list[list[str]] = [[] for _ in range(setting.pollers)]
        self._since_ms = [0] * setting.pollers
        self._turn = itertools.cycle(range(setting.pollers))

    @staticmethod
    def _typed(client: Any) -> Any:
        return client

    def _detector(self, table: MeteredTable, rules: bytes) -> Detector:
        store = DynamoDBWindowStore(self._typed(table), "windows")
        limit = shared_log_limit_for(memory_mb=self._setting.memory_mb)
        shared_logs = DynamoDBSharedLogStore(self._typed(table), "windows", shared_log_limit=limit)
        return Detector(
            rules=LiveRules(
                published=NothingToPoll(),
                shipped=lambda: rules,
                build=lambda ruleset: Engine(ruleset, store, shared_logs=shared_logs),
            ),
            sink=SQSFindingSink(self._typed(MeteredQueue(self._bill)), "queue"),
            bus=EventBridgePublisher(
                bus="bus", source="sessionwarden.detect", client=self._typed(MeteredBus(self._bill))
            ),
            clock=lambda: self._now_ms,
        )

    def deliver(self, lines: Sequence[Written]) -> None:
        """One delivery of CloudWatch Logs, and whatever batches are due by then."""
        self._now_ms = lines[-1].written_ms
        events = [
            {"id": str(n), "timestamp": one.written_ms, "message": one.text} for n, one in enumerate(lines)
        ]
        payload = {"messageType": "DATA_MESSAGE", "logGroup": LOG_GROUP, "logEvents": events}
        data = base64.b64encode(gzip.compress(json.dumps(payload).encode(), 1)).decode()
        self._invoke("ingest", lambda: ingest.lambda_handler({"awslogs": {"data": data}}, CONTEXT))
        for detail in self._bus.delivered:
            self._send(json.dumps(ENVELOPE)[:-1] + ', "detail": ' + detail + "}")
        self._bus.delivered.clear()
        self._run_due()

    def _send(self, body: str) -> None:
        self._bill.payload("sqs_request", len(body.encode()))
        poller = next(self._turn)
        waiting = self._waiting[poller]
        if waiting and sum(map(len, waiting)) + len(body) > BATCH_BYTES:
            self._detect(poller)
        if not waiting:
            self._since_ms[poller] = self._now_ms
        waiting.append(body)
        if len(waiting) == self._setting.batch_size:
            self._detect(poller)

    def _run_due(self) -> None:
        for poller, waiting in enumerate(self._waiting):
            if waiting and self._now_ms - self._since_ms[poller] >= self._setting.wait_seconds * 1000:
                self._detect(poller)

    def finish(self) -> None:
        """What still waits."""
        for poller, waiting in enumerate(self._waiting):
            if waiting:
                self._detect(poller)

    def _detect(self, poller: int) -> None:
        bodies = [*self._waiting[poller]]
        self._waiting[poller].clear()
        for start in range(0, len(bodies), 10):
            self._bill.payload("sqs_request", sum(len(body.encode()) for body in bodies[start : start + 10]))
            self._bill.payload("sqs_request", 0)
        records = [
            {"messageId": str(n), "body": body, "eventSource": "aws:sqs"} for n, body in enumerate(bodies)
        ]
        vars(detect)["detector"] = lambda: self._detectors[poller]
        answer = self._invoke("detect", lambda: detect.lambda_handler({"Records": records}, CONTEXT))
        if answer != {"batchItemFailures": []}:
            raise SystemExit(f"detect failed: {answer}")

    def _invoke(self, name: str, call: Callable[[], Any]) -> Any:
        printed = io.StringIO()
        begin = time.process_time()
        with contextlib.redirect_stdout(printed):
            answer = call()
        self.cpu_seconds[name] += time.process_time() - begin
        self._bill.units["lambda_request"] += 1
        self._bill.calls[f"Invoke {name}"] += 1
        self.log_bytes += len(printed.getvalue()) + REPORT_BYTES
        return answer


def measure(rules: bytes, setting: Setting) -> tuple[Bill, Pipeline]:
    """Send all requests through."""
    bill = Bill()
    pipeline = Pipeline(bill, rules, setting)
    prices = tomllib.loads((ROOT / "benchmarks/prices.toml").read_text())
    sent, told, told_usd = 0, 0, 0.0
    for lines in deliveries(setting):
        pipeline.deliver(lines)
        sent += len(lines)
        if sent - told >= PROGRESS:
            usd = sum(priced(bill, pipeline, setting, prices).values())
            lately = (usd - told_usd) / (sent - told) * 1e6
            print(f"{sent:,} of {setting.requests:,} requests; {lately:.3f} USD a million", file=sys.stderr)
            told, told_usd = sent, usd
    pipeline.finish()
    return bill, pipeline


def deliveries(setting: Setting) -> Iterator[Sequence[Written]]:
    """The log, cut as CloudWatch Logs might."""
    log = ordinary(lines=setting.requests, per_second=setting.per_second, seed=1)
    while lines := list(itertools.islice(log, setting.delivery)):
        yield lines


def priced(
    bill: Bill, pipeline: Pipeline, setting: Setting, prices: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    """USD by service, for all requests together."""
    usd = {name: count * prices["per_million"][name] / 1e6 for name, count in bill.units.items()}
    usd["lambda_gb_second"] = gb_seconds(bill, pipeline, setting) * prices["each"]["lambda_gb_second"]
    usd["logs_gb"] = pipeline.log_bytes / 1e9 * prices["each"]["logs_gb"]
    return usd


def gb_seconds(bill: Bill, pipeline: Pipeline, setting: Setting) -> float:
    """Of both functions: the time that they compute, and the time that they wait for others."""
    calls = {
        "ingest": bill.calls["PutEvents"],
        "detect": sum(bill.calls[name] for name in ("UpdateItem", "PutItem", "Query")),
    }
    memory = {"ingest": INGEST_MEMORY_MB, "detect": setting.memory_mb}
    return sum(
        memory[name] / 1024 * (used / cpu_share(memory[name]) + calls[name] / CALLS_AT_ONCE * CALL_SECONDS)
        for name, used in pipeline.cpu_seconds.items()
    )


def print_bill(title: str, setting: Setting, bill: Bill, pipeline: Pipeline) -> None:
    """One row for each service, per million requests."""
    prices = tomllib.loads((ROOT / "benchmarks/prices.toml").read_text())
    usd = priced(bill, pipeline, setting, prices)
    per_million = 1e6 / setting.requests
    print(
        f"\n{title}: {setting.requests:,} requests at {setting.per_second:g}/s,"
        f" deliveries of {setting.delivery}, {setting.pollers} pollers,"
        f" {setting.wait_seconds:g} s or {setting.batch_size} messages a batch, {setting.memory_mb:,} MB"
    )
    for name, cost in sorted(usd.items()):
        print(f"  {name:<20}{bill.units[name] * per_million:>14,.0f}{cost * per_million:>10.4f}")
    print(f"  {'sum, USD':<20}{'':>14}{sum(usd.values()) * per_million:>10.4f}")
    counted = ", ".join(f"{name} {count * per_million:,.0f}" for name, count in sorted(bill.calls.items()))
    print(f"  calls: {counted}")
    cpu = {name: used / setting.requests * 1e6 for name, used in pipeline.cpu_seconds.items()}
    print(
        f"  CPU here: ingest {cpu['ingest']:.0f}, detect {cpu['detect']:.0f} µs a request, stand-ins included"
    )


def print_beside(setting: Setting) -> None:
    """What is paid before the log group, or besides: the log itself, the authorizer, its read."""
    prices = tomllib.loads((ROOT / "benchmarks/prices.toml").read_text())
    each, million = prices["each"], prices["per_million"]
    lines = itertools.islice(ordinary(lines=1_000, per_second=setting.per_second, seed=1), 1_000)
    size = sum(len(one.text.encode()) for one in lines) / 1_000
    # 26 bytes for each event, as CloudWatch Logs counts them
    print(f"\nBeside it, per million requests (access-log lines of {size:.0f} bytes on average):")
    print(f"  access log ingestion     {(size + 26) * each['logs_gb'] / 1e3:.3f}")
    print(f"  authorizer, invocations  {million['lambda_request']:.3f}")
    duration = 1e6 * 0.010 * 0.5 * each["lambda_gb_second"]
    print(f"  authorizer, 10 ms of 512 MB assumed  {duration:.3f}")
    print(f"  authorizer, one strong read  {million['dynamodb_read']:.3f}")
    print(f"  authorizer, decision line of 700 bytes and REPORT assumed  {1_050 * each['logs_gb'] / 1e3:.3f}")


def compiled(names: Sequence[str]) -> bytes:
    """The named rules of the pack, or all of it."""
    paths = [ROOT / "rules" / f"{name}.yml" for name in names] or [ROOT / "rules"]
    return dump_ruleset(compile_rules(paths, ROOT / "rules" / "policy.yml"))


def main() -> None:
    """Send the traffic through for each set of rules and size of delivery; print the bills."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=60_000)
    parser.add_argument("--per-second", type=float, default=50)
    parser.add_argument("--delivery", type=int, nargs="+", default=[100, 1_000])
    parser.add_argument("--pollers", type=int, default=5)
    parser.add_argument("--wait-seconds", type=float, default=1)
    parser.add_argument("--batch-size", type=int, default=10)
    parser.add_argument("--memory", type=int, default=SMALLEST_MEMORY_MB, help="of detect, in MB")
    parser.add_argument(
        "--rules", choices=["five", "ten", "pack"], nargs="+", default=["five", "ten", "pack"]
    )
    given = parser.parse_args()
    sets = {"five": FIVE, "ten": TEN, "pack": ()}
    for name in given.rules:
        for delivery in given.delivery:
            setting = Setting(
                given.requests,
                given.per_second,
                delivery,
                given.pollers,
                given.wait_seconds,
                given.batch_size,
                given.memory,
            )
            print_bill(f"{name} rules", setting, *measure(compiled(sets[name]), setting))
    print("\nTen rules: " + ", ".join(TEN))
    print_beside(setting)
    print(
        f"\nAssumed: functions of 512 MB get {cpu_share(512):.2f} of a processor as fast as this one, of"
        f" {given.memory:,} MB {cpu_share(given.memory):.2f}; a call takes"
        f" {CALL_SECONDS * 1000:g} ms and {CALLS_AT_ONCE} run at once. Empty polls of the queue are left out:"
        " they cost about 0.26 USD a month for 5 pollers, whatever the traffic."
    )


if __name__ == "__main__":
    main()
