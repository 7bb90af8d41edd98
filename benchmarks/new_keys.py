"""How many new keys ordinary traffic brings to a window in a minute, beside what a process admits.

    PYTHONPATH=src:. .venv/bin/python -m benchmarks.new_keys

Enters: honest people at a steady rate, in deliveries of 100 lines, dealt out in turn to processes that begin
with no memory. Leaves: for the window with the most, its new keys in the first minute of a process and in the
worst later one, as if no key had a place on a shared log. Deterministic; nothing is written, nothing is
timed.
"""

from __future__ import annotations

import argparse
import itertools
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from benchmarks.write_pattern import ten_rules
from sessionwarden.adapters.memory.windows import MemoryWindowStore
from sessionwarden.detection.engine import Engine
from sessionwarden.detection.storage.admission import MINUTE_MS, NEW_KEYS_PER_MINUTE
from sessionwarden.local.simulation.day import START_MS, Written, ordinary
from sessionwarden.sources.access_log.line import parse_access_line

DELIVERY = 100
MINUTES = 3


class Most(NamedTuple):
    """New keys of one window in one process, in its first minute and in the worst of the later ones."""

    first: int
    later: int


def most_new_keys(log: Iterable[Written], *, processes: int) -> Most:
    """Of all windows and processes, the most."""
    rules = ten_rules()
    engines = [Engine(rules, MemoryWindowStore()) for _ in range(processes)]
    new: Counter[tuple[int, int, int]] = Counter()
    lines = iter(log)
    for process, engine in itertools.cycle(enumerate(engines)):
        delivery = list(itertools.islice(lines, DELIVERY))
        if not delivery:
            break
        now_ms = delivery[-1].written_ms
        batch = engine.collect(
            [parse_access_line(one.text, now_ms=now_ms) for one in delivery], now_ms=now_ms
        )
        minute = (now_ms - START_MS) // MINUTE_MS
        for level, works in enumerate(batch.levels):
            new.update((minute, process, id(one.window)) for one in works if not one.known)
            batch.close(level)
    first = max(count for (minute, _, _), count in new.items() if minute == 0)
    return Most(first, max(count for (minute, _, _), count in new.items() if 0 < minute < MINUTES))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rates", type=int, nargs="+", default=[100, 1_000])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 3, 10])
    arguments = parser.parse_args()
    print(f"a process admits {2 * NEW_KEYS_PER_MINUTE:,} new keys of a window in its first minute,")
    print(f"{NEW_KEYS_PER_MINUTE:,} in later ones\n")
    print("| requests/s | processes | first minute | later |")
    print("| ---: | ---: | ---: | ---: |")
    for rate, processes in itertools.product(arguments.rates, arguments.processes):
        # the last visits end after the last minute that counts
        log = ordinary(lines=rate * 60 * (MINUTES + 1), per_second=rate, seed=1)
        most = most_new_keys(log, processes=processes)
        print(f"| {rate:,} | {processes} | {most.first:,} | {most.later:,} |")


if __name__ == "__main__":
    main()
