"""The detect Lambda: it turns packed events from the queue into findings for enforcement.

No message is lost: one that cannot be read, or whose windows did not answer, goes back to the queue
alone and at last to the dead-letter queue, which has an alarm. Processing a message again changes nothing.
The Lambda evaluates a batch as a whole, because one write and one read then serve many events of a key.
"""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.detect.detector import Detector
from functions.detect.live_rules import InUse, LiveRules, NothingToPoll
from functions.detect.settings import Settings
from sessionwarden.adapters.aws.appconfig import AppConfigRules, ConfigurationIds
from sessionwarden.adapters.aws.clients import client
from sessionwarden.adapters.aws.deadline import Deadline
from sessionwarden.adapters.aws.eventbridge import EventBridgePublisher
from sessionwarden.adapters.aws.sqs_findings import SQSFindingSink
from sessionwarden.adapters.clock import system_clock
from sessionwarden.adapters.dynamodb.shared_log import DynamoDBSharedLogStore
from sessionwarden.adapters.dynamodb.windows import DynamoDBWindowStore
from sessionwarden.detection.engine import Engine
from sessionwarden.detection.storage.admission import Admission
from sessionwarden.errors import SessionwardenError
from sessionwarden.ports import PublishedRules
from sessionwarden.ruleset.compiled import CompiledRuleset

DIGEST_SHOWN = 12
"""Characters of a digest in the metric's dimension, as `rules status` prints it."""

STORE_CALLS_AT_ONCE = 10
"""The number of connections that boto3 keeps open by default."""

STORE_SECONDS = 25.0
DELIVERY_SECONDS = 50.0
"""Time of a batch in which it may start calls to the windows, and to the queue and the bus. The last call
then has time to end before AWS kills the Lambda, which would lose the answer for every message."""

logger = Logger()
metrics = Metrics()
store_deadline = Deadline(seconds=STORE_SECONDS)
delivery_deadline = Deadline(seconds=DELIVERY_SECONDS)


@cache
def detector() -> Detector:
    """The detector of this execution environment, built at its first batch."""
    settings = Settings.from_environment()
    dynamodb = store_deadline.guard(client("dynamodb"))
    store = DynamoDBWindowStore(dynamodb, settings.windows_table)
    shared_logs = DynamoDBSharedLogStore(
        dynamodb, settings.windows_table, shared_log_limit=settings.shared_log_limit
    )
    threads = ThreadPoolExecutor(STORE_CALLS_AT_ONCE, thread_name_prefix="windows")
    salt = secrets.token_bytes(16)

    def build(ruleset: CompiledRuleset) -> Engine:
        # each engine has its own budget: a new engine remembers no key, so all keys are new to it
        admission = Admission(new_keys_per_minute=settings.new_keys_per_minute, salt=salt)
        return Engine(
            ruleset,
            store,
            run=threads.map,
            shared_logs=shared_logs,
            admission=admission,
            acting=settings.mode == "enforce",
        )

    rules = LiveRules(
        published=_published(settings.live_rules),
        shipped=settings.ruleset_path.read_bytes,
        build=build,
    )
    return Detector(
        rules=rules,
        sink=SQSFindingSink(delivery_deadline.guard(client("sqs")), settings.findings_queue_url),
        bus=EventBridgePublisher(
            bus=settings.bus,
            source="sessionwarden.detect",
            client=delivery_deadline.guard(client("events")),
        ),
        clock=system_clock,
    )


def _published(ids: ConfigurationIds | None) -> PublishedRules:
    if ids is None:
        return NothingToPoll()
    # short: the batch waits for it, and the next poll comes soon
    reader = client("appconfigdata", connect_seconds=1.0, read_seconds=2.0, attempts=2)
    return AppConfigRules(reader, ids, clock=system_clock)


class WholeBatchProcessor(BatchProcessor):
    """Evaluates all records before Powertools asks for the result of each."""

    errors: dict[str, Exception]

    def _prepare(self) -> None:
        super()._prepare()  # type: ignore[no-untyped-call]
        process = detector()
        store_deadline.start()
        delivery_deadline.start()
        report = process.handle([record["body"] for record in self.records])
        self.errors = {self.records[index]["messageId"]: error for index, error in report.errors.items()}
        for name, count in report.counts.items():
            metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
        _tell(report.rules)
        if report.suppress_error:
            logger.warning("period not suppressed", error=str(report.suppress_error))

    def result_of(self, record: SQSRecord) -> None:
        """Raise the error of this record, if it has one, so that the queue redelivers only this record."""
        error = self.errors.get(record.message_id)
        if error is not None:
            logger.warning("message failed", message_id=record.message_id, reason=_reason(error))
            raise error


def _tell(rules: InUse) -> None:
    """Report the rule set: in the metrics of every batch, and in a log line and a metric when it changes."""
    metrics.add_metadata(key="ruleset", value=rules.digest)
    if rules.changed:
        logger.info("rule set in use", extra={"ruleset": rules.digest, "origin": rules.origin})
        with single_metric(name="RulesetInUse", unit=MetricUnit.Count, value=1) as metric:
            metric.add_dimension(name="ruleset", value=rules.digest[:DIGEST_SHOWN])
    if rules.refused is not None:
        logger.error("published rule set refused", extra={"reason": rules.refused})
    if rules.unavailable is not None:
        logger.warning("published rule set not read", extra={"reason": rules.unavailable})


def _reason(error: Exception) -> str:
    # other errors only by type: the text of a decoder's error may quote what a client wrote
    return str(error) if isinstance(error, SessionwardenError) else type(error).__name__


processor = WholeBatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@metrics.log_metrics
@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Process an SQS batch; returns a partial batch response."""
    return process_partial_response(
        event=event, record_handler=processor.result_of, processor=processor, context=context
    )
