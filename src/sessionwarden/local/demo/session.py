"""Runs Sessionwarden's command line against the emulator, in its own process, as an operator would."""

from __future__ import annotations

import os
import subprocess
import sys

from sessionwarden.errors import LocalStackError
from sessionwarden.local.demo.report import CommandRun
from sessionwarden.local.emulator.emulator import Emulator

COMMAND_SECONDS = 30.0


def run_command(emulator: Emulator, *arguments: str) -> CommandRun:
    """Run `sessionwarden <arguments> --endpoint-url <emulator>`; returns command, exit status, output.

    Raises `LocalStackError` if it takes more than 30 s.
    """
    complete = [*arguments, "--endpoint-url", emulator.endpoint_url]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    try:
        done = subprocess.run(  # noqa: S603 - our own command, with ids that our own functions made
            [sys.executable, "-m", "sessionwarden", *complete],
            env=kept | emulator.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LocalStackError(
            f"sessionwarden {arguments[0]} did not end in {COMMAND_SECONDS:.0f} s"
        ) from error
    return CommandRun(
        command=" ".join(("sessionwarden", *complete)),
        exit_status=done.returncode,
        output=done.stdout.strip(),
    )
