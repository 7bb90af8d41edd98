"""The campaign behind `make mutants`: a sample of mutants by room, how many the tests kill, and the others.

The sample depends on the seed and on the mutated lines alone. Mutants that no test could kill, because they
behave like the code, are listed in `equivalent.toml` and are not drawn. Exit status 1: some room is below its
goal.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
import tempfile
import tomllib
from collections import Counter
from pathlib import Path

from mutants.mutations import Mutation, mutations_of
from mutants.rooms import ROOMS
from mutants.trial import PROJECT, Outcome, load_libraries, run_trials

SOURCE = Path("src/sessionwarden")
GOAL = 0.9


def main() -> int:
    """Run the campaign that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m mutants", description=__doc__)
    parser.add_argument("rooms", nargs="*", default=list(ROOMS), metavar="ROOM", help=", ".join(ROOMS))
    parser.add_argument("--count", type=int, default=40, help="mutants of each room (40)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    if unknown := set(given.rooms) - set(ROOMS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    os.chdir(PROJECT)
    equivalent = _equivalent()
    drawn: list[tuple[int, str, Mutation]] = []
    for room in given.rooms:
        known = equivalent_of(room, equivalent)
        candidates = [mutation for mutation in _candidates(room) if _key(mutation) not in known]
        candidates.sort(key=lambda mutation: mutation.draw(given.seed))
        drawn += [(place, room, mutation) for place, mutation in enumerate(candidates[: given.count])]
    # all rooms in turn: a campaign that is interrupted has said something of each
    in_turn = [(room, mutation) for _, room, mutation in sorted(drawn, key=lambda entry: entry[0])]
    load_libraries()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = folder
        _check_that_tests_pass(given.rooms, given.processes)
        outcomes = _try(in_turn, given.processes)
    return _report(given.rooms, in_turn, outcomes)


def _candidates(room: str) -> list[Mutation]:
    found: list[Mutation] = []
    for file in sorted((SOURCE / room).glob("*.py")):
        found += mutations_of(str(file), file.read_text("utf-8"))
    return found


def _key(mutation: Mutation) -> tuple[str, str, str]:
    return mutation.path, mutation.was, mutation.becomes


def _equivalent() -> set[tuple[str, str, str]]:
    entries = tomllib.loads((PROJECT / "mutants" / "equivalent.toml").read_text("utf-8"))["mutant"]
    return {(str(SOURCE / entry["file"]), entry["line"], entry["becomes"]) for entry in entries}


def equivalent_of(room: str, listed: set[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    """The listed mutants of a room; raises `SystemExit` if the code has changed and one is none any more."""
    possible = {_key(mutation) for mutation in _candidates(room)}
    known = {entry for entry in listed if Path(entry[0]).parent == SOURCE / room}
    if stale := known - possible:
        raise SystemExit(f"equivalent.toml lists what is no mutant of the code: {sorted(stale)}")
    return known


def _stages(room: str, mutation: Mutation) -> list[list[str]]:
    """The mutated module's own tests, then the room's, then those that only touch it."""
    first, *rest = (f"tests/{path}" for path in ROOMS[room])
    own = [str(path) for path in sorted(Path(first).rglob(f"test_{Path(mutation.path).stem}*.py"))]
    others = [first, *(f"--ignore={path}" for path in own)]
    return [stage for stage in (own, others, rest) if stage]


def _try(drawn: list[tuple[str, Mutation]], processes: int) -> dict[int, Outcome]:
    outcomes: dict[int, Outcome] = {}

    def done(place: int, outcome: Outcome) -> None:
        outcomes[place] = outcome
        if outcome != "killed":
            room, mutation = drawn[place]
            print(f"{outcome}: {mutation.path}:{mutation.line} ({room})", flush=True)
            print(_diff(mutation), flush=True)

    trials = [
        (
            (PROJECT / mutation.path).resolve(),
            mutation.apply((PROJECT / mutation.path).read_text("utf-8")),
            _stages(room, mutation),
        )
        for room, mutation in drawn
    ]
    run_trials(trials, processes=processes, done=done)
    return outcomes


def _check_that_tests_pass(rooms: list[str], processes: int) -> None:
    """Tests that fail on the code itself would kill every mutant."""
    failing: list[str] = []

    def done(place: int, outcome: Outcome) -> None:
        if outcome != "survived":
            failing.append(rooms[place])

    files = [next((PROJECT / SOURCE / room).glob("*.py")) for room in rooms]
    trials = [
        (file, file.read_text("utf-8"), [[f"tests/{path}" for path in ROOMS[room]]])
        for room, file in zip(rooms, files, strict=True)
    ]
    run_trials(trials, processes=processes, done=done)
    if failing:
        raise SystemExit(f"the tests of {', '.join(failing)} fail on the code as it is")


def _diff(mutation: Mutation) -> str:
    source = (PROJECT / mutation.path).read_text("utf-8")
    lines = difflib.unified_diff(
        source.splitlines(), mutation.apply(source).splitlines(), n=0, lineterm="", fromfile="a", tofile="b"
    )
    return "\n".join(f"    {line}" for line in list(lines)[3:])


def _report(rooms: list[str], drawn: list[tuple[str, Mutation]], outcomes: dict[int, Outcome]) -> int:
    failed = False
    print(f"{'room':<20} mutants  killed  survived   rate")
    for room in rooms:
        counts = Counter(outcomes[place] for place, (of, _) in enumerate(drawn) if of == room)
        total, survived = counts.total(), counts["survived"]
        rate = (total - survived) / total if total else 0.0
        failed |= rate < GOAL
        print(f"{room:<20} {total:>7} {total - survived:>7} {survived:>9} {rate:>6.0%}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
