from __future__ import annotations

import pytest
from pydantic_core import PydanticCustomError

from sessionwarden.documents.durations import parse_duration

DAY = 86_400


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("1h", 3600), ("7d", 7 * DAY)])
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "1", "h", "soon", "1.5h", "-1h", "1w", "\u0661h", "1000000000s", "1h "])
def test_other_text_is_no_duration(text: str) -> None:
    with pytest.raises(PydanticCustomError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0s", "31d"])
def test_a_duration_is_longer_than_nothing_and_at_most_30_days(text: str) -> None:
    with pytest.raises(PydanticCustomError, match="longer than 0 and at most 30d"):
        parse_duration(text)


def test_a_caller_may_allow_longer_ones() -> None:
    assert parse_duration("3650d", max_seconds=3650 * DAY) == 3650 * DAY
    with pytest.raises(PydanticCustomError, match="at most 3650d"):
        parse_duration("3651d", max_seconds=3650 * DAY)
