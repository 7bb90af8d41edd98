from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import msgspec
import pytest
from moto import mock_aws

from functions.detect import handler as detect
from functions.detect.detector import Detector
from functions.detect.live_rules import InUse
from functions.detect.settings import MEMORY_SIZE, Settings
from functions.service_clock import ServiceClock
from functions.settings import CODE
from sessionwarden.adapters.aws.appconfig import ConfigurationIds
from sessionwarden.adapters.memory.windows import MemoryWindowStore
from sessionwarden.detection.engine import Engine
from sessionwarden.detection.storage.admission import NEW_KEYS_PER_MINUTE, Admission
from sessionwarden.detection.storage.placement import SHARED_LOG_FORMAT
from sessionwarden.detection.storage.shared_log_size import SHARED_LOG_LIMIT
from sessionwarden.errors import DeliveryError, SettingsError, StoreError
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.ruleset.load import canonical_json, digest_of
from tests.support.detection import HOUR, MINUTE, START, event, events, ingested, rule, ruleset

CONTEXT: Any = SimpleNamespace(
    function_name="detect", memory_limit_in_mb=256, invoked_function_arn="arn", aws_request_id="r-1"
)


class Sink:
    """A queue and a bus in one: keeps what it accepts, in order, and refuses the users it is told to."""

    def __init__(self) -> None:
        self.emitted: list[str] = []
        self.copied: list[str] = []
        self.refused: set[str] = set()
        self.refused_copies: set[str] = set()
        self.store = Store(self)
        self.rules: Steady

    def emit(self, findings: Sequence[Finding]) -> None:
        users = [finding.key["user"] for finding in findings]
        if self.refused & set(users):
            raise DeliveryError("queue")
        self.emitted += users

    def publish(self, detail_type: str, details: Sequence[bytes]) -> None:
        assert detail_type == "Finding"
        users = [msgspec.json.decode(detail, type=Finding).key["user"] for detail in details]
        if self.refused_copies & set(users):
            raise DeliveryError("bus")
        self.copied += users


