"""Lines read as columns against the events of the same lines."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sessionwarden.model.event import FIELDS, Event
from sessionwarden.replay.columns.access_log import AccessLogColumns
from sessionwarden.replay.columns.line_columns import LineColumns
from sessionwarden.sources.access_log.block import parse_access_block
from sessionwarden.sources.access_log.line import format_access_line, parse_access_line
from tests.property.test_access_log_block import HEAD, NOW, PATH, PLAIN, mangled, with_other_values
from tests.support.columns import NUMBERING, assert_columns_of


def columns_of(lines: list[str]) -> LineColumns | None:
    reader = AccessLogColumns(FIELDS, NUMBERING, now_ms=NOW)
    return reader.read("\n".join(lines).encode("utf-8", "surrogatepass"))


def check(lines: list[str], columns: LineColumns) -> None:
    events = parse_access_block("\n".join(lines).encode(), now_ms=NOW)
    assert events == [parse_access_line(line, now_ms=NOW) for line in lines]
    assert_columns_of(columns, lines, events, fields=FIELDS)


ours = st.builds(
    lambda **values: format_access_line(Event(source="api_access", **values)),
    id=st.text("abc=/", min_size=1, max_size=20).filter(lambda text: text != "-"),
    time=st.integers(NOW - 10**9, NOW),
    source_ip=st.sampled_from([None, "192.0.2.1", "10.1.255.3", "2001:db8::1", "::ffff:192.0.2.9"]),
    route=st.sampled_from([None, "GET /a", "GET -", "POST /a/{id}", "$default"]),
    method=st.sampled_from(["GET", "POST", None]),
    status=st.sampled_from([None, 0, 7, 200, 404]),
    response_bytes=st.none() | st.integers(0, 10**10),
    latency_ms=st.none() | st.integers(0, 10**5),
    user=st.sampled_from([None, "alice", "b" * 36]),
    session=st.sampled_from([None, "s-1"]),
    pool=st.sampled_from([None, "pool"]),
    decision=st.sampled_from([None, "allow", "deny", "maybe"]),
    reason=st.sampled_from([None, "ok", "signed_out"]),
    path=st.none() | st.text("/ab.%2{}", min_size=1, max_size=200),
    user_agent=st.sampled_from([None, "curl/8", "-", "Mozilla/5.0 (X11) " + "x" * 150]),
)


@given(st.lists(ours | st.just(PLAIN), min_size=1, max_size=6))
def test_what_api_gateway_writes_has_the_columns_of_its_events(lines: list[str]) -> None:
    columns = columns_of(lines)
    assert columns is not None
    check(lines, columns)


@given(st.lists(st.just(PLAIN) | mangled() | with_other_values() | ours, min_size=1, max_size=4))
@example([PLAIN.replace('"192.0.2.1"', '"2001:DB8:0::1"')])
@example([PLAIN.replace('"200"', '"12345678901234567"')])
@example([PLAIN.replace('"200"', '"9007199254740991"')])
def test_what_is_read_as_columns_has_those_of_its_events(lines: list[str]) -> None:
    columns = columns_of(lines)
    if columns is not None:
        check(lines, columns)


@pytest.mark.parametrize(
    "line",
    [
        PLAIN.replace('"v":"1"', '"v":"2"'),
        PLAIN.replace('"user":"alice"', '"user": "alice"'),
        PLAIN.replace('"user"', '"uses"'),
        PLAIN.replace('"192.0.2.1"', '"192.0.2.256"'),
        PLAIN.replace('"200"', '"0200"'),
        PLAIN.replace('"200"', '"2O0"'),
        PLAIN.replace('"200"', '"20:"'),
        PLAIN.replace('"200"', '"20/"'),
        PLAIN.replace('"200"', '"99999999999999999"'),
        PLAIN.replace('"r1"', '""'),
        PLAIN.replace('"r1"', '"-"'),
        PLAIN.replace('"r1"', f'"{"r" * 129}"'),
        PLAIN.replace(str(NOW), str(NOW)[:-1]),
        PLAIN.replace(str(NOW), str(NOW)[:-1] + "x"),
        PLAIN.replace(str(NOW), "1" + str(NOW)[1:-1] + "0" + "0"),
        PLAIN.replace(str(NOW), str(NOW + 400_000)),
        PLAIN.replace('"/a"', '"/é"'),
        PLAIN.replace('"/a"', '"/\x01"'),
        PLAIN.replace('"/a"', '"/\x7f"'),
        PLAIN.replace('"/a"', r'"/\u0041"'),
        PLAIN.replace('"/a"', '"/eyJa.eyJb.c"'),  # an event holds a marker instead
        PLAIN.replace('"/a"', f'"/{"a" * 10_241}"'),
        PLAIN.replace('"alice"', f'"{"a" * 4_096}"'),
        f"{HEAD}\t{PATH}\t",
        f"{HEAD} \t{PATH}\t{PATH}",
        PLAIN + "\r",
        PLAIN + " ",
        "\ufeff" + PLAIN,
        "",
    ],
)
def test_a_line_that_is_not_exactly_as_written_makes_none_of_its_block(line: str) -> None:
    assert columns_of([PLAIN, PLAIN]) is not None
    assert columns_of([line]) is None
    assert columns_of([PLAIN, line, PLAIN]) is None


def test_no_part_of_a_line_is_taken_for_one_of_its_neighbour() -> None:
    agent = PLAIN.split("\t")[2]

    assert columns_of([f"{HEAD}\t{PATH}", f"{agent}\t{HEAD}\t{PATH}\t{agent}"]) is None
    assert columns_of([HEAD[:30], HEAD[30:] + f"\t{PATH}\t{agent}", f"{PATH}\t{agent}"]) is None
    assert columns_of([PLAIN, PLAIN[: len(PLAIN) // 2], PLAIN[len(PLAIN) // 2 :]]) is None
