"""Detection over a DynamoDB that throttles, dies, or answers 500 after it did what it was asked to.

The real handler, engine and window store; the table is the emulator's, behind `FaultyDynamoDB`. Each
delivery is a process of its own: only the table and the queue remember.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import boto3
import msgspec
import pytest

from functions.detect import handler as detect
from functions.detect.detector import Detector
from functions.detect.live_rules import InUse
from sessionwarden.adapters.aws.clients import client
from sessionwarden.adapters.aws.deadline import Deadline
from sessionwarden.adapters.dynamodb import windows as dynamodb_windows
from sessionwarden.adapters.dynamodb.windows import SEGMENT_LIMIT, DynamoDBWindowStore
from sessionwarden.detection.engine import Engine
from sessionwarden.local.emulator.emulator import Emulator
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from tests.adapters.test_window_store_contract import make_table
from tests.support.detection import MINUTE, START, event, ingested, rule, ruleset
from tests.support.faulty_dynamodb import (
    DONE_BUT_500,
    DONE_BUT_SILENT,
    REFUSED,
    THROTTLED,
    Fault,
    FaultyDynamoDB,
)

CONTEXT: Any = SimpleNamespace(
    function_name="detect", memory_limit_in_mb=256, invoked_function_arn="arn", aws_request_id="r-1"
)
FAULTS = {
    "throttled": THROTTLED,
    "refused": REFUSED,
    "done but 500": DONE_BUT_500,
    "done but silent": DONE_BUT_SILENT,
}
RULES = ruleset(rule())
SESSION = boto3.session.Session()
"""Its loaded service models are most of what a client costs to make."""

THRESHOLD = 3


class Crash(BaseException):
    """The process is gone: nothing after it runs."""


class World:
    """A table, what reached enforcement, and the log; `deliver` starts a process and gives it messages."""

    def __init__(self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
        self.real = emulator.client("dynamodb")
        self.table = make_table(self.real)
        self.faulty = FaultyDynamoDB(emulator.port)
        self.emitted: list[Finding] = []
        self.log = io.StringIO()
        self.attempts = 1
        self.segment_limit = SEGMENT_LIMIT
        self.matches: Callable[[Event], bool] | None = None
        self.client: Any = None
        self.deadline: Deadline | None = None
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(detect.logger.registered_handler, "stream", self.log)

    def emit(self, findings: Sequence[Finding]) -> None:
        self.emitted += findings

    def publish(self, detail_type: str, details: Sequence[bytes]) -> None:
        assert detail_type == "Finding"

    def read(self) -> InUse:
        return InUse(engine=self._engine, digest="digest", origin="published")

    def deliver(self, *messages: tuple[str, str]) -> list[str]:
        """Pairs of message id and body through a new process; the ids that must be delivered again."""
        self.start_process()
        records = [
            {"messageId": message, "body": text, "eventSource": "aws:sqs"} for message, text in messages
        ]
        answer = detect.lambda_handler({"Records": records}, CONTEXT)
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    def members(self) -> list[int]:
        """How many members each segment of a set has."""
        items = self.real.scan(TableName=self.table, ConsistentRead=True)["Items"]
        return sorted(len(item["members"]["BS"]) for item in items if "members" in item)

    def marks(self) -> int:
        items = self.real.scan(TableName=self.table, ConsistentRead=True)["Items"]
        return sum(item["slot"]["S"].startswith("c#") for item in items)

    def reasons(self) -> dict[str, str]:
        """By message id, why it failed last, as the log says."""
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return {line["message_id"]: line["reason"] for line in lines if line["message"] == "message failed"}

    def start_process(self) -> None:
        self.client = client(
            "dynamodb",
            session=SESSION,
            endpoint_url=self.faulty.url,
            connect_seconds=2,
            read_seconds=2,
            attempts=self.attempts,
        )
        if self.deadline is not None:
            self.deadline.guard(self.client)
        store = DynamoDBWindowStore(self.client, self.table, segment_limit=self.segment_limit)
        self._engine = Engine(RULES, store)
        if self.matches is not None:
            watching = self._engine._watches["api_access"]
            (watch,) = watching.watches
            watches = {"api_access": watching._replace(watches=(watch._replace(matches=self.matches),))}
            self._monkeypatch.setattr(self._engine, "_watches", watches)
        process = Detector(rules=self, sink=self, bus=self, clock=lambda: START + MINUTE)
        self._monkeypatch.setattr(detect, "detector", lambda: process)


@pytest.fixture
def world(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    # between two attempts botocore waits up to a second, at random
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None))
    world = World(emulator, monkeypatch)
    yield world
    world.faulty.close()


def body(happened: Sequence[Event]) -> str:
    envelope = {
        "source": "sessionwarden.ingest",
        "detail-type": "Events",
        "detail": {"version": 1, "events": [*map(ingested, happened)]},
    }
    return msgspec.json.encode(envelope).decode()


def of(user: str, count: int, *, first: int = 0) -> list[Event]:
    return [event(number, at=number, user=user) for number in range(first, first + count)]


def ids(findings: Sequence[Finding]) -> set[str]:
    return {finding.id for finding in findings}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("operation", ["UpdateItem", "Query"])
def test_a_key_whose_store_fails_fails_its_message_alone_and_counts_once_when_it_comes_again(
    world: World, operation: str, fault: Fault
) -> None:
    messages = [("a", body(of("alice", THRESHOLD))), ("b", body(of("bob", THRESHOLD)))]
    world.faulty.fail(operation, fault)

    assert world.deliver(*messages) == ["a"]
    assert {finding.user for finding in world.emitted} == {"bob"}
    assert world.table in world.reasons()["a"]

    assert world.deliver(messages[0]) == []
    assert [finding.user for finding in world.emitted] == ["bob", "alice"]
    assert [finding.count for finding in world.emitted] == [THRESHOLD, THRESHOLD]
    assert world.members() == [THRESHOLD, THRESHOLD]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_what_was_written_before_a_failure_never_counts_twice(world: World, fault: Fault) -> None:
    message = ("a", body(of("alice", THRESHOLD - 1)))
    for _ in range(3):
        world.faulty.fail("UpdateItem", fault)
        assert world.deliver(message) == ["a"]

    assert world.deliver(message) == []

    assert (world.emitted, world.members()) == ([], [THRESHOLD - 1])


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_the_clients_own_retry_after_a_failed_write_counts_once(world: World, fault: Fault) -> None:
    world.attempts = 2
    world.faulty.fail("UpdateItem", fault)
    assert world.deliver(("a", body(of("alice", THRESHOLD - 1)))) == []
    assert (world.emitted, world.members()) == ([], [THRESHOLD - 1])
    assert world.faulty.calls["UpdateItem"] == 2


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_suppress_that_fails_delivers_nothing_again_and_the_finding_keeps_its_id(
    world: World, fault: Fault
) -> None:
    message = ("a", body(of("alice", THRESHOLD)))
    world.faulty.fail("PutItem", fault)

    assert world.deliver(message) == []
    assert len(world.emitted) == 1
    assert "period not suppressed" in world.log.getvalue()

    # redelivered all the same, as SQS may: raised again only if no mark was left, and never as another
    assert world.deliver(message) == []
    assert len(world.emitted) == (1 if fault.forwarded else 2)
    assert len(ids(world.emitted)) == 1
    assert world.marks() == 1


def test_a_lookup_of_marks_that_fails_raises_nothing_and_is_tried_again(world: World) -> None:
    message = ("a", body(of("alice", THRESHOLD)))
    world.faulty.fail("Query", THROTTLED, after=1)
    assert world.deliver(message) == ["a"]
    assert world.emitted == []
    assert world.deliver(message) == []
    assert len(world.emitted) == 1


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_key_of_which_only_some_chunks_were_written_is_completed_by_the_redelivery(
    world: World, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    monkeypatch.setattr(dynamodb_windows, "CHUNK", 1)
    message = ("a", body(of("alice", 4)))
    world.faulty.fail("UpdateItem", fault, after=2)

    assert world.deliver(message) == ["a"]
    assert (world.emitted, world.members()) == ([], [3 if fault.forwarded else 2])

    assert world.deliver(message) == []
    assert ([finding.count for finding in world.emitted], world.members()) == ([THRESHOLD], [4])


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize(
    ("operation", "after"), [("UpdateItem", after) for after in range(5)] + [("Query", 0), ("Query", 1)]
)
def test_a_chunk_that_went_into_one_segment_and_failed_in_the_next_lies_in_one_of_them_alone(
    world: World, monkeypatch: pytest.MonkeyPatch, fault: Fault, operation: str, after: int
) -> None:
    # four chunks of one member: two fill a segment, the third is refused there, looks, and goes on
    monkeypatch.setattr(dynamodb_windows, "CHUNK", 1)
    world.segment_limit = 2
    message = ("a", body(of("alice", 4)))
    world.faulty.fail(operation, fault, after=after)

    again = world.deliver(message)
    assert (again, len(world.emitted)) == ((["a"], 0) if world.reasons() else ([], 1))

    # by another process, which knows of no segment
    assert world.deliver(message) == []
    assert [finding.count for finding in world.emitted] == [THRESHOLD]
    assert world.members() == [2, 2]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_retry_after_others_have_filled_the_segment_writes_nothing_twice(
    world: World, fault: Fault
) -> None:
    world.segment_limit = 2
    message = ("a", body(of("alice", 1)))
    world.faulty.fail("UpdateItem", fault)
    assert world.deliver(message) == ["a"]
    assert world.deliver(("b", body(of("alice", 2, first=1)))) == []

    assert world.deliver(message) == []

    # whichever came first, the three events are three members
    assert world.members() in ([1, 2], [3])
    assert [finding.count for finding in world.emitted] == [THRESHOLD]


@pytest.mark.parametrize(
    ("operation", "after", "emitted"),
    [("UpdateItem", 1, 0), ("Query", 0, 0), ("Query", 1, 0), ("PutItem", 0, 1)],
)
def test_a_crash_between_any_two_calls_costs_a_repetition_and_never_a_finding(
    world: World, monkeypatch: pytest.MonkeyPatch, operation: str, after: int, emitted: int
) -> None:
    monkeypatch.setattr(dynamodb_windows, "CHUNK", 1)
    message = ("a", body(of("alice", THRESHOLD)))
    world.start_process()
    left = iter([None] * after)

    def crash(**request: Any) -> None:
        if next(left, Crash) is Crash:
            raise Crash

    world.client.meta.events.register(f"before-send.dynamodb.{operation}", crash)
    with pytest.raises(Crash):
        # not through the handler: Powertools would have its say on the way out, which a crash has not
        detect.detector().handle([message[1]])
    assert len(world.emitted) == emitted

    assert world.deliver(message) == []
    assert len(ids(world.emitted)) == 1
    assert (world.members(), world.marks()) == ([THRESHOLD], 1)


def test_a_store_that_takes_all_the_time_fails_what_is_left_and_what_was_found_is_handed_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # alice's two queries are answered; then the clock strikes
    deadline = Deadline(seconds=25, clock=lambda: 0 if world.faulty.calls["Query"] < 2 else 25)
    monkeypatch.setattr(detect, "store_deadline", deadline)
    world.deadline = deadline
    messages = [("a", body(of("alice", THRESHOLD))), ("b", body(of("bob", THRESHOLD)))]

    assert world.deliver(*messages) == ["b"]
    assert [finding.user for finding in world.emitted] == ["alice"]
    assert world.reasons() == {"b": f"{world.table}: OutOfTimeError"}
    # no time for the mark either: at worst alice's finding is raised again, under its id
    assert world.marks() == 0

    world.deadline = None
    assert world.deliver(*messages) == []
    assert len(ids(world.emitted)) == 2
    assert world.members() == [THRESHOLD, THRESHOLD]


class Queue:
    """The events queue with its dead letters, and Lambda's poller: a failed message stays, others go."""

    RECEIVES = 3

    def __init__(self, emulator: Emulator, world: World) -> None:
        self._sqs = emulator.client("sqs")
        self._world = world
        name = f"q-{uuid4().hex}"
        self.dead_letters = self._sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self.dead_letters, AttributeNames=["QueueArn"])
        redrive = {
            "deadLetterTargetArn": arn["Attributes"]["QueueArn"],
            "maxReceiveCount": str(self.RECEIVES),
        }
        self.url = self._sqs.create_queue(
            QueueName=name, Attributes={"VisibilityTimeout": "0", "RedrivePolicy": json.dumps(redrive)}
        )["QueueUrl"]

    def send(self, text: str) -> str:
        return str(self._sqs.send_message(QueueUrl=self.url, MessageBody=text)["MessageId"])

    def run_dry(self) -> None:
        """Deliver until nothing comes any more: processed, or set aside."""
        for _ in range(self.RECEIVES + 1):
            received = self._receive(self.url)
            if not received:
                return
            failed = self._world.deliver(*((one["MessageId"], one["Body"]) for one in received))
            for one in received:
                if one["MessageId"] not in failed:
                    self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=one["ReceiptHandle"])
        raise AssertionError("a message neither went nor was set aside")

    def dead(self) -> list[str]:
        """The ids of the dead letters."""
        return [one["MessageId"] for one in self._receive(self.dead_letters)]

    def redrive(self) -> None:
        """Put the dead letters back, as an operator does."""
        for one in self._receive(self.dead_letters):
            self._sqs.send_message(QueueUrl=self.url, MessageBody=one["Body"])
            self._sqs.delete_message(QueueUrl=self.dead_letters, ReceiptHandle=one["ReceiptHandle"])

    def _receive(self, url: str) -> list[Any]:
        received = self._sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0, VisibilityTimeout=0
        )
        return list(received.get("Messages", ()))


