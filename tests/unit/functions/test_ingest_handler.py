from __future__ import annotations

import base64
import gzip
import io
import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from functions.ingest import handler as ingest
from functions.ingest.settings import Settings
from functions.service_clock import ServiceClock
from sessionwarden.errors import DeliveryError, SettingsError, SourceError
from sessionwarden.model.event import Event, EventPack
from sessionwarden.sources.access_log.line import format_access_line

NOW = 1_760_000_000_000
CONTEXT: Any = SimpleNamespace(
    function_name="ingest", memory_limit_in_mb=256, invoked_function_arn="arn", aws_request_id="r-1"
)
GROUPS = {"/access/http": "http_api", "/access/rest": "rest_api", "/aws/lambda/authorizer": "authorizer"}
DECISION = {
    "type": "sessionwarden.decision",
    "v": 1,
    "id": "d",
    "time": NOW,
    "decision": "allow",
    "user": "u",
}


class Bus:
    """Keeps what is published, or refuses everything."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.published: list[tuple[str, Sequence[bytes]]] = []

    def publish(self, detail_type: str, details: Sequence[bytes]) -> None:
        if self.error is not None:
            raise self.error
        self.published.append((detail_type, details))

    @property
    def events(self) -> list[Event]:
        packs = [
            msgspec.json.decode(detail, type=EventPack) for _, details in self.published for detail in details
        ]
        return [event for pack in packs for event in pack.events]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(ingest.logger.registered_handler, "stream", stream)
    return stream


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Bus:
    bus = Bus()
    environment = {"SESSIONWARDEN_LOG_GROUPS": json.dumps(GROUPS), "SESSIONWARDEN_BUS": "bus"}
    monkeypatch.setattr(ingest, "settings", lambda: Settings.from_environment(environment))
    monkeypatch.setattr(ingest, "publisher", lambda: bus)
    monkeypatch.setattr(ingest, "clock", ServiceClock(lambda: NOW))
    return bus


def delivery(log_group: str, *messages: str, message_type: str = "DATA_MESSAGE") -> dict[str, Any]:
    events = [{"id": f"e{number}", "timestamp": NOW, "message": text} for number, text in enumerate(messages)]
    payload = {"messageType": message_type, "logGroup": log_group, "logEvents": events}
    return {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(payload).encode())).decode()}}


def access_line(number: int = 0) -> str:
    return format_access_line(Event(id=f"r{number}", time=NOW, source="api_access", user="u", status=200))


def deliver(event: dict[str, Any]) -> None:
    ingest.lambda_handler(event, CONTEXT)


@pytest.mark.parametrize("log_group", ["/access/http", "/access/rest"])
def test_access_lines_reach_the_bus_as_packs(bus: Bus, log_group: str) -> None:
    deliver(delivery(log_group, access_line(1), access_line(2) + "\n"))
    assert [detail_type for detail_type, _ in bus.published] == ["Events"]
    assert [(event.id, event.source) for event in bus.events] == [("r1", "api_access"), ("r2", "api_access")]


def test_of_the_authorizers_lines_only_decisions_reach_the_bus(
    bus: Bus, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver(delivery("/aws/lambda/authorizer", "START RequestId: 1", json.dumps(DECISION) + "\n", "REPORT"))
    assert [(event.id, event.source) for event in bus.events] == [("d", "api_authorizer")]
    assert metric(capsys.readouterr().out, "Quarantined") == 0


BAD_LINES = {
    "not_json": "no json",
    "duplicate_key": access_line().replace('"user":"u"', '"user":"u","user":"v"'),
    "missing_field": access_line().replace('"user":"u",', ""),
    "control_character": access_line().replace('"user":"u"', '"user":"u\\u0000"'),
    "line_too_long": access_line().replace('"user":"u"', f'"user":"{"u" * 1_000_000}"'),
    "time_out_of_range": access_line().replace(str(NOW), "0"),
}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n"])
def test_line_ends_behind_a_record_change_nothing(bus: Bus, end: str) -> None:
    deliver(delivery("/access/http", access_line(1) + end, access_line(2) + end))
    assert [event.id for event in bus.events] == ["r1", "r2"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_end_within_a_record_does_not_make_two_events_of_it(bus: Bus, end: str) -> None:
    forged = access_line(1) + end + access_line(2)
    deliver(delivery("/access/http", access_line(0), forged))
    # the head of the record counts, and what a client put behind it is at most its user agent
    assert [event.id for event in bus.events] == ["r0", "r1"]


def test_a_record_that_is_half_of_two_lines_takes_no_other_along(
    bus: Bus, capsys: pytest.CaptureFixture[str]
) -> None:
    line = access_line(1)
    deliver(delivery("/access/http", line[:40], line[40:], access_line(2)))
    assert [event.id for event in bus.events] == ["r2"]
    assert metric(capsys.readouterr().out, "Quarantined") == 2


@pytest.mark.parametrize("reason", BAD_LINES)
def test_one_bad_line_is_quarantined_and_the_rest_of_the_batch_goes_on(
    bus: Bus, log: io.StringIO, capsys: pytest.CaptureFixture[str], reason: str
) -> None:
    deliver(delivery("/access/http", access_line(1), BAD_LINES[reason], access_line(2)))
    output = capsys.readouterr().out
    assert [event.id for event in bus.events] == ["r1", "r2"]
    assert metric(output, "Events") == 2
    assert metric(output, "Quarantined") == 1
    assert metric(output, "QuarantinedByReason", reason=reason) == 1
    warning = json.loads(log.getvalue())
    assert (warning["log_event_id"], warning["reason"]) == ("e1", reason)


def test_a_flood_of_bad_lines_does_not_flood_our_own_log_nor_leak_into_it(
    bus: Bus, log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver(delivery("/access/http", *["secret-token"] * 5_000))
    assert metric(capsys.readouterr().out, "Quarantined") == 5_000
    assert len(log.getvalue().splitlines()) == ingest.MAX_LOGGED_LINES
    assert "secret-token" not in log.getvalue()


def test_lines_of_a_log_group_that_nobody_configured_are_quarantined(
    bus: Bus, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver(delivery("/somebody/else", access_line()))
    assert bus.events == []
    assert metric(capsys.readouterr().out, "QuarantinedByReason", reason="unknown_log_group") == 1


def test_a_control_message_publishes_nothing(bus: Bus) -> None:
    deliver(delivery("/access/http", "CWL CONTROL MESSAGE", message_type="CONTROL_MESSAGE"))
    assert bus.events == []


def test_a_bus_that_refuses_makes_the_delivery_fail_so_that_it_is_tried_again(bus: Bus) -> None:
    bus.error = DeliveryError("refused")
    with pytest.raises(DeliveryError):
        deliver(delivery("/access/http", access_line()))


def test_a_payload_that_cannot_be_opened_fails_so_that_the_destination_keeps_it(bus: Bus) -> None:
    with pytest.raises(SourceError):
        deliver({"awslogs": {"data": "AAAA"}})


@pytest.mark.parametrize("log_groups", ["", "{}", "[]", '{"/g": "websocket"}', "not json"])
def test_a_wrong_setting_is_refused(log_groups: str) -> None:
    with pytest.raises(SettingsError, match="SESSIONWARDEN_LOG_GROUPS"):
        Settings.from_environment({"SESSIONWARDEN_BUS": "bus", "SESSIONWARDEN_LOG_GROUPS": log_groups})


def metric(output: str, name: str, **dimensions: str) -> float:
    """The value of a metric in the embedded metric format on standard output."""
    found = []
    for line in map(json.loads, output.splitlines()):
        if "_aws" in line and name in line and dimensions.items() <= line.items():
            value = line[name]
            found.append(value[0] if isinstance(value, list) else value)
    [only] = found
    return float(only)


def test_a_clock_that_is_minutes_behind_quarantines_no_line_and_is_reported(
    bus: Bus, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "clock", ServiceClock(lambda: NOW - 20 * 60_000))
    ingest.lambda_handler(delivery("/access/http", access_line()), CONTEXT)
    assert [event.id for event in bus.events] == ["r0"]
    assert '"ClockDiffers":[1.0]' in capsys.readouterr().out.replace(" ", "")


def counted(capsys: pytest.CaptureFixture[str], name: str) -> list[dict[str, Any]]:
    """What was counted under a name, with its dimensions alone."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    return [
        {key: line[key] for key in line["_aws"]["CloudWatchMetrics"][0]["Dimensions"][0]} | {name: line[name]}
        for line in lines
        if name in line
    ]


def test_lines_are_counted_by_log_group_also_those_that_are_not_believed(
    bus: Bus, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "warden-ingest")
    ingest.lambda_handler(delivery("/access/http", access_line(), "not ours"), CONTEXT)
    assert counted(capsys, "Lines") == [
        {"service": "warden-ingest", "log_group": "/access/http", "Lines": [2]},
    ]


def test_decisions_are_counted_for_the_rest_apis_that_are_watched_and_for_no_others(
    bus: Bus, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        json.dumps(DECISION | {"id": str(n), "api_id": api}) for n, api in enumerate(("rest", "rest", "http"))
    ]
    ingest.lambda_handler(delivery("/aws/lambda/authorizer", *lines), CONTEXT)
    assert counted(capsys, "Decisions") == [{"api_id": "rest", "Decisions": [2]}]


def test_a_log_group_that_is_not_watched_is_counted_as_no_log(
    bus: Bus, capsys: pytest.CaptureFixture[str]
) -> None:
    ingest.lambda_handler(delivery("/elsewhere", access_line()), CONTEXT)
    assert counted(capsys, "Lines") == []
