"""Compares lines that were read as columns with the events of the same lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from sessionwarden.model.event import Event
from sessionwarden.replay.columns.columns import EventColumns, TextNumbers
from sessionwarden.replay.columns.line_columns import LineColumns

NUMBERING = TextNumbers(1)


def assert_columns_of(
    columns: LineColumns, lines: Sequence[str], events: Sequence[Event], *, fields: Iterable[str]
) -> None:
    """Every line is a row, with the time and the values of `fields` that its event has."""
    names = frozenset(fields)
    expected = EventColumns(events, names, NUMBERING)
    assert columns.times.tolist() == expected.times.tolist()
    for field in names:
        assert columns.numbers[field].tolist() == expected.numbers[field].tolist(), field
        for row, event in enumerate(events):
            assert columns.value(field, row) == getattr(event, field), field
    ends = [0, *(end + 1 for end in columns.ends.tolist())]
    text = "\n".join([*lines, ""])
    assert [text[start : end - 1] for start, end in pairwise(ends)] == lines
