"""The `sessionwarden` program: runs the command line, or says in one sentence what to install first.

The package alone brings the authorizer's `decide()` and nothing that a command needs: those come with its
extras. A package that is missing is found out when a command imports it, not before, so that a machine
which only replays logs needs no emulator. Exit statuses are those of `sessionwarden.cli.main`; 3 if
something is not installed.
"""

from __future__ import annotations

import sys

from sessionwarden.cli.exit_statuses import COULD_NOT_RUN
from sessionwarden.errors import MissingExtraError


def main() -> None:
    """Run the command that the arguments name."""
    try:
        from sessionwarden.cli.main import main as run_command_line

        run_command_line()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "sessionwarden", *sys.stdlib_module_names):
            # not a matter of extras: a mistake of ours, or a damaged installation
            raise
        print(f"sessionwarden: {MissingExtraError(package, extra='cli')}", file=sys.stderr)  # noqa: T201
        sys.exit(COULD_NOT_RUN)


if __name__ == "__main__":
    main()
