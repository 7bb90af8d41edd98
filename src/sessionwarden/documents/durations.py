"""Lengths of time as rules write them: `90s`, `15m`, `1h`, `7d`.

Sigma's timespan units (https://sigmahq.io/docs/meta/correlations.html) less week, month and year,
which no window here is long enough for.
"""

from __future__ import annotations

from sessionwarden.documents.check import Check, quoted
from sessionwarden.documents.yaml import Path

UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MAX_SECONDS = 30 * 86400


def duration_seconds(value: object, check: Check, path: Path) -> int | None:
    """Seconds, at least 1 and at most 30 days; `None` and a mistake for anything else."""
    text: str | None = check.typed(value, str, path)
    if text is None:
        return None
    count, unit = text[:-1], text[-1:]
    if not (count.isascii() and count.isdigit()) or unit not in UNIT_SECONDS or len(count) > 9:
        check.refuse(path, f"{quoted(text)} is not a duration", "a whole number and s, m, h or d, like 15m")
        return None
    seconds = int(count) * UNIT_SECONDS[unit]
    if not 1 <= seconds <= MAX_SECONDS:
        check.refuse(path, f"{quoted(text)} must be longer than 0 and at most 30d")
        return None
    return seconds
