"""Shows the demo on a console: its steps as they happen, then the report.

On a terminal, the current step has a spinner and a counter; otherwise (in a CI job or a pipe) each step is
one plain line when it is done. An alert may quote text that an attacker wrote, so it is never read as markup.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from rich import box
from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.status import Status
from rich.table import Table
from rich.text import Text

from sessionwarden.local.demo.report import EndpointResult, Incident, Report

WIDTH = 100
REFUSED = "refused"


class LiveStep:
    """The current step's line."""

    def __init__(self, text: str, status: Status | None) -> None:
        self._text = text
        self._status = status
        self.note = ""

    def update(self, text: str) -> None:
        self.note = text
        if self._status is not None:
            self._status.update(_step_line(self._text, text))


class Screen:
    """Shows progress and the report on `console`."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def step(self, text: str) -> Iterator[LiveStep]:
        """Show one step; at its end the line shows the result and the seconds it took."""
        started = time.monotonic()
        # without a terminal a spinner would print the same line twice
        status = self.console.status(_step_line(text, "")) if self.console.is_terminal else None
        with status or nullcontext():
            live = LiveStep(text, status)
            try:
                yield live
            except BaseException:
                self.console.print(Text.assemble(("  ✗ ", "bold red"), text))
                raise
        self._done(text, live.note, time.monotonic() - started)

    def _done(self, text: str, note: str, seconds: float) -> None:
        line = Table.grid(expand=True, padding=(0, 1))
        line.add_column(ratio=1)
        line.add_column(justify="right", style="dim")
        line.add_row(Text.assemble(("  ✓ ", "green"), _step_line(text, note)), f"{seconds:.1f} s")
        self.console.print(line)

    def title(self) -> None:
        self.console.print()
        self.console.print(
            Text.assemble(
                ("  Sessionwarden", "bold"),
                ("  an abused session dies between one request and the next", "italic"),
            )
        )
        self.console.print(
            Text("  Everything runs on this machine: no AWS account, no Docker.\n", style="dim")
        )

    def report(self, report: Report) -> None:
        """Show the report, with failed expectations last."""
        self.console.print()
        self.console.print(_indented(Text(_simulated(report), style="dim")))
        first, *others = report.incidents
        self._incident(first)
        # without this note the first figure would mislead, because a cold start takes much longer
        self.console.print(_indented(Text("The enforce function started cold for this one.", style="dim")))
        for incident in others:
            self._incident(incident)
        last = report.incidents[-1]
        self._endpoints(report.endpoints, last.username)
        self._alert(last)
        self._undo(report, last.username)
        self._verdict(report)

    def _heading(self, text: str) -> None:
        self.console.print()
        self.console.print(Text(f"  {text}", style="bold"))

    def _incident(self, incident: Incident) -> None:
        self._heading(f"{incident.rule}: {incident.username}, stopped after {incident.requests} requests")
        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right", style="cyan", min_width=11)
        table.add_column()
        for moment in incident.timeline:
            table.add_row(f"+{moment.after_ms} ms", Text(moment.what))
        self.console.print(table)

    def _endpoints(self, endpoints: tuple[EndpointResult, ...], username: str) -> None:
        self._heading(f"{username}'s token, the same before and after")
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        table.add_column("endpoint", min_width=40)
        table.add_column("before")
        table.add_column("after")
        table.add_column("")
        for endpoint in endpoints:
            gap = endpoint.after == "200"
            table.add_row(
                endpoint.name,
                Text(endpoint.before, style="green"),
                Text(
                    endpoint.after if endpoint.after.isdigit() else REFUSED, style="red" if gap else "green"
                ),
                Text("the gap" if gap else "", style="red"),
            )
        self.console.print(_indented(table))

    def _alert(self, incident: Incident) -> None:
        self._heading("The alert, as a subscriber received it")
        message = Group(
            Text(incident.alert_subject, style="bold"), Text(), Text(incident.alert_message.strip())
        )
        self.console.print(_indented(Panel(message, box=box.ROUNDED, border_style="dim", expand=True)))

    def _undo(self, report: Report, username: str) -> None:
        self._heading("The undo")
        # a command is never wrapped, so that it can be copied as one line
        self.console.print(Text(f"  $ {report.undo.command}", style="cyan"), soft_wrap=True)
        self.console.print(_indented(Text(report.undo.output)))
        answers = f"{report.new_token_after_undo}; the old token: {report.old_token_after_undo}."
        self.console.print(_indented(Text(f"{username} signs in again, and with the new token: {answers}")))

    def _verdict(self, report: Report) -> None:
        self._heading("Did other users notice?")
        self.console.print(
            _indented(
                Text(
                    f"{report.honest_users} honest users made {report.honest_requests} requests meanwhile "
                    f"and saw {report.honest_errors} errors."
                )
            )
        )
        self.console.print()
        for expectation in report.failed:
            self.console.print(
                Text.assemble(
                    ("  ✗ ", "bold red"),
                    f"{expectation.name}: expected {expectation.expected}, got {expectation.got}",
                )
            )
        held = len(report.expectations) - len(report.failed)
        style = "bold red" if report.failed else "bold green"
        count = len(report.expectations)
        self.console.print(
            Text(f"  {held} of {count} expectations held, {report.seconds:.0f} s.", style=style)
        )


def _simulated(report: Report) -> str:
    if not report.replayed_lines:
        return report.simulated
    return (
        f"{report.simulated} This machine was too slow for the rule's 300 requests a minute: "
        f"{report.replayed_lines} lines are real requests written a second time."
    )


def _step_line(text: str, note: str) -> Text:
    return Text.assemble(text, (f"  {note}", "cyan") if note else "")


def _indented(content: Text | Table | Panel) -> Padding:
    return Padding(content, (0, 0, 0, 2))