@pytest.fixture
def queue(emulator: Emulator, world: World) -> Queue:
    return Queue(emulator, world)


def test_what_a_store_refuses_to_the_end_becomes_a_dead_letter_with_its_reason_in_the_log(
    world: World, queue: Queue
) -> None:
    message = queue.send(body(of("alice", THRESHOLD)))
    world.faulty.fail("UpdateItem", THROTTLED, times=Queue.RECEIVES)

    queue.run_dry()

    assert (world.emitted, queue.dead()) == ([], [message])
    assert world.reasons() == {message: f"{world.table}: ProvisionedThroughputExceededException"}


def test_a_dead_letter_put_back_is_found_once(world: World, queue: Queue) -> None:
    queue.send(body(of("alice", THRESHOLD)))
    world.faulty.fail("UpdateItem", DONE_BUT_500, times=Queue.RECEIVES)
    queue.run_dry()
    assert world.emitted == []

    queue.redrive()
    queue.run_dry()

    assert [finding.count for finding in world.emitted] == [THRESHOLD]
    assert (world.members(), queue.dead()) == ([THRESHOLD], [])


def test_a_dead_letter_put_back_after_its_slot_was_suppressed_raises_nothing(
    world: World, queue: Queue
) -> None:
    early, rest = of("alice", 1), of("alice", THRESHOLD, first=1)
    queue.send(body(early))
    world.faulty.fail("UpdateItem", DONE_BUT_500, times=Queue.RECEIVES)
    queue.run_dry()
    # meanwhile the burst went on, was found, and its slot is suppressed
    assert world.deliver(("b", body(rest))) == []
    (found,) = world.emitted

    queue.redrive()
    queue.run_dry()

    assert world.emitted == [found]
    assert (world.marks(), queue.dead()) == (1, [])


