"""Runs the command line over every hostile file and says what each cost: CPU, memory, output, exit status.

    python -m tests.support.hostile_files.measure [--size 990000] [--fitting] [NAME...]

Each runs in a process of its own. With `--fitting`, a file that holds more values than are ever read is made
smaller, so that all of it is read and what follows is measured. A file passes if its command ends with status
0 or 2, without a traceback, within the CPU time, memory and output that are allowed.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import yaml

from sessionwarden.documents.yaml import MAX_VALUES
from tests.support.hostile_files.files import HOSTILE, RULE, Hostile

CPU_SECONDS = 10
MEMORY_MB = 1024
OUTPUT_BYTES = 250_000
SAMPLE = 60_000

NAMES = {
    "rules": "rule.yml",
    "policy": "policy.yml",
    "cases": "rule.cases.yml",
    "routes": "authorizer.yml",
    "mapping": "map.yml",
}


class Cost(NamedTuple):
    """What one run cost, and how it ended."""

    status: int
    cpu_seconds: float
    memory_mb: int
    output: bytes

    @property
    def passed(self) -> bool:
        return (
            self.status in (0, 1, 2)
            and self.cpu_seconds <= CPU_SECONDS
            and len(self.output) <= OUTPUT_BYTES
            and b"Traceback" not in self.output
        )


def arguments(kind: str, folder: Path) -> list[str]:
    """The command that reads a file of that kind, which lies in `folder`."""
    file = str(folder / NAMES[kind])
    return {
        "rules": ["rules", "check", file],
        "policy": ["rules", "check", str(folder / NAMES["rules"]), "--policy", file],
        "cases": ["rules", "test", str(folder / NAMES["rules"])],
        "routes": ["routes", "check", file],
        "mapping": ["replay", "--fields", file, os.devnull],
    }[kind]


def run(hostile: Hostile, size: int) -> Cost:
    """Run the command that reads such a file, with bounds that no honest run meets."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(hostile, size, folder)
        out = folder / "out"
        with out.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "sessionwarden", *arguments(hostile.kind, folder)],
                stdout=file,
                stderr=subprocess.STDOUT,
                preexec_fn=_bound,
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        cpu = usage.ru_utime + usage.ru_stime
        return Cost(process.returncode, cpu, usage.ru_maxrss // 1024, out.read_bytes())


def write(hostile: Hostile, size: int, folder: Path) -> None:
    """Put the file into a folder, beside the rule that its cases are for."""
    (folder / NAMES["rules"]).write_text(RULE)
    (folder / NAMES[hostile.kind]).write_text(hostile.text(size), encoding="utf-8", newline="")


def fitting(hostile: Hostile) -> int:
    """About how large such a file can be before it holds more values than are read."""
    text = hostile.text(SAMPLE)
    values = 1
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            values += isinstance(event, yaml.NodeEvent)
    except (yaml.YAMLError, ValueError, OverflowError):
        pass
    return len(text) * (MAX_VALUES - 200) // values


def _bound() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (2 * CPU_SECONDS, 2 * CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_AS, (4 * MEMORY_MB << 20, 4 * MEMORY_MB << 20))


def main() -> int:
    """Print a line for each file; the exit status is 1 if one did not pass."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--size", type=int, default=990_000)
    parser.add_argument("--fitting", action="store_true")
    chosen = parser.parse_args()
    failed = 0
    for name, hostile in HOSTILE.items():
        if chosen.names and not any(wanted in name for wanted in chosen.names):
            continue
        size = min(chosen.size, fitting(hostile)) if chosen.fitting else chosen.size
        cost = run(hostile, size)
        failed += not cost.passed
        last = cost.output.decode("utf-8", "replace").strip().rpartition("\n")[2][:90]
        mark = "  " if cost.passed else "!!"
        sys.stdout.write(
            f"{mark} {name:32} {size:9,} status {cost.status:3} {cost.cpu_seconds:6.2f} s"
            f" {cost.memory_mb:5} MB"
            f" {len(cost.output):9,} bytes  {last}\n"
        )
        sys.stdout.flush()
    sys.stdout.write(f"{failed} did not pass\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
