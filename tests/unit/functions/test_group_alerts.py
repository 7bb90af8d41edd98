"""The group_alerts function: a batch of acts in, a message a rule out, and nothing untold."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from functions.group_alerts import handler
from functions.group_alerts.settings import Settings
from sessionwarden.adapters.memory.enforcement import MemoryAlertSink
from sessionwarden.errors import DeliveryError, SettingsError
from sessionwarden.model.decision import ActionResult, Enforcement
from sessionwarden.policy.decide import decide
from tests.support.enforcement import NOW_MS, about, deployed, response

CONTEXT = SimpleNamespace(
    function_name="group_alerts", memory_limit_in_mb=256, invoked_function_arn="arn", aws_request_id="r-1"
)
ENVIRONMENT = {
    "SESSIONWARDEN_ALERT_TOPIC_ARN": "arn",
    "SESSIONWARDEN_STACK": "warden",
    "AWS_REGION": "eu-west-1",
}


class Topic(MemoryAlertSink):
    """Refuses the messages of the rules that it is told to refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: set[str] = set()

    def alert(self, **message: Any) -> None:
        if message["attributes"]["rule"] in self.refused:
            raise DeliveryError("alert topic: Throttled")
        super().alert(**message)


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Topic:
    topic = Topic()
    monkeypatch.setattr(handler, "alerts", lambda: topic)
    monkeypatch.setattr(handler, "settings", lambda: Settings.from_environment(ENVIRONMENT))
    return topic


def act(name: str, **changes: Any) -> str:
    given = about(name, answer=response(scope="session", actions=("deny", "alert")), **changes)
    decision = decide(given, deployed(), now_ms=NOW_MS)
    result = ActionResult(action="deny", outcome="done", time=NOW_MS)
    return msgspec.json.encode(Enforcement(decision=decision, results=(result,), time=NOW_MS)).decode()


def invoke(*bodies: str) -> list[str]:
    records = [{"messageId": f"m-{number}", "body": text} for number, text in enumerate(bodies)]
    answer = handler.lambda_handler({"Records": records}, CONTEXT)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_many_acts_are_told_in_one_message_a_rule_and_each_can_be_undone(topic: Topic) -> None:
    assert invoke(act("a"), act("b"), act("c", rule="another")) == []
    first, second = topic.sent
    assert (first.attributes["rule"], second.attributes["rule"]) == ("request-rate-per-user", "another")
    assert first.subject == "[high] Sessionwarden: 2 acts in one message: Too many requests by one user"
    for name in ("a", "b"):
        assert f"decision {name}: deny done" in first.message
        assert f'user (sub): "sub-{name}"' in first.message
        assert f'session: "session-{name}"' in first.message
    assert "sessionwarden decisions delete DECISION --stack warden --region eu-west-1" in first.message
    assert "session-c" in second.message


def test_an_act_that_comes_twice_is_told_once_in_a_message(topic: Topic) -> None:
    assert invoke(act("a"), act("a")) == []
    assert topic.sent[0].message.count("decision a:") == 1


def test_acts_that_the_topic_did_not_take_come_again_and_no_others(topic: Topic) -> None:
    topic.refused = {"another"}
    assert invoke(act("a"), act("b", rule="another"), act("c")) == ["m-1"]
    assert [sent.attributes["rule"] for sent in topic.sent] == ["request-rate-per-user"]
    topic.refused.clear()
    assert invoke(act("b", rule="another")) == []
    assert "session-b" in topic.sent[1].message


@pytest.mark.parametrize("garbage", ["", "[]", "{}", "\x00"])
def test_garbage_fails_alone(topic: Topic, garbage: str) -> None:
    assert invoke(garbage, act("a")) == ["m-0"]
    assert len(topic.sent) == 1


def test_a_hundred_acts_with_the_longest_names_fit_into_a_message(topic: Topic) -> None:
    hostile = 'x"\n.\U0001f600\u202e' * 1000
    chosen = dict.fromkeys(("username", "user", "session", "pool", "title"), hostile)
    acts = [act(f"{number}-{hostile}", **chosen, key={}) for number in range(100)]
    assert invoke(*acts) == []
    (sent,) = topic.sent
    assert len(sent.message.encode()) < 256 * 1024
    assert len(sent.subject) < 100
    assert all(character.isprintable() for character in sent.message.replace("\n", ""))


def test_settings_that_are_missing_are_named() -> None:
    with pytest.raises(SettingsError, match="SESSIONWARDEN_STACK"):
        Settings.from_environment({})
