from __future__ import annotations

import pytest

from benchmarks.scale import PARTS, RATES, Part, carries, first_to_saturate, memory, order, table
from tests.support.paths import PROJECT

PAGE, RESULTS = PROJECT / "docs/explanation/scale.md", PROJECT / "benchmarks/RESULTS.md"


def test_the_page_shows_what_the_script_prints() -> None:
    assert table() in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("printed", [order(), memory()], ids=["order", "memory"])
def test_the_results_show_what_the_script_prints(printed: str) -> None:
    assert printed in RESULTS.read_text(encoding="utf-8")


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_no_part_is_asked_for_less_when_traffic_grows(part: Part) -> None:
    needs = [part.need(rate) for rate in RATES]
    assert needs == sorted(needs)
    assert needs[0] > 0


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_carries_as_much_as_its_limit_allows(part: Part) -> None:
    assert part.need(round(carries(part))) == pytest.approx(part.limit, rel=0.01)


def test_what_is_beyond_its_limit_is_bold_and_what_is_not_is_not() -> None:
    part = Part("part", lambda rate: rate, 1_000, "knob")
    (row,) = [line for line in table([part]).splitlines() if line.startswith("| part")]
    assert row == "| part | 1,000 | 100 | 1,000 | **10,000** | **100,000** | knob |"


def test_the_part_nearest_to_its_limit_is_named() -> None:
    for rate in RATES:
        first = first_to_saturate(rate)
        assert all(part.need(rate) / part.limit <= first.need(rate) / first.limit for part in PARTS)