def test_an_event_on_which_a_rule_raises_becomes_a_dead_letter_and_its_neighbours_are_found(
    world: World, queue: Queue
) -> None:
    def raises_on_poison(happened: Event) -> bool:
        if happened.path == "/poison":
            raise ArithmeticError(happened.path)
        return happened.user is not None

    world.matches = raises_on_poison
    poison = event(99, at=5, user="alice", path="/poison")
    bad = queue.send(body([*of("alice", THRESHOLD), poison]))
    queue.send(body(of("bob", THRESHOLD)))

    queue.run_dry()

    assert queue.dead() == [bad]
    assert sorted(str(finding.user) for finding in world.emitted) == ["alice", "bob"]
    assert world.members() == [THRESHOLD, THRESHOLD]
    # what the exception says may quote what a stranger wrote
    assert world.reasons() == {bad: "ArithmeticError"}
    assert "/poison" not in world.log.getvalue()


def test_a_message_that_cannot_be_read_becomes_a_dead_letter_with_its_reason(
    world: World, queue: Queue
) -> None:
    bad = queue.send("not json")
    good = queue.send(body(of("bob", THRESHOLD)))
    assert good != bad
    queue.run_dry()
    assert queue.dead() == [bad]
    assert world.reasons() == {bad: "DecodeError"}
    assert [finding.user for finding in world.emitted] == ["bob"]
