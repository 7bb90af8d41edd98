"""`sessionwarden rules test`: the cases beside the rules, run by the engine that replay runs.

Enters: rule files and folders. Leaves: what each failed case expected and what was found, a table, and
if asked for a JUnit report; exit status 1 if a case failed. Nothing is sent anywhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sessionwarden.authoring.case_runs import CaseRun
from sessionwarden.authoring.junit import junit_report
from sessionwarden.authoring.suite import read_suite
from sessionwarden.authoring.suite_runs import RuleResult, TimedRun, run_suite
from sessionwarden.cli.default_rules import default_rules
from sessionwarden.cli.rules.options import OUTPUT, PATHS, POLICY, console, print_json
from sessionwarden.cli.rules.test_report import print_report
from sessionwarden.documents.writing import write_whole


@click.command()
@PATHS
@POLICY
@click.option(
    "--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write a JUnit report to this file."
)
@click.option("--strict", is_flag=True, help="Exit with status 1 if a rule lacks a kind of case.")
@OUTPUT
@click.pass_context
def test(
    context: click.Context,
    paths: tuple[Path, ...],
    policy: Path | None,
    junit: Path | None,
    strict: bool,
    output: str,
) -> None:
    """Run the cases beside the rules of PATHS.

    PATHS (default: rules/) are rule files, cases files or folders. A rule without a matching, a
    just-under and a lookalike case is reported.

    Exit status 0 if every case holds, 1 if one does not, 2 if rules or cases have mistakes.
    """
    suite = read_suite(paths or default_rules(), policy)
    results = run_suite(suite)
    if junit is not None:
        write_whole(junit, junit_report(results, suite.catalog.names, strict=strict))
    if output == "json":
        print_json(_answer(results))
    else:
        print_report(console(), results, suite.catalog.names)
    lacking = any(one.cases.lacking for one in results)
    context.exit(1 if any(one.failed for one in results) or (strict and lacking) else 0)


def _answer(results: list[RuleResult]) -> dict[str, Any]:
    runs = [timed for result in results for timed in result.runs]
    return {
        "passed": sum(timed.run.passed for timed in runs),
        "failed": sum(not timed.run.passed for timed in runs),
        "rules": [
            {
                "id": result.cases.rule.id,
                "title": result.cases.rule.title,
                "lacking": result.cases.lacking,
                "cases": list(map(_case_answer, result.runs)),
            }
            for result in results
        ],
    }


def _case_answer(timed: TimedRun) -> dict[str, Any]:
    run = timed.run
    return {
        "name": run.case.name,
        "kind": run.case.kind,
        "file": timed.file.file,
        "line": run.case.line,
        "passed": run.passed,
        "expected": {run.case.expectation.how: run.case.expectation.keys},
        "found": run.found,
        "missing": [_key_answer(run, key) for key in run.missing],
        "extra": [_key_answer(run, key) for key in run.extra],
        "errors": [repr(error) for error in run.errors],
    }


def _key_answer(run: CaseRun, key: dict[str, str]) -> dict[str, Any]:
    nearest = run.nearest(key)
    return {"key": key, "nearest": None if nearest is None else nearest._asdict()}