class Store(MemoryWindowStore):
    """Checks that a slot is suppressed only after its finding was handed over."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self.sink = sink
        self.suppressions = 0
        self.fails_to_suppress = False

    def suppress(self, key: str, slot: int, *, expires_at: int) -> None:
        self.suppressions += 1
        assert len(self.sink.emitted) >= self.suppressions
        assert len(self.sink.copied) >= self.suppressions
        if self.fails_to_suppress:
            raise StoreError("windows: throttled")
        super().suppress(key, slot, expires_at=expires_at)


class Steady:
    """One rule set for good."""

    def __init__(self, engine: Engine) -> None:
        self.in_use = InUse(engine=engine, digest="digest", origin="published")

    def read(self) -> InUse:
        return self.in_use


TOLD = {
    "changed": ({"changed": True}, "RulesetInUse", "rule set in use"),
    "refused": ({"refused": "damaged"}, "RulesetRefused", "published rule set refused"),
    "unavailable": (
        {"unavailable": "ThrottlingException"},
        "RulesetUnavailable",
        "published rule set not read",
    ),
    "fallback": ({"origin": "fallback", "changed": True}, "RulesetFallback", "fallback"),
}


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Sink:
    sink = Sink()
    sink.rules = Steady(Engine(ruleset(rule()), sink.store))
    detector = Detector(rules=sink.rules, sink=sink, bus=sink, clock=lambda: START + MINUTE)
    monkeypatch.setattr(detect, "detector", lambda: detector)
    return sink


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(detect.logger.registered_handler, "stream", stream)
    return stream


def body(happened: Sequence[Event | dict[str, Any]], **changes: Any) -> str:
    envelope = {
        "version": "0",
        "id": "1",
        "source": "sessionwarden.ingest",
        "detail-type": "Events",
        "account": "123456789012",
        "detail": {
            "version": 1,
            "events": [ingested(one) if isinstance(one, Event) else one for one in happened],
        },
    }
    return msgspec.json.encode(envelope | changes).decode()


def invoke(*bodies: str, attributes: dict[str, str] | None = None) -> list[str]:
    records = [
        {"messageId": f"m-{number}", "body": text, "eventSource": "aws:sqs", "attributes": attributes or {}}
        for number, text in enumerate(bodies)
    ]
    answer = detect.lambda_handler({"Records": records}, CONTEXT)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def metrics(capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    return {name: value[0] for line in lines for name, value in line.items() if isinstance(value, list)}


def test_a_burst_spread_over_messages_reaches_enforcement_and_the_bus(sink: Sink) -> None:
    assert invoke(*(body([one]) for one in events(3))) == []
    assert (sink.emitted, sink.copied, sink.store.suppressions) == (["alice"], ["alice"], 1)


def test_a_message_delivered_again_changes_nothing(sink: Sink) -> None:
    for _ in range(3):
        assert invoke(body(events(3))) == []
    assert sink.emitted == ["alice"]


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "not json",
        "[]",
        "{}",
        '{"source":1}',
        "\x00",
        body([{"id": "x"}]),
        body([], detail={"version": 2, "events": []}),
    ],
)
def test_garbage_fails_alone(sink: Sink, garbage: str) -> None:
    assert invoke(garbage, body(events(3)), garbage) == ["m-0", "m-2"]
    assert sink.emitted == ["alice"]


def test_what_ingest_cannot_have_written_counts_for_no_one_and_fails_its_message(
    sink: Sink, log: io.StringIO
) -> None:
    invented = [{"id": f"x-{n}", "time": START + n, "source": "api_access", "user": "bob"} for n in range(9)]
    assert invoke(body([*events(3), *invented])) == ["m-0"]
    assert sink.emitted == ["alice"]
    assert "not_of_ingest" in log.getvalue()


def test_a_bad_event_fails_its_message_but_not_its_neighbours(sink: Sink) -> None:
    assert invoke(body([*events(3), {"id": "x", "time": "yesterday"}])) == ["m-0"]
    assert sink.emitted == ["alice"]


@pytest.mark.parametrize(
    "changes", [{"source": "shop"}, {"detail-type": "Finding"}, {"source": "sessionwarden.detect"}]
)
def test_what_is_not_a_pack_of_ingest_is_counted_and_ignored(
    sink: Sink, capsys: pytest.CaptureFixture[str], changes: dict[str, str]
) -> None:
    assert invoke(body(events(3), **changes)) == []
    assert sink.emitted == []
    assert metrics(capsys)["MessagesIgnored"] == 1


def test_metrics_tell_what_was_seen_dropped_found_and_failed(
    sink: Sink, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = [event(7, at=-25 * HOUR), event(8, at=HOUR), event(9, decision="deny")]
    invoke(body([*events(3), *odd]), "garbage")
    counted = metrics(capsys)
    assert counted == counted | {
        "Events": 6,
        "EventsLate": 1,
        "EventsFuture": 1,
        "EventsRefused": 1,
        "WindowsFull": 0,
        "Findings": 1,
        "MessagesFailed": 1,
    }


@pytest.mark.parametrize("stamp", ["SentTimestamp", "ApproximateFirstReceiveTimestamp"])
def test_a_clock_that_is_minutes_behind_drops_no_event_and_is_reported(
    sink: Sink, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, stamp: str
) -> None:
    behind = ServiceClock(lambda: START - 10 * MINUTE)
    monkeypatch.setattr(detect, "clock", behind)
    detector = Detector(rules=sink.rules, sink=sink, bus=sink, clock=behind)
    monkeypatch.setattr(detect, "detector", lambda: detector)
    assert invoke(body(events(3)), attributes={stamp: str(START + MINUTE)}) == []
    written = capsys.readouterr().out
    (told,) = [json.loads(line) for line in written.splitlines() if '"ClockDiffers"' in line]
    assert sink.emitted == ["alice"]
    assert (told["EventsFuture"], told["ClockDiffers"]) == ([0], [1])
    assert told["_aws"]["Timestamp"] == START + MINUTE, "else no alarm would see it"


@pytest.mark.parametrize(
    ("attributes", "differs"),
    [
        ({}, 0),
        ({"SentTimestamp": str(START - HOUR)}, 0),
        ({"SentTimestamp": str(START + 59_000)}, 0),
        ({"SentTimestamp": str(START + 61_000)}, 1),
        ({"ApproximateFirstReceiveTimestamp": str(START - HOUR), "ApproximateReceiveCount": "1"}, 1),
        ({"ApproximateFirstReceiveTimestamp": str(START - HOUR), "ApproximateReceiveCount": "2"}, 0),
    ],
    ids=["unsaid", "waited", "nearly", "behind", "ahead", "waited-for-a-retry"],
)
def test_only_a_clock_that_differs_from_the_queues_is_reported(
    sink: Sink,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    attributes: dict[str, str],
    differs: int,
) -> None:
    monkeypatch.setattr(detect, "clock", ServiceClock(lambda: START))
    invoke(body(events(1)), attributes=attributes)
    assert metrics(capsys)["ClockDiffers"] == differs


def test_new_keys_beyond_their_budget_are_counted_and_fail_no_message(
    sink: Sink, capsys: pytest.CaptureFixture[str]
) -> None:
    admission = Admission(new_keys_per_minute=1, salt=b"salt")
    engine = Engine(ruleset(rule(group_by=("source_ip",))), sink.store, admission=admission)
    sink.rules.in_use = replace(sink.rules.in_use, engine=engine)
    happened = [event(number, source_ip=f"192.0.2.{number}") for number in range(5)]
    assert invoke(body(happened)) == []
    assert metrics(capsys)["KeysDropped"] == 4


def test_a_store_that_fails_for_a_key_fails_its_messages_alone(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = sink.store.add

    def poisoned(additions: Any, *, expires_at: Any) -> None:
        if any(len(members) == 2 for members in additions.values()):
            raise StoreError("windows: throttled")
        add(additions, expires_at=expires_at)

    monkeypatch.setattr(sink.store, "add", poisoned)
    bob = [event(10 + number, user="bob", at=number) for number in range(2)]
    assert invoke(body(events(3)), body(bob[:1]), body(bob[1:])) == ["m-1", "m-2"]
    assert sink.emitted == ["alice"]


@pytest.mark.parametrize("refusals", ["refused", "refused_copies"])
def test_a_finding_that_is_not_accepted_fails_its_messages_and_stays_unsuppressed(
    sink: Sink, refusals: str
) -> None:
    setattr(sink, refusals, {"bob"})
    bob = [event(10 + number, user="bob", at=number) for number in range(3)]
    assert invoke(body(events(3)), body(bob), body([event(99, user="carol")])) == ["m-1"]
    assert (set(sink.emitted) >= {"alice"}, sink.store.suppressions) == (True, 1)
    setattr(sink, refusals, set())
    assert invoke(body(bob)) == []
    assert (sink.copied[-1], sink.store.suppressions) == ("bob", 2)


@pytest.mark.parametrize(("facts", "metric", "words"), TOLD.values(), ids=TOLD)
def test_what_became_of_the_rule_set_is_counted_and_logged(
    sink: Sink,
    log: io.StringIO,
    capsys: pytest.CaptureFixture[str],
    facts: dict[str, Any],
    metric: str,
    words: str,
) -> None:
    sink.rules.in_use = replace(sink.rules.in_use, **facts)

    assert invoke(body(events(3))) == []

    assert metrics(capsys)[metric] == 1
    assert words in log.getvalue()
    assert sink.emitted == ["alice"]


def test_every_metrics_line_names_the_rule_set(sink: Sink, capsys: pytest.CaptureFixture[str]) -> None:
    invoke(body(events(3)))
    (line,) = [json.loads(text) for text in capsys.readouterr().out.splitlines() if '"_aws"' in text]
    assert line["ruleset"] == "digest"
    assert (line["RulesetRefused"], line["RulesetFallback"], line["RulesFailed"]) == ([0], [0], [0])


def test_a_rule_that_raises_is_counted_apart_from_a_store_that_fails(
    sink: Sink, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(event: Event) -> bool:
        raise ArithmeticError

    watches = sink.rules.in_use.engine._watches
    watching = watches["api_access"]
    (watch,) = watching.watches
    monkeypatch.setitem(watches, "api_access", watching._replace(watches=(watch._replace(matches=raises),)))
    assert invoke(body(events(2))) == ["m-0"]
    assert metrics(capsys)["RulesFailed"] == 2


def test_a_slot_that_could_not_be_suppressed_is_logged_and_delivers_nothing_again(
    sink: Sink, log: io.StringIO
) -> None:
    sink.store.fails_to_suppress = True
    assert invoke(body(events(3))) == []
    assert "period not suppressed" in log.getvalue()


def test_the_log_says_why_a_message_failed_and_quotes_no_stranger(sink: Sink, log: io.StringIO) -> None:
    invoke(body([{"id": "x", "time": 1, "source": "api_access", "<script>": "secret"}]), body(events(3)))
    assert "ValidationError" in log.getvalue()
    assert "secret" not in log.getvalue()
    assert "<script>" not in log.getvalue()


ENVIRONMENT = {
    "SESSIONWARDEN_BUS": "bus",
    "SESSIONWARDEN_WINDOWS_TABLE": "windows",
    "SESSIONWARDEN_FINDINGS_QUEUE_URL": "https://queue.example/1/findings",
}


def test_the_rule_set_is_beside_the_code_unless_told_otherwise() -> None:
    assert Settings.from_environment(ENVIRONMENT).ruleset_path == CODE / "ruleset.json"
    told = Settings.from_environment(ENVIRONMENT | {"SESSIONWARDEN_RULESET": "/opt/rules.json"})
    assert told.ruleset_path == Path("/opt/rules.json")


def test_the_place_of_published_rules_is_read_by_its_three_ids() -> None:
    assert Settings.from_environment(ENVIRONMENT).live_rules is None
    told = Settings.from_environment(ENVIRONMENT | {"SESSIONWARDEN_LIVE_RULES": "a1/e1/p1"})
    assert told.live_rules == ConfigurationIds("a1", "e1", "p1")


@pytest.mark.parametrize("value", ["", "a1", "a1/e1", "a1//p1", "a1/e1/p1/x"])
def test_a_place_that_is_not_three_ids_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match="SESSIONWARDEN_LIVE_RULES"):
        Settings.from_environment(ENVIRONMENT | {"SESSIONWARDEN_LIVE_RULES": value})


def test_how_many_new_keys_are_served_is_the_default_unless_told() -> None:
    assert Settings.from_environment(ENVIRONMENT).new_keys_per_minute == NEW_KEYS_PER_MINUTE
    told = Settings.from_environment(ENVIRONMENT | {"SESSIONWARDEN_NEW_KEYS_PER_MINUTE": "9000"})
    assert told.new_keys_per_minute == 9_000


@pytest.mark.parametrize("value", ["", "0", "-1", "many"])
def test_a_number_of_new_keys_that_serves_nobody_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match="SESSIONWARDEN_NEW_KEYS_PER_MINUTE"):
        Settings.from_environment(ENVIRONMENT | {"SESSIONWARDEN_NEW_KEYS_PER_MINUTE": value})


def test_what_a_shared_log_takes_follows_from_the_memory_that_lambda_gives() -> None:
    assert Settings.from_environment(ENVIRONMENT).shared_log_limit == SHARED_LOG_LIMIT
    limits = [
        Settings.from_environment(ENVIRONMENT | {MEMORY_SIZE: size}).shared_log_limit
        for size in ("512", "1024", "2048")
    ]
    assert limits == [SHARED_LOG_LIMIT, 610_000, 1_340_000]


@pytest.mark.parametrize("value", ["", "0", "much"])
def test_a_memory_that_is_no_size_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match=MEMORY_SIZE):
        Settings.from_environment(ENVIRONMENT | {MEMORY_SIZE: value})


@pytest.mark.parametrize("name", sorted(ENVIRONMENT))
def test_a_missing_setting_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment(ENVIRONMENT | {name: ""})
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment({key: value for key, value in ENVIRONMENT.items() if key != name})


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    with mock_aws():
        boto3.client("dynamodb").create_table(
            TableName="windows",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": "key", "AttributeType": "S"},
                {"AttributeName": "slot", "AttributeType": "S"},
            ],
            KeySchema=[
                {"AttributeName": "key", "KeyType": "HASH"},
                {"AttributeName": "slot", "KeyType": "RANGE"},
            ],
        )
        boto3.client("events").create_event_bus(Name="bus")
        rules = ruleset(rule())
        rules = msgspec.structs.replace(rules, digest=digest_of(rules))
        file = tmp_path / "ruleset.json"
        file.write_bytes(canonical_json(rules))
        queue = boto3.client("sqs").create_queue(QueueName="findings")["QueueUrl"]
        settings = {"SESSIONWARDEN_FINDINGS_QUEUE_URL": queue, "SESSIONWARDEN_RULESET": str(file)}
        for name, value in (ENVIRONMENT | settings).items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv(MEMORY_SIZE, raising=False)
        monkeypatch.setattr(detect, "clock", ServiceClock(lambda: START + MINUTE))
        detect.detector.cache_clear()
        yield queue
        detect.detector.cache_clear()


def test_the_function_as_deployed_puts_the_finding_on_the_queue(aws: str) -> None:
    for one in events(3):
        assert invoke(body([one])) == []
    (message,) = boto3.client("sqs").receive_message(QueueUrl=aws, MaxNumberOfMessages=10)["Messages"]
    finding = msgspec.json.decode(message["Body"], type=Finding)
    assert (finding.rule, finding.user, finding.count) == ("burst", "alice", 3)
    assert finding.events == ("id-0", "id-1", "id-2")


@pytest.mark.parametrize(
    ("memory_mb", "shared_log"),
    [
        (None, f"shelf{SHARED_LOG_FORMAT}#{MINUTE}"),
        ("512", f"shelf{SHARED_LOG_FORMAT}#{MINUTE}"),
        ("2048", f"shelf{SHARED_LOG_FORMAT}-1340000#{MINUTE}"),
    ],
)
def test_the_function_as_deployed_counts_on_shared_logs_of_its_size(
    aws: str, monkeypatch: pytest.MonkeyPatch, memory_mb: str | None, shared_log: str
) -> None:
    if memory_mb:
        monkeypatch.setenv(MEMORY_SIZE, memory_mb)
    assert invoke(body(events(1))) == []
    (item,) = boto3.client("dynamodb").scan(TableName="windows")["Items"]
    assert item["key"] == {"S": shared_log}
