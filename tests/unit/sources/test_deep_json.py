"""JSON nested as deeply as a stack, wherever a text from outside is decoded: it fails alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from functions.detect.detector import Detector
from functions.detect.live_rules import InUse
from functions.ingest.records import read_records
from sessionwarden.adapters.memory.windows import MemoryWindowStore
from sessionwarden.authoring.event_input import read_event
from sessionwarden.detection.engine import Engine
from sessionwarden.errors import RulesetError, SourceError, WrongArgumentError
from sessionwarden.model.finding import Finding
from sessionwarden.replay.formats import MappedJson
from sessionwarden.replay.log_lines import LineReader, QuarantinedLine
from sessionwarden.ruleset.load import load_ruleset
from sessionwarden.sources import cloudwatch
from sessionwarden.sources.access_log.line import format_access_line, parse_access_line
from sessionwarden.sources.authorizer_log import parse_decision_line
from sessionwarden.sources.cloudwatch import LogRecord, open_payload
from sessionwarden.sources.mapping_file import load_mapping
from sessionwarden.sources.strict_json import read_flat_object
from tests.support.detection import START, event, events, rule, ruleset

SHAPES: dict[str, Callable[[int], str]] = {
    "arrays": lambda depth: "[" * depth + "]" * depth,
    "objects": lambda depth: '{"a":' * depth + "1" + "}" * depth,
    "alternating": lambda depth: '[{"a":' * (depth // 2) + "1" + "}]" * (depth // 2),
    "never closed": lambda depth: "[" * depth,
    "objects never closed": lambda depth: '{"a":' * depth,
    "wide and deep": lambda depth: '[1,"x",' * depth + "2" + "]" * depth,
}
DEPTHS = [*range(sys.getrecursionlimit() - 120, sys.getrecursionlimit() + 20, 4), 400, 5_000, 100_000]


def deeply(shape: str) -> list[str]:
    return [SHAPES[shape](depth) for depth in DEPTHS]


def from_a_deep_stack(frames: int, call: Callable[[], Any]) -> Any:
    return call() if frames == 0 else from_a_deep_stack(frames - 1, call)


class Nowhere:
    """Takes findings and copies, and keeps the users."""

    def __init__(self) -> None:
        self.users: list[str] = []

    def emit(self, findings: Any) -> None:
        self.users += [finding.key["user"] for finding in findings]

    def publish(self, detail_type: str, details: Any) -> None:
        for detail in details:
            msgspec.json.decode(detail, type=Finding)


class Steady:
    def look(self) -> InUse:
        engine = Engine(ruleset(rule()), MemoryWindowStore())
        return InUse(engine=engine, digest="digest", origin="published")


def envelope(detail: str, *, more: str = "") -> str:
    return f'{{"source":"sessionwarden.ingest","detail-type":"Events",{more}"detail":{detail}}}'


def pack(*happened: Any) -> str:
    return envelope(msgspec.json.encode({"version": 1, "events": happened}).decode())


@pytest.mark.parametrize("frames", [0, 300, 700])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_message_fails_alone_and_the_rest_of_its_batch_is_found(shape: str, frames: int) -> None:
    nowhere = Nowhere()
    detector = Detector(rules=Steady(), sink=nowhere, bus=nowhere, clock=lambda: START)
    bad: list[str] = []
    for deep in deeply(shape):
        bad += [
            deep,
            envelope(deep),
            envelope(f'{{"version":1,"events":{deep}}}'),
            envelope(f'{{"version":1,"events":[{deep}]}}'),
            envelope(f'{{"version":1,"events":[{{"id":"x","time":1,"source":"identity","user":{deep}}}]}}'),
            envelope(f'{{"version":1,"events":[],"more":{deep}}}'),
            envelope('{"version":1,"events":[]', more=f'"resources":{deep},'),
        ]
    bodies = [*bad, *(pack(one) for one in events(3)), *bad]
    report = from_a_deep_stack(frames, lambda: detector.handle(bodies))
    good = {len(bad), len(bad) + 1, len(bad) + 2}
    assert nowhere.users == ["alice"]
    assert report.errors.keys() == set(range(len(bodies))) - good


@pytest.mark.parametrize("shape", SHAPES)
def test_the_good_events_of_a_pack_are_found_beside_a_deep_one(shape: str) -> None:
    for deep in deeply(shape)[:3]:
        good = ",".join(msgspec.json.encode(one).decode() for one in events(3))
        nowhere = Nowhere()
        detector = Detector(rules=Steady(), sink=nowhere, bus=nowhere, clock=lambda: START)
        report = detector.handle([envelope(f'{{"version":1,"events":[{good},{{"id":{deep}}}]}}')])
        assert report.errors.keys() == {0}
        assert nowhere.users in (["alice"], [])  # unless the pack is beyond the stack itself


def test_a_body_with_half_a_character_fails_alone() -> None:
    nowhere = Nowhere()
    detector = Detector(rules=Steady(), sink=nowhere, bus=nowhere, clock=lambda: START)
    report = detector.handle(["\ud800", *(pack(one) for one in events(3)), pack(event(9)) + "\udfff"])
    assert report.errors.keys() == {0, 4}
    assert nowhere.users == ["alice"]


MAPPING = load_mapping("fields: {user: sub}\ntime: {key: t, unit: ms}\n", file="m.yml")
READERS: dict[str, Callable[[str], object]] = {
    "flat object": read_flat_object,
    "access log": lambda text: parse_access_line(text, now_ms=START),
    "access log's head": lambda text: parse_access_line(f'{{"v":{text}}}\t"/"\t"-"', now_ms=START),
    "mapped line": lambda text: MappedJson(mapping=MAPPING, now_ms=START).parse_line(text, 1),
    "mapped value": lambda text: MappedJson(mapping=MAPPING, now_ms=START).parse_line(
        f'{{"t":{START},"sub":{text}}}', 1
    ),
    "decision line": lambda text: parse_decision_line(
        f'{{"type":"sessionwarden.decision","v":1,"user":{text}}}', now_ms=START
    ),
}


@pytest.mark.parametrize("frames", [0, 300, 700])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reader", READERS)
def test_a_line_is_refused_with_a_reason(reader: str, shape: str, frames: int) -> None:
    for text in deeply(shape):
        with pytest.raises(SourceError):
            from_a_deep_stack(frames, lambda text=text: READERS[reader](text))  # type: ignore[misc]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_tail_costs_only_its_own_fields(shape: str) -> None:
    line = format_access_line(event(1))
    head = line.partition("\t")[0]
    for text in (text for text in deeply(shape) if len(text) < 20_000):
        found = parse_access_line(f"{head}\t{text}\t{text}", now_ms=START)
        assert (found.id, found.path, found.user_agent) == (event(1).id, None, None)


@pytest.mark.parametrize("kind", ["http_api", "authorizer"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_record_is_quarantined_alone(kind: Any, shape: str) -> None:
    bad = [f'{{"type":"sessionwarden.decision","v":{text}}}' for text in deeply(shape)]
    good = {
        "http_api": format_access_line(event(1)),
        "authorizer": f'{{"type":"sessionwarden.decision","v":1,"id":"d","time":{START},"decision":"allow"}}',
    }[kind]
    records = [LogRecord(id=str(number), message=text) for number, text in enumerate([*bad, good])]
    delivery = read_records(records, kind, now_ms=START)
    assert len(delivery.events) == 1
    assert [line.record_id for line in delivery.quarantined] == [str(number) for number in range(len(bad))]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_payload_is_refused_with_a_reason(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in deeply(shape):
        payload = f'{{"messageType":"DATA_MESSAGE","logGroup":"g","x":{text},"logEvents":1}}'.encode()
        monkeypatch.setattr(cloudwatch, "_inflate", lambda _, payload=payload: payload)
        with pytest.raises(SourceError, match="bad_payload"):
            open_payload({"awslogs": {"data": ""}})


@pytest.mark.parametrize("shape", SHAPES)
def test_replay_quarantines_a_line_and_reads_its_neighbours(shape: str) -> None:
    refused: list[QuarantinedLine] = []
    reader = LineReader(MappedJson(mapping=MAPPING, now_ms=START), refused.append)
    bad = [f'{{"t":{START},"sub":{text}}}' for text in deeply(shape)]
    good = f'{{"t":{START},"sub":"alice"}}'
    found = reader.read("\n".join([*bad, good]).encode(), file="log", first_line=1)
    assert [one.user for one in found] == ["alice"]
    assert len(refused) == len(bad)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_event_on_the_command_line_is_a_wrong_argument(shape: str, tmp_path: Path) -> None:
    for text in deeply(shape):
        with pytest.raises(WrongArgumentError):
            read_event(f'{{"user":{text}}}', log=None)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_published_rule_set_is_refused(shape: str) -> None:
    for text in deeply(shape):
        with pytest.raises(RulesetError):
            load_ruleset(f'{{"format":2,"digest":"","rules":{text}}}'.encode())
