"""What each part is asked for at 100 to 100,000 requests a second, beside what it is given.

    PYTHONPATH=src:. .venv/bin/python -m benchmarks.scale

Enters: figures that other benchmarks of this folder print, defaults of the stack, and quotas of AWS. Leaves:
the table of docs/explanation/scale.md and two of benchmarks/RESULTS.md, which a test holds equal to these.
It measures nothing itself. Quotas are defaults of us-east-1; those of other Regions can be far lower.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.lambda_cpu import cpu_share
from sessionwarden.denylist.broad import MAX_AGE_SECONDS
from sessionwarden.detection.storage.shared_log_size import shared_log_limit_for
from stacks.settings import DEFAULT_AUTHORIZER_CONCURRENCY, DEFAULT_DETECT_MEMORY_MB, MAX_DETECT_MEMORY_MB
from stacks.targets import PROFILES

RATES = (100, 1_000, 10_000, 100_000)
"""Guarded requests a second."""

LOG_GROUPS = 2
"""Each request is a line of the access log and a decision line."""


class Cost(NamedTuple):
    """Of one request, as `benchmarks/cost.py --rules ten` prints it for a size of delivery."""

    delivery: int
    write_units: float
    read_units: float
    calls: float
    ingest_cpu_ms: float
    detect_cpu_ms: float


# --requests 20000 --wait-seconds 1 --batch-size 10 --delivery 100 1000
SMALL_DELIVERIES = Cost(100, 2.32, 2.31, 4.63, 0.042, 0.396)
LARGE_DELIVERIES = Cost(1_000, 1.29, 1.27, 2.57, 0.030, 0.276)
CPU_SHARE = cpu_share(512)
CALL_MS = 5.0
CALLS_AT_ONCE = 10
"""Assumed: how long DynamoDB takes. In the code: how many calls detect has open."""

REQUESTS_OF_AN_ENVIRONMENT = 10
"""A second, at most, however short: docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""


SHARED_LOG_EPOCH_SECONDS = 600
MEMBERS_OF_A_REQUEST = {"ten rules": 35_000 / 30_000, "whole pack": 57_000 / 30_000}
"""In the ten-minute epochs of shared logs, by `cost.py` at 50 requests a second; those of an hour get
fewer."""
MEMORY_MB = (DEFAULT_DETECT_MEMORY_MB, 1_024, MAX_DETECT_MEMORY_MB)


class Part(NamedTuple):
    """`need` is by requests a second; `limit` what the stack deploys or AWS allows; `knob` what raises it."""

    name: str
    need: Callable[[int], float]
    limit: float
    knob: str


def cost_at(rate: int) -> Cost:
    """Deliveries of CloudWatch Logs are assumed to grow with traffic."""
    return SMALL_DELIVERIES if rate < 1_000 else LARGE_DELIVERIES


def authorizers(rate: int) -> float:
    """Environments, by the quota of requests for each: a decision itself is shorter than 100 ms."""
    return rate / REQUESTS_OF_AN_ENVIRONMENT


def ingesting(rate: int) -> float:
    """Invocations at a time."""
    cost = cost_at(rate)
    delivery_ms = CALL_MS / cost.delivery
    return LOG_GROUPS * rate * (cost.ingest_cpu_ms / CPU_SHARE + delivery_ms) / 1000


def detecting(rate: int) -> float:
    """Invocations at a time."""
    cost = cost_at(rate)
    return rate * (cost.detect_cpu_ms / CPU_SHARE + cost.calls * CALL_MS / CALLS_AT_ONCE) / 1000


def packs(rate: int) -> float:
    """A second: deliveries, each in one entry of the bus (of 200 KB) or a little more."""
    return LOG_GROUPS * rate / cost_at(rate).delivery


DETECT_CONCURRENCY = PROFILES["aws"].detect_max_concurrency
FUNCTIONS = 1_000

