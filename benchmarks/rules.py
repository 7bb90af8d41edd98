"""What rules cost: to check and compile, to load, and to match with and without the index.

    .venv/bin/python benchmarks/rules.py

CPU time of this process, the best of some runs: what other work on the machine adds is not ours. All
figures come from one run, so their ratios can be compared even where the machine cannot.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sessionwarden.adapters.memory.windows import MemoryWindowStore
from sessionwarden.detection.engine import Engine
from sessionwarden.model.event import Event
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.compiler.compile import compile_rules, dump_ruleset
from sessionwarden.ruleset.load import load_ruleset
from sessionwarden.ruleset.matching.predicates import compile_expression
from sessionwarden.ruleset.matching.selection_index import SelectionIndex

EVENTS = 5000
BATCH = 1000

RESOURCES = [
    f"{name}{number}" for number in range(40) for name in ("orders", "users", "carts", "files", "keys")
]
AGENTS = ["Mozilla/5.0 (X11; Linux x86_64) Firefox/143.0", "okhttp/4.12", "Mozilla/5.0 (iPhone) Safari/604.1"]
SCANNERS = [
    "sqlmap",
    "nikto",
    "nuclei",
    "zgrab",
    "masscan",
    "dirbuster",
    "wpscan",
    "gobuster",
    "ffuf",
    "acunetix",
]
PAYLOADS = [
    "../../",
    "union select",
    "<script",
    "${jndi:",
    "/etc/passwd",
    ".git/",
    "cmd.exe",
    "wp-login",
    "%00",
]


def detection(number: int) -> str:
    """One of eight shapes of detection, told apart by `number`."""
    resource = RESOURCES[number % len(RESOURCES)]
    shapes = (
        f"sel: {{route: 'GET /{resource}/{{id}}', status: [401, 403, 404]}}",
        f"sel: {{method: POST, path|startswith: /api/{resource}/, status|gte: 400}}",
        f"sel: {{path|contains: [/{resource}/../, '{PAYLOADS[number % 9]}{number}'], status|lt: 400}}",
        f"sel: {{user_agent|contains: ['{SCANNERS[number % 10]}/{number}', '{resource}-bot']}}",
        f"sel: {{path|re: '/{resource}/[0-9]{{4,}}/(edit|delete){number}'}}",
        f"sel: {{path|endswith: ['.{resource}.bak', '/{number}.env'], status: 200}}",
        f"sel: {{query|contains|all: ['{PAYLOADS[number % 9]}', 'x{number}=']}}",
        f"sel: {{reason: 'denied_{number}', decision: deny}}",
    )
    innocent = "\n  filter_office: {source_ip|cidr: 10.0.0.0/8}\n  condition: sel and not 1 of filter_*"
    return shapes[number % 8] + innocent


def pair(number: int) -> str:
    """A detection with the correlation that counts it."""
    kind = "event_count" if number % 3 else "value_count"
    field = "" if number % 3 else ", field: path"
    return f"""\
title: Base {number}
name: base_{number}
status: test
description: What matters to rule {number}
tags: [attack.t1110, attack.credential-access]
logsource: {{category: api_access}}
detection:
  {detection(number)}
