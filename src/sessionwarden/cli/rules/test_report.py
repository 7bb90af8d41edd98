"""Case runs on a terminal: for each failed case what is missing and what is too much, then a table.

Invariant: names, keys and errors come from files and are made printable here. A difference says how
near the rule came, so that a person sees at once whether the case or the rule is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sessionwarden.authoring.case_runs import CaseRun
from sessionwarden.authoring.cases import START_MS, CaseFile, Key
from sessionwarden.authoring.suite import RuleCases
from sessionwarden.authoring.window_progress import Held, figure_in_words
from sessionwarden.authoring.words import line, timespan

MAX_DIFFERENCES = 20


class Ran(Protocol):
    """A case that ran, and the file that holds it."""

    @property
    def file(self) -> CaseFile: ...

    @property
    def run(self) -> CaseRun: ...


class Difference(NamedTuple):
    """One key that should have had a finding, or should not; `why` says how near the rule came."""

    sign: str
    what: str
    key: str
    why: str


def differences(run: CaseRun, names: Mapping[str, str]) -> Iterator[Difference]:
    """Every key by which the case and the engine differ; `names` are those of the rules by id."""
    for key in run.missing:
        yield Difference("-", "missing", key_text(key), _why_missing(run, run.nearest(key), names))
    for key in run.extra:
        again = run.found.count(key) > 1 or key in run.case.expectation.keys
        found = run.nearest(key)
        reached = "" if found is None else f"reached {_reached(run, found)}"
        yield Difference("+", "again" if again else "extra", key_text(key), reached)


def key_text(key: Key) -> str:
    """A group key on one line."""
    return line("  ".join(f"{field}={value}" for field, value in key.items()))


def print_report(
    console: Console, results: Sequence[tuple[RuleCases, Sequence[Ran]]], names: Mapping[str, str]
) -> None:
    """The failed cases, the table of rules, what is lacking, and one line that sums up."""
    for cases, runs in results:
        for ran in runs:
            if not ran.run.passed:
                _print_failure(console, cases, ran, names)
    console.print(_table(results))
    for cases, _ in results:
        if cases.lacking:
            where = f"{cases.source.file}:{cases.source.line}"
            kinds = ", ".join(cases.lacking)
            warning = Text(f"warning: {line(where)}: {line(cases.rule.title)} has no {kinds} case")
            console.print(warning, style="yellow", soft_wrap=True)
    console.print(_sum(results), soft_wrap=True)


def _print_failure(console: Console, cases: RuleCases, ran: Ran, names: Mapping[str, str]) -> None:
    run = ran.run
    where = f"{line(ran.file.file)}:{run.case.line}"
    head = Text.assemble(("FAILED", "bold red"), f" {where}: {line(run.case.name)} ({run.case.kind})")
    console.print(head, soft_wrap=True)
    console.print(Text(f"  {line(cases.rule.title)}"), soft_wrap=True)
    found = list(differences(run, names))
    for one in found[:MAX_DIFFERENCES]:
        style = "red" if one.sign == "-" else "green"
        told = Text.assemble((f"  {one.sign} {one.what:<8} {one.key}", style), f"   {one.why}")
        console.print(told, soft_wrap=True)
    if len(found) > MAX_DIFFERENCES:
        console.print(f"  ... and {len(found) - MAX_DIFFERENCES:,} more")
    for error in run.errors[:MAX_DIFFERENCES]:
        console.print(Text(f"  ! the rule raised {line(repr(error))}"), soft_wrap=True)
    console.print()


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
    within = "" if not run.rule.is_correlation else f" in the {timespan(run.rule)} that end at {after:+,.6g}s"
    return f"{figure_in_words(run.rule, found)}{within}"


def _table(results: Sequence[tuple[RuleCases, Sequence[Ran]]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("rule", overflow="fold")
    for name in ("cases", "failed"):
        table.add_column(name, justify="right")
    table.add_column("lacking", overflow="fold")
    for cases, runs in results:
        failed = sum(not ran.run.passed for ran in runs)
        table.add_row(
            Text(line(cases.rule.title)),
            str(len(runs)),
            Text(str(failed), style="bold red" if failed else ""),
            Text(", ".join(cases.lacking), style="yellow"),
        )
    return table


def _sum(results: Sequence[tuple[RuleCases, Sequence[Ran]]]) -> Text:
    total = sum(len(runs) for _, runs in results)
    failed = sum(not ran.run.passed for _, runs in results for ran in runs)
    rules = f"{len(results)} rule{'s' if len(results) != 1 else ''}"
    told = f"\n{total} case{'s' if total != 1 else ''} of {rules}: "
    return Text.assemble(
        told, (f"{failed} failed" if failed else "all hold", "bold red" if failed else "green")
    )
