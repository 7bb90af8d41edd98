"""What a replay prints: findings as they come or as a table, and one summary.

Invariant: text that came from a log is made printable before it reaches a terminal, where escape
sequences could rewrite what the operator reads.
"""

from __future__ import annotations

import sys
from collections import Counter
from datetime import UTC, datetime
from typing import Protocol

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sessionwarden.model.finding import Finding
from sessionwarden.printable import printable

FILE_WIDTH = 160
"""Columns of the table where no terminal sets them, so that keys stay on one line."""

MAX_ROWS = 1_000
"""Rows of the text table; JSON output has no limit."""

TEXT_LIMIT = 1_024
"""Characters of a title or key in the table."""

_LEVEL_STYLES = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan"}


class FindingLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of `--output json`. Times are epoch ms; `events` holds at most 20 ids.

    `count` is an estimate where one event in `sampled_one_in` was looked at.
    """

    rule: str
    title: str
    level: str
    scope: str
    key: dict[str, str]
    time: int
    first_time: int
    count: int
    events: tuple[str, ...]
    value: int | float | None = None
    sampled_one_in: int = 1


def finding_line(finding: Finding) -> str:
    """A finding as one line of JSON."""
    line = FindingLine(
        rule=finding.rule,
        title=finding.title,
        level=finding.level,
        scope=finding.response.scope,
        key=finding.key,
        time=finding.time,
        first_time=finding.first_time,
        count=finding.count,
        events=finding.events,
        value=finding.value,
        sampled_one_in=finding.sampled_one_in,
    )
    return msgspec.json.encode(line).decode()


class Tally:
    """Counts findings and whom they would have touched."""

    def __init__(self) -> None:
        self.findings: Counter[str] = Counter()
        self._touched: dict[tuple[str, str], set[str]] = {}

    def add(self, finding: Finding) -> None:
        """Count one finding."""
        response = finding.response
        self.findings[finding.title] += 1
        value = finding.key.get(response.scope) or getattr(finding, response.scope) or ""
        kind = response.mode if set(response.actions) - {"alert"} else "alert only"
        self._touched.setdefault((response.scope, kind), set()).add(value)

    def facts(self) -> dict[str, str]:
        """The summary's lines on findings, and on principals by scope and mode of the rule."""
        touched = [
            f"{len(values):,} {scope} ({kind})" for (scope, kind), values in sorted(self._touched.items())
        ]
        return {"findings": counted(self.findings), "would touch": ", ".join(touched) or "no principal"}


class Report(Protocol):
    """Where findings go, and in the end the facts of the run."""

    def finding(self, finding: Finding) -> None: ...

    def close(self, facts: dict[str, str]) -> None: ...


class JsonReport:
    """Findings as they come on standard output, the summary on standard error."""

    def __init__(self) -> None:
        self._tally = Tally()

    def finding(self, finding: Finding) -> None:
        self._tally.add(finding)
        sys.stdout.write(finding_line(finding) + "\n")

    def close(self, facts: dict[str, str]) -> None:
        print_summary(Console(stderr=True), facts | self._tally.facts())


class TextReport:
    """A table of findings and the summary, once all is read."""

    def __init__(self) -> None:
        self._tally = Tally()
        self._shown: list[Finding] = []

    def finding(self, finding: Finding) -> None:
        self._tally.add(finding)
        if len(self._shown) < MAX_ROWS:
            self._shown.append(finding)

    def close(self, facts: dict[str, str]) -> None:
        console = Console()
        if not console.is_terminal:
            console.width = FILE_WIDTH
        if self._shown:
            console.print(finding_table(self._shown))
            unseen = self._tally.findings.total() - len(self._shown)
            console.print(f"... and {unseen:,} more: see --output json\n" if unseen else "")
        print_summary(console, facts | self._tally.facts())


def finding_table(findings: list[Finding]) -> Table:
    """The findings as people read them."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("time (UTC)", "level", "rule", "key"):
        table.add_column(name, overflow="fold")
    table.add_column("count", justify="right")
    for finding in findings:
        key = "  ".join(f"{field}={value}" for field, value in finding.key.items())
        table.add_row(
            f"{_moment(finding.time):%Y-%m-%d %H:%M:%S}",
            Text(finding.level, style=_LEVEL_STYLES.get(finding.level, "")),
            Text(printable(finding.title, limit=TEXT_LIMIT)),
            Text(printable(key, limit=TEXT_LIMIT)),
            f"{'~' if finding.sampled_one_in > 1 else ''}{finding.count}",
        )
    return table


def print_summary(console: Console, facts: dict[str, str]) -> None:
    """The closing lines, one fact each."""
    for name, value in facts.items():
        console.print(Text(f"{name:<12} {value}"), soft_wrap=True)


def counted(counts: Counter[str]) -> str:
    """A total, with its parts: `3 (not_json 2, duplicate_key 1)`."""
    parts = ", ".join(
        f"{printable(name, limit=TEXT_LIMIT)} {count:,}" for name, count in counts.most_common()
    )
    return f"{counts.total():,} ({parts})" if parts else "0"


def _moment(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, tz=UTC)
