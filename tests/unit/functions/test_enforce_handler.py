"""The enforce function over moto: a batch from the queue, down to Cognito, the topic and the bus."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import msgspec
import pytest
from botocore.exceptions import ReadTimeoutError
from moto import mock_aws

from functions.enforce import handler
from functions.enforce.settings import Settings
from sessionwarden.adapters.aws.deadline import Deadline
from sessionwarden.adapters.clock import system_clock
from sessionwarden.errors import SettingsError
from sessionwarden.model.finding import Finding
from sessionwarden.model.policy import Policy, Protected
from sessionwarden.model.principal import principal
from sessionwarden.policy.compiled import dump_policy
from tests.support.enforcement import finding, response
from tests.support.tables import control_table, decisions_table, denylist_table, make_table

CONTEXT = SimpleNamespace(
    function_name="enforce",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:enforce",
    aws_request_id="request-1",
    get_remaining_time_in_millis=lambda: 30_000,
)


def policy_file(folder: Path, **changes: Any) -> Path:
    limits = {"enforcements_per_hour": 10, "alerts_per_hour": 60, "broad_denies_per_hour": 20}
    path = folder / "policy.json"
    path.write_bytes(dump_policy(Policy(**({"protected": Protected()} | limits | changes))))
    return path


class Account:
    """The AWS side of the function: what it acts on, and a subscriber of its alerts and events."""

    def __init__(self, folder: Path) -> None:
        self.cognito = boto3.client("cognito-idp")
        self.dynamodb = boto3.client("dynamodb")
        self.sqs = boto3.client("sqs")
        self.pool: str = self.cognito.create_user_pool(PoolName="p")["UserPool"]["Id"]
        user = self.cognito.admin_create_user(UserPoolId=self.pool, Username="bob")["User"]
        self.sub = next(str(pair["Value"]) for pair in user["Attributes"] if pair["Name"] == "sub")
        self.denylist = make_table(self.dynamodb, denylist_table)
        self.inbox = self.sqs.create_queue(QueueName="inbox")["QueueUrl"]
        topic = boto3.client("sns").create_topic(Name="alerts")["TopicArn"]
        inbox_arn = self.sqs.get_queue_attributes(QueueUrl=self.inbox, AttributeNames=["QueueArn"])
        arn = inbox_arn["Attributes"]["QueueArn"]
        boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        events = boto3.client("events")
        events.create_event_bus(Name="bus")
        events.put_rule(Name="all", EventBusName="bus", EventPattern='{"detail-type": ["Enforcement"]}')
        events.put_targets(Rule="all", EventBusName="bus", Targets=[{"Id": "inbox", "Arn": arn}])
        self.environment = {
            "SESSIONWARDEN_MODE": "enforce",
            "SESSIONWARDEN_BUS": "bus",
            "SESSIONWARDEN_POLICY": str(policy_file(folder)),
            "SESSIONWARDEN_DENYLIST_TABLE": self.denylist,
            "SESSIONWARDEN_DECISIONS_TABLE": make_table(self.dynamodb, decisions_table),
            "SESSIONWARDEN_CONTROL_TABLE": make_table(self.dynamodb, control_table),
            "SESSIONWARDEN_ALERT_TOPIC_ARN": topic,
            "SESSIONWARDEN_STACK": "warden",
            "SESSIONWARDEN_USER_POOLS": json.dumps([{"pool_id": self.pool, "client_ids": None}]),
        }

    def finding(self, **changes: Any) -> Finding:
        fields: dict[str, Any] = {
            "pool": self.pool,
            "user": self.sub,
            "key": {"user": self.sub},
            "time": system_clock(),
        }
        return finding(**(fields | changes))

    def denied(self) -> list[str]:
        answer = self.dynamodb.query(
            TableName=self.denylist,
            KeyConditionExpression="principal = :p",
            ExpressionAttributeValues={":p": {"S": principal(self.pool, self.sub)}},
        )
        return [item["decision_id"]["S"] for item in answer["Items"]]

    def received(self) -> list[dict[str, Any]]:
        answer = self.sqs.receive_message(QueueUrl=self.inbox, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    with mock_aws():
        made = Account(tmp_path)
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        handler.enforcer.cache_clear()
        yield made
        handler.enforcer.cache_clear()


def invoke(*bodies: bytes | str) -> list[str]:
    """The ids of the messages that failed."""
    records = [
        {
            "messageId": f"m-{number}",
            "receiptHandle": "r",
            "body": body if isinstance(body, str) else body.decode(),
            "attributes": {},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:findings",
            "awsRegion": "us-east-1",
        }
        for number, body in enumerate(bodies)
    ]
    answer: dict[str, Any] = handler.lambda_handler({"Records": records}, CONTEXT)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_a_finding_ends_in_a_deny_a_disabled_account_an_alert_and_an_event(account: Account) -> None:
    answer = response(actions=("deny", "sign_out", "disable_user", "alert"))
    assert invoke(msgspec.json.encode(account.finding(answer=answer))) == []
    assert account.denied() == ["f-1"]
    assert not account.cognito.admin_get_user(UserPoolId=account.pool, Username="bob")["Enabled"]
    received = account.received()
    (alert,) = [message for message in received if message.get("Type") == "Notification"]
    assert alert["Subject"].startswith("[high] Sessionwarden: deny, sign_out, disable_user")
    assert "--stack warden --region us-east-1" in alert["Message"]
    assert alert["MessageAttributes"]["simulated"]["Value"] == "false"
    (event,) = [message for message in received if message.get("detail-type") == "Enforcement"]
    assert event["source"] == "sessionwarden.enforce"
    assert event["detail"]["decision"]["id"] == "f-1"


def test_each_garbage_message_fails_alone(account: Account) -> None:
    good = msgspec.json.encode(account.finding())
    newer = json.dumps(json.loads(msgspec.json.encode(account.finding(id="f-2"))) | {"severity": "new"})
    assert invoke("", "{", "[]", "{}", '{"id": 7}', good, "\x00", newer) == [
        f"m-{number}" for number in (0, 1, 2, 3, 4, 6, 7)
    ]
    assert account.denied() == ["f-1"]


@pytest.mark.parametrize("depth", [400, 985, 5_000, 100_000])
def test_a_message_nested_as_deeply_as_the_stack_fails_alone(account: Account, depth: int) -> None:
    good = msgspec.json.encode(account.finding()).decode()
    deep = ["[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth, '{"id":' + "[" * depth]
    assert invoke(*deep, good, good.replace("{", '{"more":' + "[" * depth + ",", 1), "\ud800") == [
        f"m-{number}" for number in (0, 1, 2, 4, 5)
    ]
    assert account.denied() == ["f-1"]


def test_the_same_finding_twice_in_a_batch_alerts_once(account: Account) -> None:
    body = msgspec.json.encode(account.finding())
    assert invoke(body, body) == []
    assert len([message for message in account.received() if message.get("Type") == "Notification"]) == 1


def test_an_observing_deployment_touches_no_user(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSIONWARDEN_MODE", "observe")
    assert invoke(msgspec.json.encode(account.finding())) == []
    assert account.denied() == []
    alerts = [message for message in account.received() if message.get("Type") == "Notification"]
    assert "NOTHING was done" in alerts[0]["Message"]


def test_a_deployment_without_pools_touches_no_user_and_still_alerts(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SESSIONWARDEN_USER_POOLS", "[]")
    stranger = response(scope="source_ip", actions=("alert",))
    findings = (
        account.finding(),
        account.finding(id="f-2", key={"source_ip": "203.0.113.7"}, answer=stranger),
    )
    assert invoke(*map(msgspec.json.encode, findings)) == []
    assert account.denied() == []
    alerts = [message for message in account.received() if message.get("Type") == "Notification"]
    assert len(alerts) == 2
    assert "not one that this deployment watches" in alerts[0]["Message"]


def test_a_batch_in_which_every_message_fails_is_still_answered_one_by_one(account: Account) -> None:
    assert invoke("{", "[") == ["m-0", "m-1"]


class Silence:
    """Services that take 7 s not to answer, for as long as they are named here; and the clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.services: set[str] = set()
        self.attempts = 0
        for name in ("cognito_deadline", "calls_deadline"):
            seconds = handler.COGNITO_SECONDS if name == "cognito_deadline" else handler.CALLS_SECONDS
            monkeypatch.setattr(handler, name, SilentWhenTold(self, seconds))
        monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)

    def keep(self, service: str) -> None:
        if service in self.services:
            self.now += 7
            self.attempts += 1
            raise ReadTimeoutError(endpoint_url=f"https://{service}.example")


