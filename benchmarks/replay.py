"""Events per CPU second, and memory, of `sessionwarden replay` with ten rules over a simulated log.

    .venv/bin/python benchmarks/replay.py --lines 300000

Each run is a process of its own; CPU is its user plus system time and that of the processes it starts,
start-up and imports included. The yardstick is a plain loop over the same log as JSON lines. All ways take
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

# a process in between, because RUSAGE_CHILDREN keeps the largest child it has ever seen
MEASURE = """
import resource, subprocess, sys, time
began = time.monotonic()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, time.monotonic() - began)
"""


class Run(NamedTuple):
    """What one way cost."""

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


def commands(folder: Path, rules: Path) -> dict[str, tuple[str | Path, ...]]:
    """Every way to replay the logs of `folder`, by what the table calls it."""
    own, mapped, fields = folder / "own.log", folder / "json.log", folder / "fields.yml"
    replay = (*PROGRAM, "replay", "--rules", rules, "--output", "json")
    by_fields = (*replay, "--fields", fields)
    pipe = ("sh", "-c", 'cat "$0" | "$@"')
    return {
        "plain loop, JSON": (sys.executable, HERE / "plain_loop.py", mapped),
        "mapped JSON": (*by_fields, mapped),
        "mapped JSON, --jobs 2": (*by_fields, "--jobs", "2", mapped),
        "mapped JSON, a pipe": (*pipe, mapped, *by_fields),
        "own format": (*replay, own),
        "own format, --jobs 2": (*replay, "--jobs", "2", own),
        "own format, a pipe": (*pipe, own, *replay),
        "start-up alone": (*replay, folder / "empty.log"),
    }


def write_logs(folder: Path, lines: int) -> None:
    """The same log in both formats, an empty one, and the mapping."""
    own = folder / "own.log"
    measure(*PROGRAM, "simulate", "--lines", str(lines), "--seed", "1", "--out", own)
    measure(sys.executable, HERE / "json_log.py", own, folder / "json.log", folder / "fields.yml")
    (folder / "empty.log").touch()


def main() -> None:
    """Simulate a log, replay it in every way, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=300_000)
    parser.add_argument("--repeat", type=int, default=3, help="turns; of each way the best run counts")
    parser.add_argument("--rules", type=Path, default=HERE / "rules")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="sessionwarden-bench-"))
    try:
        write_logs(folder, arguments.lines)
        ways = commands(folder, arguments.rules)
        turns = [{name: measure(*command) for name, command in ways.items()} for _ in range(arguments.repeat)]
        print_table({name: min(turn[name] for turn in turns) for name in ways}, arguments.lines)
    finally:
        shutil.rmtree(folder)


def print_table(rows: dict[str, Run], lines: int) -> None:
    """One row for each way."""
    print(f"{lines:,} lines, Python {sys.version.split()[0]}")
    print(f"{'':<22}{'CPU s':>8}{'events / CPU s':>16}{'µs / line':>11}{'peak MiB':>10}{'seconds':>9}")
    for name, run in rows.items():
        rate, each = lines / run.cpu_seconds, run.cpu_seconds / lines * 1e6
        print(
            f"{name:<22}{run.cpu_seconds:>8.2f}{rate:>16,.0f}{each:>11.2f}{run.peak_mib:>10.0f}"
            f"{run.seconds:>9.1f}"
        )


if __name__ == "__main__":
    main()
