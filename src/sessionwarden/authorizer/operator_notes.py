"""Writes errors that operators must repair to stderr, in one bounded line without the event or a token."""

from __future__ import annotations

import sys

from sessionwarden.errors import RoutesError, SettingsError, StoreError

MAX_NOTE_LENGTH = 400


def note(error: Exception | None) -> None:
    """Write what failed and where; `None` means that the decision line could not be written."""
    if error is None:
        text = "the decision line could not be written"
    else:
        frame = error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        where = f"{frame.tb_frame.f_code.co_name}:{frame.tb_lineno}" if frame is not None else ""
        text = f"{type(error).__name__} in {where}"
        # only the messages of our own errors are free of text that an attacker wrote
        if isinstance(error, StoreError | SettingsError | RoutesError):
            text += f": {error}"
    try:
        print(f"sessionwarden authorizer: {text[:MAX_NOTE_LENGTH]!r}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        return
