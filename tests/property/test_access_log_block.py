"""Lines read many at a time against the same lines read one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionwarden.errors import SourceError
from sessionwarden.model.event import Event
from sessionwarden.sources.access_log.block import parse_access_block
from sessionwarden.sources.access_log.line import Head, format_access_line, parse_access_line

NOW = 1_760_000_000_000
PLAIN = format_access_line(
    Event(
        id="r1",
        time=NOW,
        source="api_access",
        route="GET /a",
        status=200,
        user="alice",
        source_ip="192.0.2.1",
        path="/a",
        user_agent="curl",
    )
)
HEAD, PATH, AGENT = PLAIN.split("\t")


def one_by_one(lines: list[str]) -> list[Event] | None:
    try:
        return [parse_access_line(line, now_ms=NOW) for line in lines]
    except SourceError:
        return None


def at_once_or_not_at_all(lines: list[str]) -> list[Event] | None:
    return parse_access_block("\n".join(lines).encode("utf-8", "surrogatepass"), now_ms=NOW)


# what a forger would try: records smuggled in, swallowed, split over lines, keys twice, other types
fragments = st.sampled_from(
    [
        *('"', '""', "\\", '\\"', ",", "}", "{", "]", "[", "},{", "\t", "\r", " ", ":", "\x7f", "\x00"),
        *("null", "200", "0200", "-", "1,2", "²", "-1", "9" * 17, "9007199254740992", " -", "é", "\ud800"),
        *(f",{HEAD}", f",{HEAD}\t{PATH}\t{AGENT}", '"user":"bob",', ',"user":"bob"', '"x","y"', '"},{"v":"1'),
    ]
)


@st.composite
def mangled(draw: st.DrawFn) -> str:
    """The plain line with a few pieces put in, cut out or put in place of a value."""
    line = PLAIN
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(line)))
        end = draw(st.sampled_from([start, start + 1, start + 8, len(line)]))
        line = line[:start] + draw(fragments | st.just("")) + line[end:]
    return line


@st.composite
def with_other_values(draw: st.DrawFn) -> str:
    line = PLAIN
    for name in draw(st.lists(st.sampled_from(Head.__struct_fields__), max_size=3)):
        before, _, rest = line.partition(f'"{name}":"')
        value, _, after = rest.partition('"')
        line = f'{before}"{name}":"{draw(fragments | st.just(value) | st.just(""))}"{after}'
    return line


@given(st.lists(st.just(PLAIN) | mangled() | with_other_values(), min_size=1, max_size=4))
def test_lines_read_at_once_are_the_events_that_they_are_one_by_one(lines: list[str]) -> None:
    at_once = at_once_or_not_at_all(lines)
    assert at_once is None or at_once == one_by_one(lines)


@pytest.mark.parametrize(
    "lines",
    [
        [PLAIN] * 3,
        [PLAIN, f"{HEAD}\t\t"],
        [PLAIN, f'{HEAD}\t"/a\\"b"\t"-"'],
        [PLAIN, f'{HEAD}\t"/a/eyJa.eyJb.c"\t"eyJa%2eeyJb%2ec x"', PLAIN],
        [f'{HEAD}\t"/a","/b"\tno string', PLAIN],
        [HEAD.replace('"alice"', '"-"').replace('"200"', '""') + '\t"-"\t""', PLAIN + "\r"],
        [HEAD.replace("GET /a", "GET -") + f"\t{PATH}\t{AGENT}"],
    ],
)
def test_sound_heads_are_read_at_once_whatever_is_behind_them(lines: list[str]) -> None:
    at_once = at_once_or_not_at_all(lines)
    assert at_once is not None
    assert at_once == one_by_one([line.rstrip("\r") for line in lines])


def test_line_ends_of_windows_change_no_value() -> None:
    lines = [f'{HEAD}\t"/a\\"b"\t"-"', f'{HEAD}\t"-"\tno string', PLAIN]

    assert at_once_or_not_at_all([f"{line}\r" for line in lines]) == one_by_one(lines)


@pytest.mark.parametrize(
    "lines",
    [
        # a path that is a whole head takes the place of one, beside a line that lacks a part
        [f"{HEAD}\t{PATH}", f"{AGENT}\t{HEAD}\t{PATH}\t{AGENT}"],
        [f"{HEAD}\t{PATH}", f"{HEAD}\t{HEAD}\t{PATH}\t{AGENT}"],
        [PLAIN, "", PLAIN],
        ["", PLAIN],
    ],
)
def test_no_part_of_a_line_is_taken_for_one_of_its_neighbour(lines: list[str]) -> None:
    assert at_once_or_not_at_all(lines) is None


@pytest.mark.parametrize(
    "heads",
    [
        # one record over two lines, beside a line with two
        [HEAD[:30], HEAD[30:], f"{HEAD},{HEAD}"],
        [f"{HEAD[:-1]},", f"{HEAD[1:]}", HEAD],
        # a key twice in one, none less in the other
        [HEAD.replace('"user":', '"user":"bob","user":'), HEAD],
        [HEAD.replace('"user":"alice",', ""), HEAD.replace('"user":', '"user":"bob","user":')],
        [HEAD.replace('"200"', "200"), HEAD.replace('"user":', '"groups":[],"user":')],
    ],
)
def test_no_line_smuggles_a_record_in_or_a_key(heads: list[str]) -> None:
    lines = [f"{head}\t{PATH}\t{AGENT}" for head in heads]
    assert at_once_or_not_at_all(lines) is None
