"""Prints how cases ran: for each failed case what is missing and what is too much, then a table of the rules.

Invariant: names and errors come from files and are made printable here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sessionwarden.authoring.case_differences import differences
from sessionwarden.authoring.suite import RuleCases
from sessionwarden.authoring.suite_runs import RuleResult, TimedRun
from sessionwarden.authoring.words import line

MAX_DIFFERENCES = 20


def print_report(console: Console, results: Sequence[RuleResult], names: Mapping[str, str]) -> None:
    """The failed cases, the table of rules, what is lacking, and one line that sums up."""
    for result in results:
        for timed in result.failed:
            _print_failure(console, result.cases, timed, names)
    console.print(_table(results))
    for cases in (result.cases for result in results):
        if cases.lacking:
            where = f"{cases.source.file}:{cases.source.line}"
            kinds = ", ".join(cases.lacking)
            warning = Text(f"warning: {line(where)}: {line(cases.rule.title)} has no {kinds} case")
            console.print(warning, style="yellow", soft_wrap=True)
    console.print(_sum(results), soft_wrap=True)


def _print_failure(console: Console, cases: RuleCases, timed: TimedRun, names: Mapping[str, str]) -> None:
    run = timed.run
    where = f"{line(timed.file.file)}:{run.case.line}"
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


def _table(results: Sequence[RuleResult]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("rule", overflow="fold")
    for name in ("cases", "failed"):
        table.add_column(name, justify="right")
    table.add_column("lacking", overflow="fold")
    for result in results:
        cases, failed = result.cases, len(result.failed)
        table.add_row(
            Text(line(cases.rule.title)),
            str(len(result.runs)),
            Text(str(failed), style="bold red" if failed else ""),
            Text(", ".join(cases.lacking), style="yellow"),
        )
    return table


def _sum(results: Sequence[RuleResult]) -> Text:
    total = sum(len(result.runs) for result in results)
    failed = sum(len(result.failed) for result in results)
    rules = f"{len(results)} rule{'s' if len(results) != 1 else ''}"
    told = f"\n{total} case{'s' if total != 1 else ''} of {rules}: "
    return Text.assemble(
        told, (f"{failed} failed" if failed else "all hold", "bold red" if failed else "green")
    )
