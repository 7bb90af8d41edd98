"""Runs tests against one mutant, in a process of its own that knows the mutant from memory.

Nothing is written to the working tree, so a campaign that is interrupted leaves nothing behind, and editors
and other commands can go on meanwhile. Each trial is a fork of a process that has imported the libraries but
no module of ours: that saves the second or two which they take.
"""

from __future__ import annotations

import importlib
import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Literal

import pytest

Outcome = Literal["survived", "killed", "stopped"]
"""`stopped`: the tests came to no end in their time. The mutant is dead, as it would be in CI."""

Stages = Sequence[Sequence[str]]
"""Arguments of pytest: what they select is run one after the other, until something fails."""

PROJECT = Path(__file__).parents[1]
LIBRARIES = (
    "_hypothesis_pytestplugin",
    *("pytest", "hypothesis", "botocore.loaders", "boto3", "cryptography.x509", "pydantic", "msgspec", "re2"),
    *(
        "yaml",
        "sigma.rule",
        "numpy",
        "moto",
        "click.testing",
        "rich",
        "aws_lambda_powertools",
        "joserfc",
        "jwt",
    ),
)
CPU_SECONDS = 120
# a mutant may also wait for ever, for a lock that it forgot to release
WALL_SECONDS = 900.0

_NO_PYTEST = 99
# as if a mutant were dead, although no test has seen it
_RAN_NOTHING = {_NO_PYTEST, int(pytest.ExitCode.USAGE_ERROR), int(pytest.ExitCode.NO_TESTS_COLLECTED)}


class _MutantLoader(SourceFileLoader):
    """Loads a module from a changed source; only its name and place are those of the file."""

    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self._source.encode(), self.path)


class _MutantFinder:
    """Finds one module as its mutant, and leaves all others to Python."""

    def __init__(self, file: Path, source: str) -> None:
        self._file = str(file)
        self._source = source

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name.startswith("sessionwarden") else None
        if spec is None or spec.origin != self._file:
            return None
        spec.loader = _MutantLoader(name, self._file, self._source)
        return spec


def load_libraries(names: Sequence[str] = LIBRARIES) -> None:
    """Import what every trial needs, and no module of ours, which could not be replaced any more."""
    for name in names:
        importlib.import_module(name)
    if "hypothesis" in names:
        from hypothesis import Phase, settings
        from hypothesis.internal.charmap import charmap

        # a table of Unicode, which takes seconds to make and is not found in a new folder of Hypothesis's
        with warnings.catch_warnings(action="ignore"):
            charmap()
        # one counterexample is enough: making it small takes longer than finding it
        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("mutants", database=None, derandomize=True, deadline=None, phases=phases)
        settings.load_profile("mutants")
    ours = [name for name in sys.modules if name.partition(".")[0] in ("sessionwarden", "functions")]
    assert not ours, f"{ours} cannot be replaced any more"


def run_trials(
    trials: Sequence[tuple[Path, str, Stages]], *, processes: int, done: Callable[[int, Outcome], None]
) -> None:
    """For each file, source and tests: whether the tests fail, as soon as it is known, by its place."""
    waiting: Iterator[tuple[int, tuple[Path, str, Stages]]] = iter(enumerate(trials))
    running: dict[int, tuple[int, float]] = {}
    more = True
    while more or running:
        while more and len(running) < processes:
            place, trial = next(waiting, (-1, None))
            if trial is None:
                more = False
                break
            running[_start(*trial)] = place, time.monotonic() + WALL_SECONDS
        for process in list(running):
            place, until = running[process]
            ended, status = os.waitpid(process, os.WNOHANG)
            if not ended:
                if time.monotonic() > until:
                    os.killpg(process, signal.SIGKILL)
                continue
            del running[process]
            done(place, _outcome(status))
        time.sleep(0.01)


def _outcome(status: int) -> Outcome:
    if os.WIFSIGNALED(status):
        return "stopped"
    code = os.WEXITSTATUS(status)
    if code in _RAN_NOTHING:
        raise RuntimeError(f"tests did not run: status {code}")
    return "survived" if code == 0 else "killed"


def _start(file: Path, source: str, stages: Stages) -> int:
    process = os.fork()
    if process:
        return process
    status = _NO_PYTEST
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        sys.dont_write_bytecode = True
        sys.meta_path.insert(0, _MutantFinder(file, source))  # type: ignore[arg-type]
        options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
        # pytest would rewrite the assertions of plugins, which are imported already
        options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        for tests in stages:
            status = int(pytest.main([*options, *tests]))
            if status:
                break
    finally:
        os._exit(status)
    return 0
