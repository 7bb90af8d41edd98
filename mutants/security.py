"""Tries the mistakes of `security.toml`: each must be noticed by the unit tests that it names.

So no later change leaves one of them to the emulator's tests, or to chance. Exit status 1: a mistake went
unnoticed; 2: the code has changed and a line is not there.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from mutants.trial import PROJECT, Outcome, load_libraries, run_trials

SOURCE = PROJECT / "src" / "sessionwarden"
LIBRARIES = ("botocore.loaders", "cryptography.x509", "pytest")


def main() -> int:
    """Try every listed mistake, or those of the files whose paths begin as the arguments do."""
    listed = tomllib.loads((PROJECT / "mutants" / "security.toml").read_text("utf-8"))["mistake"]
    mistakes = [mistake for mistake in listed if mistake["file"].startswith(tuple(sys.argv[1:]) or "")]
    trials = []
    for mistake in mistakes:
        file: Path = SOURCE / mistake["file"]
        source = file.read_text("utf-8")
        if source.count(mistake["line"]) != 1:
            print(f"{mistake['file']} does not hold once: {mistake['line']}")
            return 2
        changed = source.replace(mistake["line"], mistake["becomes"])
        trials.append((file, changed, [[f"tests/unit/{mistake['tests']}"]]))
    unnoticed: list[str] = []

    def done(place: int, outcome: Outcome) -> None:
        if outcome == "survived":
            unnoticed.append(f"unnoticed by {mistakes[place]['tests']}: {mistakes[place]['says']}")

    load_libraries(LIBRARIES)
    run_trials(trials, processes=2, done=done)
    print("\n".join(unnoticed) or f"{len(mistakes)} mistakes, all noticed")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
