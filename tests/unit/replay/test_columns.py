"""Numbers for texts, and what is done with them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from sessionwarden.model.event import Event
from sessionwarden.replay.columns.columns import (
    MISSING,
    PADDING,
    EventColumns,
    JoinedColumns,
    Known,
    TextNumbers,
    among,
    combined,
    distinct,
    replaced,
)

NUMBERING = TextNumbers(1)
TEXTS = ["", "a", "b", "aaaaaaaa", "aaaaaaab", "192.0.2.1", "x" * 127, "x" * 128, "x" * 129, "x" * 5_000, "é"]


def of(*texts: str) -> list[int]:
    return [int(number) for number in NUMBERING.of_texts(texts)]


def test_the_number_of_a_text_depends_on_nothing_but_the_text() -> None:
    alone = [of(text)[0] for text in TEXTS]

    assert of(*TEXTS) == alone
    assert of(*reversed(TEXTS)) == alone[::-1]
    assert MISSING not in alone


def test_texts_of_several_fields_are_numbered_as_each_is_alone() -> None:
    buffer = b"user-one/a" + b"user-two/path/that/is/longer" + PADDING
    starts, lengths = np.array([[0, 10], [8, 18]]), np.array([[8, 8], [2, 20]])

    found = NUMBERING.of_spans(buffer, starts, lengths)

    assert found.tolist() == [of("user-one", "user-two"), of("/a", "/path/that/is/longer")]


def test_no_text_is_read_beyond_the_end_of_the_buffer() -> None:
    text = "z" * 120

    assert NUMBERING.of_texts([text, "z"]).tolist() == of(text) + of("z")


def test_near_texts_have_different_numbers() -> None:
    texts = ["".join(letters) for length in range(4) for letters in product("abcd@", repeat=length)]
    texts += [f"198.18.{third}.{fourth}" for third in range(50) for fourth in range(256)]
    texts += [text * 16 for text in ("ab", "ba", "aa", "bb")]

    assert len(set(of(*texts))) == len(texts)


def test_another_secret_gives_other_numbers() -> None:
    others = TextNumbers(2).of_texts(TEXTS[1:]).tolist()

    assert not set(others) & set(of(*TEXTS[1:]))


def test_what_is_missing_has_no_number_and_an_empty_list_has_one() -> None:
    events = [
        Event(id="1", time=5, source="api_access", user="u", groups=()),
        Event(id="2", time=6, source="api_access", status=200),
    ]
    columns = EventColumns(events, ["user", "groups", "status"], NUMBERING)

    assert columns.numbers["user"].tolist() == [*of("u"), MISSING]
    assert columns.numbers["groups"].tolist() == [*of(""), MISSING]
    assert columns.numbers["status"].tolist() == [MISSING, *of("200")]
    assert columns.times.tolist() == [5, 6]


def test_joined_columns_are_those_of_their_parts_one_behind_the_other() -> None:
    events = [
        Event(id=str(number), time=number, source="api_access", user="abc"[number % 3]) for number in range(7)
    ]
    parts = [EventColumns(some, ["user"], NUMBERING) for some in (events[:3], events[3:4], events[4:])]

    joined, whole = JoinedColumns(parts), EventColumns(events, ["user"], NUMBERING)

    assert joined.times.tolist() == whole.times.tolist()
    assert joined.numbers["user"].tolist() == whole.numbers["user"].tolist()
    assert [joined.value("user", row) for row in range(7)] == [event.user for event in events]


def test_the_order_of_combined_numbers_counts() -> None:
    one, other = NUMBERING.of_texts(["one"]), NUMBERING.of_texts(["other"])

    assert combined([one, other], rows=1) != combined([other, one], rows=1)
    assert combined([], rows=2).tolist() == [1, 1]


@pytest.mark.parametrize("count", [0, 1, 3, 8, 9, 200])
def test_among_and_distinct_are_those_of_sets(count: int) -> None:
    random = np.random.default_rng(count)
    numbers = random.integers(0, 300, 500, dtype=np.uint64)
    some = distinct(random.integers(0, 300, count, dtype=np.uint64))

    assert some.tolist() == sorted(set(some.tolist()))
    assert among(numbers, some).tolist() == [number in set(some.tolist()) for number in numbers.tolist()]


def test_only_what_is_new_is_worked_out_and_from_a_place_that_has_it() -> None:
    known: Known[int] = Known()
    asked: list[int] = []
    numbers = np.array([9, 4, 9, 7], np.uint64)

    def work_out(places: object) -> list[int]:
        assert isinstance(places, list)
        asked.extend(int(numbers[place]) for place in places)
        return [int(numbers[place]) * 10 for place in places]

    assert (known.of(numbers, work_out)[1], asked) == ([40, 70, 90], [4, 7, 9])
    numbers = np.array([9, 8], np.uint64)
    assert (known.of(numbers, work_out)[1], asked) == ([80, 90], [4, 7, 9, 8])


def test_numbers_are_replaced_once_and_what_is_missing_stays() -> None:
    numbers = np.array([3, MISSING, 5, 3], np.uint64)

    found = replaced(numbers, np.array([MISSING, 3, 5], np.uint64), [1, 5, 6])

    assert found.tolist() == [5, MISSING, 6, 5]


def test_two_lists_of_other_texts_have_other_numbers_though_they_read_alike() -> None:
    events = [
        Event(id=f"e{number}", time=1, source="api_authorizer", groups=groups)
        for number, groups in enumerate([("a b",), ("a", "b"), ("a b",), None])
    ]

    first, second, third, none = EventColumns(events, {"groups"}, TextNumbers(1)).numbers["groups"].tolist()

    assert first == third != second
    assert none == MISSING
