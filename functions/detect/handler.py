"""Packed events from the queue become findings for enforcement.

Fails closed towards loss: a message that cannot be read, or whose windows did not answer, goes back to
the queue alone and at last to the dead-letter queue, which has an alarm; doing it again changes nothing.
The batch is evaluated as a whole, because one write and one read then serve many events of a key.
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
"""As many as boto3 keeps connections open by default."""

STORE_SECONDS = 25.0
DELIVERY_SECONDS = 50.0
"""Of a batch, in which calls to the windows, and to the queue and the bus, may be started. The last of each
then has its own time to end before the function is killed, which would answer for no message at all."""

logger = Logger()
metrics = Metrics()
store_deadline = Deadline(seconds=STORE_SECONDS)
delivery_deadline = Deadline(seconds=DELIVERY_SECONDS)


@cache
def detector() -> Detector:
    """Built once per execution environment, at the first batch."""
    settings = Settings.from_environment()
    dynamodb = store_deadline.guard(client("dynamodb"))
    store = DynamoDBWindowStore(dynamodb, settings.windows_table)
    shared_logs = DynamoDBSharedLogStore(
        dynamodb, settings.windows_table, shared_log_limit=settings.shared_log_limit
    )
    threads = ThreadPoolExecutor(STORE_CALLS_AT_ONCE, thread_name_prefix="windows")
    salt = secrets.token_bytes(16)

    def build(ruleset: CompiledRuleset) -> Engine:
        # a budget of its own for each engine: a new one remembers no key, so that all are new to it
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


def _published(place: ConfigurationIds | None) -> PublishedRules:
    if place is None:
        return NothingToPoll()
    # short: the batch waits for it, and the next poll comes soon
    reader = client("appconfigdata", connect_seconds=1.0, read_seconds=2.0, attempts=2)
    return AppConfigRules(reader, place, clock=system_clock)


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
        """Raises what befell this record, which makes it, and no other, be delivered again."""
        error = self.errors.get(record.message_id)
        if error is not None:
            logger.warning("message failed", message_id=record.message_id, reason=_reason(error))
            raise error


def _tell(rules: InUse) -> None:
    """Which rule set this process runs: with every batch in the metrics' line, and aloud when it changes."""
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
    # other errors only by type: that of a decoder may quote what a stranger wrote
    return str(error) if isinstance(error, SessionwardenError) else type(error).__name__


processor = WholeBatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@metrics.log_metrics
@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """SQS batch in, partial batch response out."""
    return process_partial_response(
        event=event, record_handler=processor.result_of, processor=processor, context=context
    )
