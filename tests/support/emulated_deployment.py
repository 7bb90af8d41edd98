"""A deployment on the emulator for end-to-end tests, used through the same interfaces as in AWS."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from typing import Any

from sessionwarden.local.demo.mailboxes import Mailbox, listen_to_bus, listen_to_topic
from sessionwarden.local.demo.sample_attacker import SampleAttacker
from sessionwarden.local.demo.stack import LocalStack
from sessionwarden.local.demo.traffic import AccessLog

SECONDS = 40.0


class EmulatedDeployment:
    """Writes log lines, waits for decisions and alerts, and changes settings of a deployment."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        self.log = AccessLog(stack.emulator, stack.access_log_groups)
        self.enforcements: Mailbox = listen_to_bus(
            stack.emulator, stack.outputs["EventBus"], detail_type="Enforcement"
        )
        self.findings: Mailbox = listen_to_bus(
            stack.emulator, stack.outputs["EventBus"], detail_type="Finding"
        )
        self.alerts: Mailbox = listen_to_topic(stack.emulator, stack.outputs["AlertTopic"])

    def sample_attacker(self) -> SampleAttacker:
        return SampleAttacker(self.stack)

    def decision_about(self, user: str) -> Any:
        """The enforcement event about the user, once there is one."""
        message = self.enforcements.wait_for(
            lambda message: bool(message.body["detail"]["decision"]["user"] == user),
            f"a decision about {user}",
        )
        return message.body["detail"]

    def finding_about(self, user: str) -> Any:
        message = self.findings.wait_for(
            lambda message: bool(message.body["detail"].get("user") == user), f"a finding about {user}"
        )
        return message.body["detail"]

    def findings_about(self, user: str) -> list[str]:
        """The ids of all findings about the user that the bus has carried so far."""
        self.findings.collect()
        details = (message.body["detail"] for message in self.findings.messages)
        return [detail["id"] for detail in details if detail.get("user") == user]

    def suppression_markers(self) -> set[tuple[str, str]]:
        """Keys of all suppressed periods."""
        items = self.stack.emulator.client("dynamodb").scan(TableName=self.stack.outputs["WindowsTable"])[
            "Items"
        ]
        return {(item["key"]["S"], item["slot"]["S"]) for item in items if item["slot"]["S"].startswith("c#")}

    def forget(self, markers: set[tuple[str, str]]) -> None:
        """Delete suppression markers, as if they had never been written."""
        for key, slot in markers:
            self.stack.emulator.client("dynamodb").delete_item(
                TableName=self.stack.outputs["WindowsTable"], Key={"key": {"S": key}, "slot": {"S": slot}}
            )

    def wait_until_idle(self) -> None:
        """Wait until no log batch, event or finding is on its way.

        A batch that is in `ingest` is in no queue, so this waits for the decision on a later attacker first.
        """
        marker = self.sample_attacker()
        self.log.write(marker.abuse())
        self.decision_about(marker.user)
        self.wait_until(self._queues_are_empty, "the queues are empty")
        self.alerts.collect()
        self.enforcements.collect()

    def decisions_about(self, user: str) -> list[Any]:
        items = self.stack.emulator.client("dynamodb").scan(TableName=self.stack.outputs["DecisionsTable"])[
            "Items"
        ]
        return [item for item in items if json.loads(item["record"]["S"])["user"] == user]

    def deny_entries(self, user: str) -> list[Any]:
        answer = self.stack.emulator.client("dynamodb").query(
            TableName=self.stack.outputs["DenylistTable"],
            KeyConditionExpression="principal = :principal",
            ExpressionAttributeValues={":principal": {"S": f"{self.stack.api.pool_id}#{user}"}},
        )
        return list(answer["Items"])

    def alerts_about(self, user: str) -> list[str]:
        return [
            message.body["Message"] for message in self.alerts.messages if user in message.body["Message"]
        ]

    def send_finding(self, finding: Any) -> None:
        """Deliver a finding to enforcement once more, as SQS may."""
        sqs = self.stack.emulator.client("sqs")
        sqs.send_message(QueueUrl=self._queue("FindingsQueue"), MessageBody=json.dumps(finding))

    def set_mode(self, mode: str) -> None:
        self._set_variables("enforce", SESSIONWARDEN_MODE=mode)

    def start_anew(self, function: str) -> None:
        """Let the next invocation start cold, since a running process polls only now and then."""
        self._set_variables(function, STARTED=secrets.token_hex(4))

    def _set_variables(self, function: str, **changes: str) -> None:
        functions = self.stack.emulator.client("lambda")
        name = next(
            found["FunctionName"]
            for found in functions.list_functions()["Functions"]
            if found["Handler"] == f"functions.{function}.handler.lambda_handler"
        )
        variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": variables | changes}
        )

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"not within {SECONDS:.0f} s: {what}"
            time.sleep(0.2)

    def _queues_are_empty(self) -> bool:
        return all(self._depth(self._queue(part)) == 0 for part in ("EventsQueue", "FindingsQueue"))

    def _queue(self, part: str) -> str:
        urls = self.stack.emulator.client("sqs").list_queues()["QueueUrls"]
        return next(str(url) for url in urls if part in url)

    def _depth(self, url: str) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.stack.emulator.client("sqs").get_queue_attributes(
            QueueUrl=url, AttributeNames=names
        )
        return sum(int(attributes["Attributes"][name]) for name in names)
