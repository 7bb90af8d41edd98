"""What a command's exit status says, the same for every command.

0 means that the command did what was asked; findings alone are no failure.
"""

from __future__ import annotations

ANSWER_IS_NO = 1
"""Tests or expectations failed, nothing was read or tested, or a check found something."""

WRONG_INPUT = 2
"""Wrong usage, which Click reports with the same number, or a bad input file."""

COULD_NOT_RUN = 3
"""A file, a service or a package that the command needs is not there."""

INTERRUPTED = 130
"""The operator stopped it with Ctrl-C: 128 and the number of the signal, as shells have it."""