level: low
---
title: Many of {number}
id: 00000000-0000-4000-8000-{number:012}
status: test
description: Too much of it
references: [https://attack.mitre.org/techniques/T1110/]
author: benchmark
date: 2025-01-01
tags: [attack.t1110, attack.credential-access]
falsepositives: [A load test]
level: high
correlation:
  type: {kind}
  rules: [base_{number}]
  group-by: [{"user" if number % 2 else "source_ip"}]
  timespan: {number % 50 + 1}m
  condition: {{gte: {number % 90 + 5}{field}}}
"""


def write(folder: Path, pairs: int) -> None:
    """`pairs` rules, each in its own file."""
    for number in range(pairs):
        (folder / f"rule{number}.yml").write_text(pair(number))


def events(count: int) -> list[Event]:
    """Usual traffic over a handful of resources, with one request in fifty that is not."""
    made = random.Random(1)
    found = []
    for number in range(count):
        resource = RESOURCES[made.randrange(12)]
        path = f"/api/{resource}/{made.randrange(5000)}"
        if made.random() < 0.02:
            path = f"/{resource}/..%2f{made.choice(PAYLOADS)}{made.randrange(1000)}"
        found.append(
            Event(
                id=f"id-{number}",
                time=1_790_000_000_000 + number * 20,
                source="api_access",
                route=f"GET /{resource}/{{id}}",
                method=made.choice(("GET", "GET", "GET", "POST")),
                path=path,
                status=made.choices((200, 201, 304, 401, 404, 500), (80, 5, 5, 4, 5, 1))[0],
                user=f"user-{made.randrange(800)}",
                source_ip=f"198.51.100.{made.randrange(250)}",
                user_agent=made.choice(AGENTS),
                response_bytes=made.randrange(20_000),
            )
        )
    return found


def seconds(work: Callable[[], object], repeat: int) -> float:
    """The least CPU time of `work`."""
    best = float("inf")
    for _ in range(repeat):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def match_row(ruleset: CompiledRuleset, happened: Sequence[Event], repeat: int) -> dict[str, float]:
    """Microseconds per event of each way to find what matches."""
    expressions = [selection.expression for rule in ruleset.rules for selection in rule.selections]
    predicates = [compile_expression(expression) for expression in expressions]
    index = SelectionIndex(expressions)
    batches = [happened[start : start + BATCH] for start in range(0, len(happened), BATCH)]
    found: dict[str, int] = {}

    def one_by_one() -> None:
        found["all"] = sum(matches(event) for event in happened for matches in predicates)

    def indexed() -> None:
        found["index"] = sum(
            predicates[number](event) for event in happened for number in index.candidates(event)
        )

    engine, now_ms = Engine(ruleset, MemoryWindowStore()), happened[-1].time

    def in_engine() -> None:
        for batch in batches:
            engine.collect(batch, now_ms=now_ms)

    works = {"all": one_by_one, "index": indexed, "engine": in_engine}
    row = {name: seconds(work, repeat) / len(happened) * 1e6 for name, work in works.items()}
    assert len(set(found.values())) == 1, found
    row["candidates"] = sum(len(index.candidates(event)) for event in happened) / len(happened)
    return row


def main() -> None:
    """Print what each step costs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=250, help="detections with their correlations")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each; the best counts")
    arguments = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, CPU time, best of {arguments.repeat}")
    with tempfile.TemporaryDirectory(prefix="sessionwarden-bench-") as name:
        folder = Path(name)
        write(folder, arguments.pairs)
        compile_seconds = seconds(lambda: compile_rules([folder]), arguments.repeat)
        print(f"check and compile {2 * arguments.pairs} documents: {compile_seconds:.2f} s")
    with tempfile.TemporaryDirectory(prefix="sessionwarden-bench-") as name:
        folder = Path(name)
        write(folder, 1000)
        ruleset = compile_rules([folder])
    for count in (2 * arguments.pairs,):
        data = dump_ruleset(first(ruleset, count))
        load = seconds(lambda data=data: load_ruleset(data), 5 * arguments.repeat)  # type: ignore[misc]
        print(f"load {count} compiled rules, {len(data):,} bytes: {load * 1000:.1f} ms")
    happened = events(EVENTS)
    ways = ("all", "index", "engine")
    headings = "".join(f"{heading:>10}" for heading in ("each", "indexed", "engine"))
    print(f"\nµs per event{headings}   candidates per event")
    for count in (10, 100, 1000):
        row = match_row(first(ruleset, count), happened, arguments.repeat)
        costs = "".join(f"{row[name]:>10.2f}" for name in ways)
        print(f"{count:>5} rules  {costs}{row['candidates']:>13.2f}")


def first(ruleset: CompiledRuleset, count: int) -> CompiledRuleset:
    """The same rule set with its first rules only."""
    data = CompiledRuleset(digest="", rules=ruleset.rules[:count])
    return with_digest(data)


def with_digest(ruleset: CompiledRuleset) -> CompiledRuleset:
    """A rule set that says what it holds."""
    from msgspec.structs import replace

    from sessionwarden.ruleset.load import digest_of

    return replace(ruleset, digest=digest_of(ruleset))


if __name__ == "__main__":
    main()
