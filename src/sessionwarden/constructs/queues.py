"""Queues that lose no message: every queue has a dead-letter queue, which keeps messages for 14 days.

Invariants: encrypted, TLS only; a message is tried five times before it becomes a dead letter, and is
invisible for six times the consumer's timeout and the time in which a batch is collected, so that a slow
batch is not delivered again meanwhile (both as in https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html).
"""

from __future__ import annotations

from aws_cdk import Acknowledgment, Duration, Validations
from aws_cdk import aws_sqs as sqs
from constructs import Construct

MAX_RECEIVE_COUNT = 5
VISIBILITY_PER_TIMEOUT = 6
RETENTION = Duration.days(14)


def dead_letter_queue(scope: Construct, construct_id: str) -> sqs.Queue:
    """A queue without a consumer: operators inspect it and redrive its messages."""
    return sqs.Queue(
        scope,
        construct_id,
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=RETENTION,
    )


def undelivered_queue(scope: Construct, construct_id: str) -> sqs.Queue:
    """A dead-letter queue for a sender that is no queue: a bus rule, or asynchronous invocations."""
    queue = dead_letter_queue(scope, construct_id)
    Validations.of(queue).acknowledge(
        Acknowledgment(
            id="AwsSolutions::AwsSolutions-SQS3",
            reason="It is a dead-letter queue itself, but of something that is no queue",
        )
    )
    return queue


class WorkQueue(Construct):
    """A `queue` for a function with `consumer_timeout_seconds`, and its `dead_letters`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        consumer_timeout_seconds: int,
        batching_window_seconds: int = 0,
    ) -> None:
        super().__init__(scope, construct_id)
        self.dead_letters = dead_letter_queue(self, "DeadLetters")
        self.queue = sqs.Queue(
            self,
            "Queue",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=RETENTION,
            visibility_timeout=Duration.seconds(
                VISIBILITY_PER_TIMEOUT * consumer_timeout_seconds + batching_window_seconds
            ),
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=self.dead_letters, max_receive_count=MAX_RECEIVE_COUNT
            ),
        )