PARTS = (
    Part("API Gateway, requests/s", lambda rate: rate, 10_000, "quota of the account"),
    Part(
        "authorizer, environments",
        authorizers,
        DEFAULT_AUTHORIZER_CONCURRENCY,
        "`authorizer_concurrency`, then Lambda's quota",
    ),
    Part(
        "all functions, environments",
        lambda rate: authorizers(rate) + ingesting(rate) + min(detecting(rate), DETECT_CONCURRENCY),
        FUNCTIONS,
        "quota of the account",
    ),
    Part("denylist, reads/s", lambda rate: rate, 40_000, "quota of the table"),
    Part(
        "denied clients and networks, reads/s of one key",
        lambda rate: authorizers(rate) / MAX_AGE_SECONDS,
        3_000,
        "none: few entries, so that a read stays one unit",
    ),
    Part("ingest, at a time", ingesting, FUNCTIONS, "memory of the function"),
    Part("EventBridge, PutEvents/s", packs, 10_000, "quota of the account"),
    Part("EventBridge, deliveries/s", packs, 18_750, "quota of the account"),
    Part("events queue, messages in flight", lambda rate: 2 * packs(rate), 120_000, "quota of the queue"),
    Part(
        "detect, at a time",
        detecting,
        DETECT_CONCURRENCY,
        "`detect_max_concurrency` in `stacks/targets.py`, up to 1,000",
    ),
    Part(
        "windows, write units/s",
        lambda rate: rate * cost_at(rate).write_units,
        40_000,
        "longer batches; quota of the table",
    ),
    Part(
        "windows, read units/s",
        lambda rate: rate * cost_at(rate).read_units,
        40_000,
        "longer batches; quota of the table",
    ),
)


def carries(part: Part) -> float:
    """The requests a second at which a part's limit is reached, if it goes on as at the largest rate."""
    return part.limit / part.need(RATES[-1]) * RATES[-1]


def first_to_saturate(rate: int) -> Part:
    """The part that is nearest to its limit, or furthest beyond it."""
    return max(PARTS, key=lambda part: part.need(rate) / part.limit)


def table(parts: Sequence[Part] = PARTS) -> str:
    """Markdown: what is needed at each rate, bold where it is more than is given."""
    heads = [f"{rate:,}/s" for rate in RATES]
    lines = [
        f"| | given | {' | '.join(heads)} | what raises it |",
        f"| --- | ---: | {' | '.join('---:' for _ in RATES)} | --- |",
    ]
    for part in parts:
        needs = [_shown(part.need(rate), part.limit) for rate in RATES]
        lines.append(f"| {part.name} | {part.limit:,.0f} | {' | '.join(needs)} | {part.knob} |")
    first = [first_to_saturate(rate) for rate in RATES]
    used = [
        f"{part.name}: {part.need(rate) / part.limit:.0%}" for part, rate in zip(first, RATES, strict=True)
    ]
    lines.append(f"| nearest to its limit | | {' | '.join(used)} | |")
    return "\n".join(lines)


def _shown(need: float, limit: float) -> str:
    text = f"{need:,.0f}" if need >= 10 else f"{need:.2g}"
    return f"**{text}**" if need > limit else text


def order() -> str:
    """Markdown: which limit is met first as traffic grows."""
    parts = sorted(PARTS, key=carries)
    lines = ["| at requests/s | is reached by |", "| ---: | --- |"]
    lines += [f"| {carries(part):,.0f} | {part.name} |" for part in parts]
    return "\n".join(lines)


def fills_at(memory_mb: int, rules: str) -> int:
    """The requests a second, in tens, that fill the shared logs of such processes before an epoch ends."""
    rate = shared_log_limit_for(memory_mb=memory_mb) / MEMBERS_OF_A_REQUEST[rules] / SHARED_LOG_EPOCH_SECONDS
    return int(rate / 10) * 10


def memory() -> str:
    """Markdown: up to which rate shared logs of which processes have room."""
    heads = [f"{rules}, requests/s" for rules in MEMBERS_OF_A_REQUEST]
    lines = [
        f"| `detect_memory_mb` | members of an epoch | {' | '.join(heads)} |",
        "| ---: | ---: | ---: | ---: |",
    ]
    for size in MEMORY_MB:
        rates = [f"{fills_at(size, rules):,}" for rules in MEMBERS_OF_A_REQUEST]
        lines.append(f"| {size:,} | {shared_log_limit_for(memory_mb=size):,} | {' | '.join(rates)} |")
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    print(table())
    print()
    print(order())
    print()
    print(memory())


if __name__ == "__main__":
    main()
