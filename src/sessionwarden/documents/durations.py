"""Lengths of time as operators write them: `90s`, `15m`, `1h`, `7d`.

Sigma's timespan units (https://sigmahq.io/docs/meta/correlations.html) without week, month and year,
which no window here is long enough for. Read either from a section under check or as a field of a model.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError

from sessionwarden.documents.check import Check, quoted
from sessionwarden.documents.models import refused
from sessionwarden.documents.yaml import Path

UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MAX_SECONDS = 30 * 86400

DURATION_SCHEMA = {"type": "string", "pattern": "^[0-9]{1,9}[smhd]$", "examples": ["90s", "15m", "1h", "7d"]}


def parse_duration(text: str, *, max_seconds: int = MAX_SECONDS) -> int:
    """Seconds, at least 1 and at most `max_seconds` (whole days).

    Raises the error of `models.refused` for anything else.
    """
    count, unit = text[:-1], text[-1:]
    if not (count.isascii() and count.isdigit()) or unit not in UNIT_SECONDS or len(count) > 9:
        raise refused(f"{quoted(text)} is not a duration", "a whole number and s, m, h or d, like 15m")
    seconds = int(count) * UNIT_SECONDS[unit]
    if not 1 <= seconds <= max_seconds:
        longest = max_seconds // UNIT_SECONDS["d"]
        raise refused(f"{quoted(text)} must be longer than 0 and at most {longest}d")
    return seconds


def _from_text(value: object) -> int:
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    return parse_duration(value)


Duration = Annotated[int, BeforeValidator(_from_text), WithJsonSchema(DURATION_SCHEMA)]
"""A field of a model that is written as a duration, and holds seconds."""


def duration_seconds(value: object, check: Check, path: Path) -> int | None:
    """As `parse_duration`, for a section under check: `None` and a diagnostic for anything else."""
    text: str | None = check.typed(value, str, path)
    if text is None:
        return None
    try:
        return parse_duration(text)
    except PydanticCustomError as error:
        facts = error.context or {}
        check.refuse(path, facts["message"], facts["hint"])
        return None
