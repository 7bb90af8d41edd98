"""Events per CPU second, and memory, of `sessionwarden replay` with ten rules over a simulated log.

    .venv/bin/python benchmarks/replay.py --lines 1000000

Each run is a process of its own; CPU is its user plus system time and that of the processes it starts,
start-up and imports included. Beside the replay of a file stand that by two processes, that of a pipe, which
makes an event of every line, the first of a file's two readings alone, and making events alone. They take
turns; of each the run counts that cost least CPU.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
PROGRAM = (sys.executable, "-c", "from sessionwarden.cli.main import main; main()")

PARSE_ONLY = """
import sys, time
from sessionwarden.replay.log_files import read_blocks
from sessionwarden.replay.log_lines import LineReader, own_formats, own_formats_at_once
now = time.time_ns() // 1_000_000
reader = LineReader(own_formats(now), print, parse_batch=own_formats_at_once(now))
for _, block in read_blocks(sys.argv[1]):
    reader.read(block, file="", first_line=1)
"""

FIRST_READING = """
import sys, time
from pathlib import Path
from sessionwarden.replay.columnar.first_pass import Looker, Place
from sessionwarden.replay.log_files import WHOLE
from sessionwarden.ruleset.compiler.compile import compile_rules
looker = Looker(compile_rules([Path(sys.argv[2])]), secret=1, now_ms=time.time_ns() // 1_000_000)
for look in looker.look(Place(0, sys.argv[1], WHOLE)):
    pass
"""

# a process in between, because RUSAGE_CHILDREN keeps the largest child it has ever seen
MEASURE = """
import resource, subprocess, sys, time
began = time.monotonic()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, time.monotonic() - began)
"""


class Run(NamedTuple):
    """What one process cost."""

    cpu_seconds: float
    peak_mib: float
    seconds: float


def measure(*command: str | Path) -> Run:
    """Run `command` and return its own CPU time, peak resident size (of its largest process) and time."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, command)], check=True, capture_output=True, text=True
    )
    cpu, peak, seconds = done.stdout.split()
    per_mib = 1024 * 1024 if sys.platform == "darwin" else 1024
    return Run(float(cpu), float(peak) / per_mib, float(seconds))


def main() -> None:
    """Simulate a log, replay it, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--repeat", type=int, default=3, help="turns; of each the best run counts")
    parser.add_argument("--rules", type=Path, default=HERE / "rules")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="sessionwarden-bench-"))
    try:
        log = folder / "access.log"
        measure(*PROGRAM, "simulate", "--lines", str(arguments.lines), "--seed", "1", "--out", log)
        replay = (*PROGRAM, "replay", "--rules", arguments.rules, "--output", "json")
        commands: dict[str, tuple[str | Path, ...]] = {
            "replay": (*replay, log),
            "replay --jobs 2": (*replay, "--jobs", "2", log),
            "replay of a pipe": ("sh", "-c", 'cat "$0" | "$@"', log, *replay),
            "first reading": (sys.executable, "-c", FIRST_READING, log, arguments.rules),
            "events alone": (sys.executable, "-c", PARSE_ONLY, log),
        }
        turns = [
            {name: measure(*command) for name, command in commands.items()} for _ in range(arguments.repeat)
        ]
        print_table({name: min(turn[name] for turn in turns) for name in commands}, arguments.lines)
    finally:
        shutil.rmtree(folder)


def print_table(rows: dict[str, Run], lines: int) -> None:
    """One row per kind of run."""
    print(f"{lines:,} lines, Python {sys.version.split()[0]}")
    print(f"{'':<18}{'CPU s':>8}{'events / CPU s':>16}{'µs / event':>12}{'peak MiB':>10}{'seconds':>9}")
    for name, run in rows.items():
        rate, each = lines / run.cpu_seconds, run.cpu_seconds / lines * 1e6
        print(
            f"{name:<18}{run.cpu_seconds:>8.2f}{rate:>16,.0f}{each:>12.2f}{run.peak_mib:>10.0f}"
            f"{run.seconds:>9.1f}"
        )


if __name__ == "__main__":
    main()