class SilentWhenTold(Deadline):
    """Guards a client as ever, and behind that lets it wait in vain."""

    def __init__(self, silence: Silence, seconds: float) -> None:
        super().__init__(seconds=seconds, clock=lambda: silence.now)
        self._silence = silence

    def guard(self, client: Any) -> Any:
        service = client.meta.service_model.service_name
        super().guard(client).meta.events.register_first(
            "before-send", lambda **_: self._silence.keep(service)
        )
        return client


def batch_of_five(account: Account) -> list[bytes]:
    return [msgspec.json.encode(account.finding(id=f"f-{number}")) for number in range(5)]


EVERY_MESSAGE = [f"m-{number}" for number in range(5)]


def test_a_silent_cognito_holds_up_no_deny_and_no_sign_out_is_lost(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    silence = Silence(monkeypatch)
    silence.services = {"cognito-idp"}
    findings = batch_of_five(account)
    assert invoke(*findings) == EVERY_MESSAGE
    assert account.denied() == [f"f-{number}" for number in range(5)]
    assert silence.attempts == 3
    assert silence.now < 60
    assert [message.get("Type") for message in account.received()] == ["Notification"] * 5
    silence.services.clear()
    assert invoke(*findings) == []
    events = [message["detail"] for message in account.received() if "detail" in message]
    outcomes = [{one["action"]: one["outcome"] for one in event["results"]} for event in events]
    assert outcomes == [{"deny": "done", "sign_out": "done", "alert": "done"}] * 5


@pytest.mark.parametrize("service", ["dynamodb", "sns", "events"])
def test_whatever_is_silent_each_message_is_answered_for_in_time_and_done_later(
    account: Account, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    silence = Silence(monkeypatch)
    silence.services = {service}
    findings = batch_of_five(account)
    assert invoke(*findings) == EVERY_MESSAGE
    assert silence.now <= handler.CALLS_SECONDS + 7
    silence.services.clear()
    assert invoke(*findings) == []
    assert account.denied() == [f"f-{number}" for number in range(5)]


def test_the_policy_lies_beside_the_code_unless_a_path_says_otherwise(account: Account) -> None:
    environment = account.environment | {"AWS_REGION": "us-east-1"}
    assert str(Settings.from_environment(environment).policy_path) == environment["SESSIONWARDEN_POLICY"]
    del environment["SESSIONWARDEN_POLICY"]
    root = Path(handler.__file__).parents[2]
    assert Settings.from_environment(environment).policy_path == root / "policy.json"


def test_who_is_protected_is_read_from_the_policy(account: Account, tmp_path: Path) -> None:
    policy_file(tmp_path, protected=Protected(users=(account.sub,)))
    assert invoke(msgspec.json.encode(account.finding())) == []
    assert account.denied() == []


def test_without_a_sound_policy_nothing_is_enforced_and_each_message_stays_in_the_queue(
    account: Account, tmp_path: Path
) -> None:
    sound = policy_file(tmp_path).read_bytes()
    for broken in (b"", sound.replace(b'"alerts_per_hour":60', b'"alerts_per_hour":61')):
        (tmp_path / "policy.json").write_bytes(broken)
        assert invoke(*map(msgspec.json.encode, (account.finding(), account.finding(id="f-2")))) == [
            "m-0",
            "m-1",
        ]
    (tmp_path / "policy.json").unlink()
    assert invoke(msgspec.json.encode(account.finding())) == ["m-0"]
    assert account.denied() == []
    policy_file(tmp_path)
    assert invoke(msgspec.json.encode(account.finding())) == []
    assert account.denied() == ["f-1"]


def test_the_environment_of_a_stack_from_before_serves_enforce_as_well(
    account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # its functions may have been told of a rule set, and of no policy: that one lies beside the code
    monkeypatch.setenv("SESSIONWARDEN_RULESET", str(tmp_path / "ruleset.json"))
    monkeypatch.delenv("SESSIONWARDEN_POLICY")
    monkeypatch.setattr("functions.enforce.settings.CODE", tmp_path)
    policy_file(tmp_path)
    assert invoke(msgspec.json.encode(account.finding())) == []
    assert account.denied() == ["f-1"]


def test_enforce_loads_no_rules_and_nothing_that_matches_them() -> None:
    program = (
        "import sys, functions.enforce.handler; "
        "print([name for name in sys.modules if name.startswith('sessionwarden.ruleset') or name == 're2'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_settings_that_are_wrong_are_named_all_at_once(account: Account) -> None:
    broken = account.environment | {
        "AWS_REGION": "us-east-1",
        "SESSIONWARDEN_MODE": "on",
        "SESSIONWARDEN_USER_POOLS": "[{}]",
        "SESSIONWARDEN_SESSION_LIFETIME_SECONDS": "0",
    }
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(broken)
    assert [mistake.partition(":")[0] for mistake in str(caught.value).split("; ")] == [
        "SESSIONWARDEN_MODE",
        "SESSIONWARDEN_USER_POOLS.0.pool_id",
        "SESSIONWARDEN_SESSION_LIFETIME_SECONDS",
    ]
