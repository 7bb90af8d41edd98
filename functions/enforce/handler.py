"""Turns findings from the queue into decisions, denies, sign-outs, alerts and events.

A message that cannot be processed fails alone: it is retried and then waits in the dead-letter queue, which
has an alarm. Direction: principals that are denied already stay denied, and nothing is enforced while the
kill switch cannot be read; the message is retried until it can be. A service that does not answer holds up
its own calls only: denies of a batch are written while Cognito is silent, and each message is answered for in
time.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.enforce.settings import Settings
from sessionwarden.adapters.aws.clients import client
from sessionwarden.adapters.aws.cognito import CognitoUserPool
from sessionwarden.adapters.aws.deadline import Deadline
from sessionwarden.adapters.aws.eventbridge import EventBridgePublisher
from sessionwarden.adapters.aws.sns import SNSAlertSink
from sessionwarden.adapters.clock import system_clock
from sessionwarden.adapters.dynamodb.control import DynamoDBControlStore
from sessionwarden.adapters.dynamodb.coverage import DynamoDBCoverageStore
from sessionwarden.adapters.dynamodb.decisions import DynamoDBDecisionStore
from sessionwarden.adapters.dynamodb.denylist import DynamoDBDenylistStore
from sessionwarden.enforcement.acted import Acted
from sessionwarden.enforcement.actions import Actions
from sessionwarden.enforcement.alert_text import DeploymentName
from sessionwarden.enforcement.enforcer import Enforcer
from sessionwarden.model.decision import Enforcement
from sessionwarden.model.finding import Finding

COGNITO_SECONDS = 20.0
CALLS_SECONDS = 45.0
"""For how long of a batch calls to Cognito, and to all other services, may be started. Between the two,
denies are written for the findings behind a silent Cognito. After the second, the last call has time to end
before Lambda kills the function, which would answer for no message at all."""

logger = Logger()
metrics = Metrics()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
findings = msgspec.json.Decoder(Finding)
cognito_deadline = Deadline(seconds=COGNITO_SECONDS)
calls_deadline = Deadline(seconds=CALLS_SECONDS)


@cache
def enforcer() -> Enforcer:
    """Built once per execution environment, at the first message."""
    settings = Settings.from_environment()
    dynamodb = calls_deadline.guard(client("dynamodb"))
    actions = Actions(
        decisions=DynamoDBDecisionStore(dynamodb, settings.decisions_table),
        denylist=DynamoDBDenylistStore(dynamodb, settings.denylist_table),
        control=DynamoDBControlStore(dynamodb, settings.control_table),
        acted=Acted(DynamoDBCoverageStore(dynamodb, settings.control_table)),
        users=CognitoUserPool(cognito_deadline.guard(client("cognito-idp"))),
        clock=system_clock,
    )
    return Enforcer(
        deployment=settings.read_deployment(),
        actions=actions,
        alerts=SNSAlertSink(calls_deadline.guard(client("sns")), settings.alert_topic_arn),
        bus=EventBridgePublisher(
            client=calls_deadline.guard(client("events")), bus=settings.bus, source="sessionwarden.enforce"
        ),
        name=DeploymentName(stack=settings.stack, region=settings.region),
    )


def handle_record(record: SQSRecord) -> None:
    """Enforce one finding. Any error puts this message, and no other, back in the queue."""
    finding = findings.decode(record.body)
    enforcement = enforcer().remind(finding) if finding.reminder else enforcer().enforce(finding)
    if enforcement is None:
        metrics.add_metric(name="RemindersCovered", unit=MetricUnit.Count, value=1)
        return
    decision = enforcement.decision
    logger.info(
        "enforced", extra={"decision_id": decision.id, "rule": decision.rule, **_outcome(enforcement)}
    )
    name = "DecisionsSimulated" if decision.simulated else "DecisionsEnforced"
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=1)
    failed = sum(result.outcome == "failed" for result in enforcement.results)
    metrics.add_metric(name="ActionsFailed", unit=MetricUnit.Count, value=failed)


def _outcome(enforcement: Enforcement) -> dict[str, Any]:
    results = {result.action: result.outcome for result in enforcement.results}
    return {"withheld": enforcement.decision.withheld, "results": results}


@metrics.log_metrics
@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """SQS batch in, partial batch response out."""
    cognito_deadline.start()
    calls_deadline.start()
    metrics.add_metric(name="FindingsReceived", unit=MetricUnit.Count, value=len(event["Records"]))
    return process_partial_response(
        event=event, record_handler=handle_record, processor=processor, context=context
    )
