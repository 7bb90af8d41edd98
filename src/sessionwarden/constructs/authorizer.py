"""The Lambda authorizer: the function, its published version, and the alias that APIs invoke.

It exposes `authorizer` (the function), `live` (its alias), `registrations` (its registrations with APIs),
and the metrics `malfunctions`, `denylist_unavailable` and `stale_keys`. Invariants: each change of code or
settings publishes a version, and the alias moves to that version only when it is ready; a version that was
replaced is deleted, since a kept snapshot is billed.
https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from sessionwarden.constructs.function import METRICS_NAMESPACE, WardenFunction
from sessionwarden.constructs.registrations import Registrations

MALFUNCTIONS = (
    "denylist_damaged",
    "denylist_unavailable",
    "internal_error",
    "keys_unavailable",
    "misconfigured",
)
"""Reasons on the decision line that are our own fault: no token, however malformed, can cause them."""

DENYLIST_UNAVAILABLE = ("denylist_damaged", "denylist_unavailable")
"""Of those, the ones that concern the denylist. Where a route is `denylist: open`, requests pass with the
second: denied users are let in meanwhile."""

TIMEOUT_SECONDS = 5
MEMORY_MB = 512
ALIAS = "live"


class Authorizer(Construct):
    """The function that decides on every guarded request.

    `reserved_concurrency` keeps other functions from starving it, and bounds what a flood can cost.
    `options` are environment variables that have defaults. With a `snap_start` of `None`, each environment
    starts cold; Lambda does not combine SnapStart with provisioned concurrency.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stack_name: str,
        code: lambda_.Code,
        denylist: dynamodb.ITable,
        user_pools_json: str,
        reserved_concurrency: int | None,
        snap_start: lambda_.SnapStartConf | None,
        options: Mapping[str, str],
    ) -> None:
        super().__init__(scope, construct_id)
        self.authorizer = WardenFunction(
            self,
            "Authorizer",
            name="authorizer",
            stack_name=stack_name,
            description="Verifies the token and reads the denylist on every request",
            code=code,
            timeout_seconds=TIMEOUT_SECONDS,
            memory_mb=MEMORY_MB,
            reserved_concurrency=reserved_concurrency,
            snap_start=snap_start,
            environment={
                **options,
                "SESSIONWARDEN_DENYLIST_TABLE": denylist.table_name,
                "SESSIONWARDEN_USER_POOLS": user_pools_json,
            },
        )
        self.authorizer.allow("dynamodb:Query", on=[denylist.table_arn])
        self.live = lambda_.Alias(
            self, "Live", alias_name=ALIAS, version=self.authorizer.function.current_version
        )
        self.registrations = Registrations(self, authorizer=self.live)
        self.malfunctions = _count_reasons(
            self, "Malfunctions", MALFUNCTIONS, log_group=self.authorizer.log_group, stack_name=stack_name
        )
        self.denylist_unavailable = _count_reasons(
            self,
            "DenylistUnavailable",
            DENYLIST_UNAVAILABLE,
            log_group=self.authorizer.log_group,
            stack_name=stack_name,
        )
        self.stale_keys = _count_stale_keys(self, self.authorizer.log_group, stack_name)


def _count_reasons(
    scope: Construct,
    construct_id: str,
    reasons: Collection[str],
    *,
    log_group: logs.ILogGroup,
    stack_name: str,
) -> cloudwatch.Metric:
    """Counts decision lines with one of `reasons`, which are our own fault.

    Lambda's own `Errors` metric is no use for this: a REST API's 401 is an exception by contract, so any
    client could set off an alarm with a bad token.
    """
    pattern = logs.FilterPattern.any(
        *(logs.FilterPattern.string_value("$.reason", "=", reason) for reason in reasons)
    )
    log_filter = logs.MetricFilter(
        scope,
        construct_id,
        log_group=log_group,
        filter_pattern=pattern,
        metric_namespace=METRICS_NAMESPACE,
        metric_name=f"Authorizer{construct_id}-{stack_name}",
    )
    return log_filter.metric()


def _count_stale_keys(scope: Construct, log_group: logs.ILogGroup, stack_name: str) -> cloudwatch.Metric:
    """Counts failed fetches of signing keys: known keys serve for a day at most, so an operator must act.

    Decision lines are left out: they quote what clients write, and a client could write these words.
    """
    log_filter = logs.MetricFilter(
        scope,
        "StaleKeys",
        log_group=log_group,
        filter_pattern=logs.FilterPattern.literal('"JWKS not fetched" -"sessionwarden.decision"'),
        metric_namespace=METRICS_NAMESPACE,
        metric_name=f"AuthorizerStaleKeys-{stack_name}",
    )
    return log_filter.metric()
