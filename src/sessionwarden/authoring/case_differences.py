"""How a case and the engine differ: findings that are missing or too many, and how near the rule came.

How near it came shows the rule's author at once whether the case or the rule is wrong. Invariant: names and
keys come from files, and are made printable here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sessionwarden.authoring.case_runs import CaseRun
from sessionwarden.authoring.cases import START_MS, Key
from sessionwarden.authoring.window_progress import Held, figure_in_words
from sessionwarden.authoring.words import line, timespan


class Difference(NamedTuple):
    """One key that should have had a finding, or should not; `why` says how near the rule came."""

    sign: str
    what: str
    key: str
    why: str


def differences(run: CaseRun, names: Mapping[str, str]) -> Iterator[Difference]:
    """Every key by which the case and the engine differ; `names` are those of the rules by id."""
    for key in run.missing:
        yield Difference("-", "missing", _key_text(key), _why_missing(run, run.nearest(key), names))
    for key in run.extra:
        again = run.found.count(key) > 1 or key in run.case.expectation.keys
        found = run.nearest(key)
        reached = "" if found is None else f"reached {_reached(run, found)}"
        yield Difference("+", "again" if again else "extra", _key_text(key), reached)


def _key_text(key: Key) -> str:
    """A group key on one line."""
    return line("  ".join(f"{field}={value}" for field, value in key.items()))


def _why_missing(run: CaseRun, found: Held | None, names: Mapping[str, str]) -> str:
    if found is None:
        return "no event of the case counts for this key"
    told = f"reached {_reached(run, found)}"
    if found.missing:
        told += f"; not seen: {line(', '.join(names.get(step, step) for step in found.missing))}"
    if found.meets and found.coarse:
        told += f"; the engine cuts {timespan(run.rule)} into 32 steps: leave a margin of one"
    return told


def _reached(run: CaseRun, found: Held) -> str:
    after = (found.time - START_MS) / 1000
    within = "" if run.rule.kind == "event" else f" in the {timespan(run.rule)} that end at {after:+,.6g}s"
    return f"{figure_in_words(run.rule, found)}{within}"
