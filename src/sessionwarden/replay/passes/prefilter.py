"""Decides which rows of a log the second pass must see: the candidates.

Enters: a rule set, and the log as columns. Leaves: notes on each row, and in the end which rows are
candidates. Invariant: an engine that is fed the candidates alone, in the same batches and at the same times,
finds what it would have found in all rows. A row is a candidate if a rule that cannot be counted coarsely
matches it, or if its key may fire, in any window. Why: docs/explanation/windows-replay.md
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from sessionwarden.correlations.values import grouped_address
from sessionwarden.detection.acceptance import LATE_MS, is_our_refusal
from sessionwarden.detection.windows.plan import build_windows
from sessionwarden.detection.windows.window import Window
from sessionwarden.model.event import Category
from sessionwarden.model.source_network import source_network
from sessionwarden.replay.columns.columns import (
    MISSING,
    Columns,
    Integers,
    Known,
    Numbers,
    TextNumbers,
    among,
    combined,
    replaced,
)
from sessionwarden.replay.passes.coarse_counts import CoarseCount, Counted, Keys
from sessionwarden.replay.passes.column_filters import (
    ColumnFilter,
    compile_column_filter,
    fields_read,
    filter_by_value,
)
from sessionwarden.ruleset.compiled import CompiledRuleset

REFUSAL_FIELDS = ("decision", "reason", "source")
"""What `is_our_refusal` reads."""


class Shape(NamedTuple):
    """The fields of a group key, and whether the pool is one more."""

    fields: tuple[str, ...]
    pooled: bool


class Notes(NamedTuple):
    """What is remembered of the rows of a batch.

    `always` marks those that are candidates whatever else the log holds; `refused` those that the denylist
    refused; `keys` are, by shape, those that make a row a candidate if they may fire, or `MISSING`.
    """

    always: NDArray[np.bool_]
    refused: NDArray[np.bool_]
    keys: Sequence[Keys]


class _Count(NamedTuple):
    """A window that counts rows by keys of a shape, or the values of a field."""

    shape: int
    coarse: CoarseCount
    field: str | None


@dataclass(slots=True)
class _Selected:
    """Rows of one category that match, and the windows that count them; `always` if all are candidates."""

    matching: ColumnFilter
    counts: list[_Count] = field(default_factory=list)
    always: bool = False


class Prefilter:
    """Sees one log once. Raises `RulesetError` for a set that cannot be evaluated.

    `fields` are those that the columns must have numbers for.
    """

    def __init__(self, ruleset: CompiledRuleset, numbering: TextNumbers) -> None:
        self._networks = {
            "source_ip": _Networks(numbering, grouped_address),
            "source_network": _Networks(numbering, source_network),
        }
        self._shapes: list[Shape] = []
        self._counts: list[tuple[set[int], CoarseCount]] = []
        self._selected: dict[tuple[Category, bytes], _Selected] = {}
        self._refusals = filter_by_value(REFUSAL_FIELDS, is_our_refusal)
        windows = build_windows(ruleset)
        for window in windows:
            self._watch(window)
        self.fields = frozenset(REFUSAL_FIELDS).union(*map(_fields_of, windows))
        self._sources = _numbers_of({category for category, _ in self._selected}, numbering)

    def note(self, columns: Columns) -> Notes:
        """Note and count the next rows of the log."""
        rows = np.arange(len(columns.times))
        batch = _Batch(columns, self._networks)
        keys = [batch.keys(shape) for shape in self._shapes]
        counted = [np.zeros(len(rows), np.bool_) for _ in keys]
        always = np.zeros(len(rows), np.bool_)
        for (category, _), selected in self._selected.items():
            here = rows[columns.numbers["source"] == self._sources[category]]
            matching = _matching(selected.matching, columns, here)
            if selected.always:
                always[matching] = True
            for one in selected.counts:
                some = batch.count(one.coarse, keys[one.shape], matching, one.field)
                counted[one.shape][some] = True
        for numbers, known in zip(keys, counted, strict=True):
            numbers[~known] = MISSING
        refused = np.zeros(len(rows), np.bool_)
        refused[self._refusals(columns, rows)] = True
        return Notes(always, refused, keys)

    @property
    def shapes(self) -> int:
        """How many kinds of keys notes have."""
        return len(self._shapes)

    def take(self) -> list[list[Counted]]:
        """What was counted, for another prefilter of the same rules and numbering; this one begins anew."""
        return [coarse.take() for _, coarse in self._counts]

    def merge(self, taken: Sequence[Sequence[Counted]], *, reached_ms: int) -> None:
        """Take in what another prefilter counted, of the next rows of a log that has reached `reached_ms`."""
        for (_, coarse), counted in zip(self._counts, taken, strict=True):
            coarse.merge(counted, accepted_ms=reached_ms - LATE_MS)

    def may_fire(self) -> list[Keys]:
        """By shape, the keys whose rows are candidates, in order."""
        found: list[Keys] = [np.empty(0, np.uint32) for _ in self._shapes]
        for shapes, coarse in self._counts:
            keys = coarse.may_fire()
            for shape in shapes:
                found[shape] = np.union1d(found[shape], keys)
        return found

    def _watch(self, window: Window) -> None:
        # a firing is a member as well, and is not among the rows that are counted here
        always = window.encoding is None or window.least <= 1 or bool(window.inner_windows)
        field = window.value_field if window.encoding is not None and window.encoding.repeats else None
        coarse = CoarseCount(
            timespan_ms=max(window.timespan_ms, 1), least=window.least, of_values=field is not None
        )
        shapes = set()
        for category, expression, fields, _ in window.entries:
            place = category, msgspec.json.encode(expression)
            if place not in self._selected:
                self._selected[place] = _Selected(compile_column_filter(expression))
            if always:
                self._selected[place].always = True
                continue
            shape = self._shape(Shape(fields, window.pooled))
            shapes.add(shape)
            self._selected[place].counts.append(_Count(shape, coarse, field))
        if shapes:
            self._counts.append((shapes, coarse))

    def _shape(self, shape: Shape) -> int:
        if shape not in self._shapes:
            self._shapes.append(shape)
        return self._shapes.index(shape)


class _Batch:
    """Columns, and what is made of them once for all windows."""

    def __init__(self, columns: Columns, networks: Mapping[str, _Networks]) -> None:
        self._columns = columns
        self._rows = len(columns.times)
        self._networks = {
            field: some.of(columns) for field, some in networks.items() if field in columns.numbers
        }

    def keys(self, shape: Shape) -> Keys:
        """The key of each row."""
        values = [self._values(field) for field in shape.fields]
        pool = [self._columns.numbers["pool"]] if shape.pooled else []
        keys = _short(combined((*values, *pool), rows=self._rows))
        for column in values:
            keys[column == MISSING] = MISSING
        return keys

    def count(self, coarse: CoarseCount, keys: Keys, rows: Integers, field: str | None) -> Integers:
        """Count those of the rows that have a key, and a value of `field`; which they are."""
        rows = rows[keys[rows] != MISSING]
        if field is None:
            coarse.add(keys[rows], self._columns.times[rows])
            return rows
        values = self._values(field)
        rows = rows[values[rows] != MISSING]
        coarse.add(keys[rows], self._columns.times[rows], _short(values[rows]))
        return rows

    def _values(self, field: str) -> Numbers:
        return self._networks[field] if field in self._networks else self._columns.numbers[field]


class _Networks:
    """Numbers of addresses as they are grouped: by what `group` makes of each."""

    def __init__(self, numbering: TextNumbers, group: Callable[[str], str]) -> None:
        self._numbering = numbering
        self._group = group
        self._known: Known[int] = Known()

    def of(self, columns: Columns) -> Numbers:
        """The network of each row, or `MISSING`."""

        def networks(new: Sequence[int]) -> list[int]:
            texts = [self._group(columns.value("source_ip", row) or "") for row in new]
            return list(map(int, self._numbering.of_texts(texts)))

        numbers = columns.numbers["source_ip"]
        return replaced(numbers, *self._known.of(numbers, networks))


def candidate_rows(notes: Notes, may_fire: Sequence[Keys]) -> Integers:
    """The rows of a batch that the second pass must see, once the whole log has been seen."""
    candidates = notes.always.copy()
    for keys, some in zip(notes.keys, may_fire, strict=True):
        candidates |= among(keys, some)
    return np.flatnonzero(candidates)


def _short(numbers: Numbers) -> Keys:
    """32 bits of each, which are `MISSING` for none."""
    # stirred, as MurmurHash3 does at its end: near texts have numbers that differ in a few bits only
    mixed = (numbers ^ numbers >> np.uint64(33)) * np.uint64(0xFF51AFD7ED558CCD)
    mixed ^= mixed >> np.uint64(29)
    short: Keys = np.maximum(mixed >> np.uint64(32), 1).astype(np.uint32)
    return short


def _fields_of(window: Window) -> frozenset[str]:
    read = {field for entry in window.entries for field in (*entry.fields, *fields_read(entry.expression))}
    return frozenset(read | {"pool", "source_ip"} | ({window.value_field} if window.value_field else set()))


def _numbers_of(texts: Collection[str], numbering: TextNumbers) -> dict[str, int]:
    return dict(zip(texts, numbering.of_texts(texts).tolist(), strict=True))


def _matching(matching: ColumnFilter, columns: Columns, rows: Integers) -> Integers:
    try:
        return matching(columns, rows)
    except Exception:  # a rule that raises on one of them: the second pass will say on which
        return rows
