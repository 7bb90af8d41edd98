"""`sessionwarden demo`: the whole product on one machine, in under a minute.

It needs a checkout with bundles and the extra `local`. The screen tells the scenario, or JSON reports it;
no process, port or file remains. Exit statuses: 0 every expectation held, 1 one did not, 3 it could not run,
130 interrupted.
"""

from __future__ import annotations

import signal
import sys
import time

import click
import msgspec
from rich.console import Console

from sessionwarden.cli.exit_statuses import ANSWER_IS_NO, INTERRUPTED
from sessionwarden.local.demo.report import Report
from sessionwarden.local.demo.scenario import play
from sessionwarden.local.demo.screen import WIDTH, Screen
from sessionwarden.local.demo.stack import LocalStack, running_local_stack
from sessionwarden.local.required_packages import require_local_extra


@click.command()
@click.option("--keep", is_flag=True, help="Leave everything running until Ctrl-C, to look around.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def demo(keep: bool, output: str) -> None:
    """Watch an abused session die between one request and the next.

    Deploys Sessionwarden beside a sample API on an emulator on this machine, abuses two sessions,
    and checks what happened. Nothing is sent to AWS.
    """
    require_local_extra()
    started = time.monotonic()
    # a CI job that is cancelled sends this, and must not leave an emulator running
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # with --output json, standard output belongs to the report
    screen = Screen(_console(stderr=output == "json"))
    screen.title()
    try:
        with running_local_stack(screen) as stack:
            report = play(stack, screen, started=started)
            _show(report, output, screen)
            if keep:
                _stay(stack, screen)
    except KeyboardInterrupt:
        click.echo("\nStopped; nothing is left running.", err=True)
        sys.exit(INTERRUPTED)
    sys.exit(ANSWER_IS_NO if report.failed else 0)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    # long lines are hard to follow on a wide screen
    console.width = min(console.width, WIDTH)
    return console


def _show(report: Report, output: str, screen: Screen) -> None:
    if output == "json":
        document = msgspec.to_builtins(report) | {"failed": [failure.name for failure in report.failed]}
        click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))
    else:
        screen.report(report)


def _stay(stack: LocalStack, screen: Screen) -> None:
    endpoint = stack.emulator.endpoint_url
    lines = (
        "",
        "  Still running. Ctrl-C ends it. In another terminal:",
        "    export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1",
        f"    sessionwarden decisions list --endpoint-url {endpoint}",
        f"    sessionwarden enforcement status --endpoint-url {endpoint}",
        f"    curl -i {stack.api.guarded_url}",
    )
    for line in lines:
        screen.console.print(line, soft_wrap=True)
    try:
        while stack.emulator.alive():
            time.sleep(0.5)
    except KeyboardInterrupt:
        screen.console.print("\n  Stopped; nothing is left running.")
