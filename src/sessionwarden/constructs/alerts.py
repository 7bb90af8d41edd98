"""Tells operators what goes wrong: the alert topic, and an alarm wherever data could be lost or stuck.

Invariants: TLS only; besides roles of this account that hold `sns:Publish`, only CloudWatch alarms of this
account may publish. The topic is not encrypted with AWS's own SNS key, because CloudWatch cannot use that key
and its alarms would fail silently.
"""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

PERIOD = Duration.minutes(1)


class AlertTopic(Construct):
    """The alert topic, with an e-mail subscription if `email` is set (SNS asks its owner to confirm)."""

    def __init__(self, scope: Construct, construct_id: str, *, display_name: str, email: str | None) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Topic", display_name=display_name, enforce_ssl=True)
        stack = Stack.of(self)
        # a custom policy replaces the default one, which allowed the account's alarms to publish
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsOfThisAccount",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": stack.account}},
            )
        )
        if email is not None:
            self.topic.add_subscription(subscriptions.EmailSubscription(email))


class Alarms(Construct):
    """Alarms that publish to `topic`; each is named after what it watches."""

    def __init__(self, scope: Construct, construct_id: str, *, topic: sns.ITopic) -> None:
        super().__init__(scope, construct_id)
        self._action = actions.SnsAction(topic)

    def watch_dead_letters(self, name: str, queue: sqs.IQueue) -> None:
        """Alarm as soon as there is one message in `queue`."""
        self._alarm(
            f"{name}DeadLetters",
            queue.metric_approximate_number_of_messages_visible(period=PERIOD, statistic="Maximum"),
            description=f"{name}: messages could not be handled; look at them, then redrive",
        )

    def watch_age(self, name: str, queue: sqs.IQueue, *, max_age_seconds: int) -> None:
        """Alarm when the oldest message waits longer, because the consumer does not keep up."""
        self._alarm(
            f"{name}Age",
            queue.metric_approximate_age_of_oldest_message(period=PERIOD, statistic="Maximum"),
            threshold=max_age_seconds,
            description=f"{name}: the oldest message waits longer than {max_age_seconds} s",
        )

    def watch_errors(self, name: str, function: lambda_.IFunction) -> None:
        """Alarm when the function fails."""
        self._alarm(
            f"{name}Errors",
            function.metric_errors(period=PERIOD, statistic="Sum"),
            description=f"{name}: the function failed",
        )

    def watch_throttles(self, name: str, function: lambda_.IFunction) -> None:
        """Alarm when Lambda throttles the function."""
        self._alarm(
            f"{name}Throttles",
            function.metric_throttles(period=PERIOD, statistic="Sum"),
            description=f"{name}: the function was throttled",
        )

    def watch_count(self, name: str, metric: cloudwatch.Metric) -> cloudwatch.Alarm:
        """Alarm when `metric` counts once what must never happen."""
        return self._alarm(
            name,
            metric.with_(period=PERIOD, statistic="Sum"),
            description=f"{name}: see docs/how-to/deploy.md",
        )

    def watch_silence(
        self, name: str, *, requests: cloudwatch.Metric, lines: cloudwatch.Metric, minutes: int
    ) -> None:
        """Alarm when `requests` were made for so long and not one of their `lines` has come.

        Two halves of that time in a row: a line that comes after the end of its request's half counts in the
        second. Without requests there is nothing to say. A metric without lines has no data, hence `FILL`.
        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
        """
        period = Duration.minutes((minutes + 1) // 2)
        requests, lines = (one.with_(statistic="Sum") for one in (requests, lines))
        self._alarm(
            name,
            cloudwatch.MathExpression(
                expression="IF(requests > 0 AND FILL(lines, 0) < 1, 1, 0)",
                using_metrics={"requests": requests, "lines": lines},
                label=name,
                period=period,
            ),
            description=f"{name}: requests are made, and no line of theirs has come for {minutes} minutes",
            periods=2,
        )

    def watch_async(self, name: str, function: lambda_.IFunction) -> None:
        """Alarm when an asynchronous invocation was dropped, or could not reach its failure destination."""
        for metric_name in ("AsyncEventsDropped", "DestinationDeliveryFailures"):
            self._alarm(
                f"{name}{metric_name}",
                function.metric(metric_name, period=PERIOD, statistic="Sum"),
                description=f"{name}: {metric_name} of an asynchronous invocation",
            )

    def _alarm(
        self,
        construct_id: str,
        metric: cloudwatch.IMetric,
        *,
        description: str,
        threshold: int = 1,
        periods: int = 1,
    ) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            construct_id,
            metric=metric,
            alarm_description=description,
            threshold=threshold,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            evaluation_periods=periods,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(self._action)
        return alarm
