"""The Lambda authorizer and its registration with APIs that already run.

Enters: the denylist, the pools, API ids in plain text. Leaves: `authorizer` (the function),
`malfunctions` and `stale_keys` (metrics) and `registrations` (authorizer ids by API id); whoever owns the API
attaches them to routes. Invariants: results are never cached, since a cached allow would outlive the
deny; each API may invoke the function as its own authorizer only.

Without an Authorization header API Gateway answers 401 by itself: a flood without tokens costs no
invocation (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html).
"""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from sessionwarden.constructs.function import METRICS_NAMESPACE, WardenFunction

MALFUNCTIONS = (
    "denylist_damaged",
    "denylist_unavailable",
    "internal_error",
    "keys_unavailable",
    "misconfigured",
)
"""Reasons of the decision line that are our own fault: nobody can cause them with a token."""

TIMEOUT_SECONDS = 5
MEMORY_MB = 512
RESULT_TTL_SECONDS = 0


class Authorizer(Construct):
    """The function that every guarded request passes.

    `reserved_concurrency` keeps other functions from starving it, and bounds what a flood can cost.
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
        denylist_deadline_ms: int | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.registrations: dict[str, str] = {}
        environment = {
            "SESSIONWARDEN_DENYLIST_TABLE": denylist.table_name,
            "SESSIONWARDEN_USER_POOLS": user_pools_json,
        }
        if denylist_deadline_ms is not None:
            environment["SESSIONWARDEN_DENYLIST_DEADLINE_MS"] = str(denylist_deadline_ms)
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
            environment=environment,
        )
        self.authorizer.allow("dynamodb:Query", on=[denylist.table_arn])
        self.malfunctions = _count_malfunctions(self, self.authorizer.log_group, stack_name)
        self.stale_keys = _count_stale_keys(self, self.authorizer.log_group, stack_name)

    def register_http_api(self, api_id: str) -> None:
        """Make it known to an HTTP API: payload 2.0, simple answers."""
        resource = apigatewayv2.CfnAuthorizer(
            self,
            f"HttpApi{api_id}",
            api_id=api_id,
            name=self._registration_name(),
            authorizer_type="REQUEST",
            authorizer_uri=self._invocation_uri(),
            authorizer_payload_format_version="2.0",
            authorizer_result_ttl_in_seconds=RESULT_TTL_SECONDS,
            enable_simple_responses=True,
            identity_source=["$request.header.Authorization"],
        )
        self._register(api_id, resource.ref)

    def register_rest_api(self, api_id: str) -> None:
        """Make it known to a REST API, as an authorizer of type REQUEST."""
        resource = apigateway.CfnAuthorizer(
            self,
            f"RestApi{api_id}",
            rest_api_id=api_id,
            name=self._registration_name(),
            type="REQUEST",
            authorizer_uri=self._invocation_uri(),
            authorizer_result_ttl_in_seconds=RESULT_TTL_SECONDS,
            identity_source="method.request.header.Authorization",
        )
        self._register(api_id, resource.ref)

    def _register(self, api_id: str, authorizer_id: str) -> None:
        self.registrations[api_id] = authorizer_id
        stack = Stack.of(self)
        self.authorizer.function.add_permission(
            f"InvokeFor{api_id}",
            principal=iam.ServicePrincipal("apigateway.amazonaws.com"),
            source_arn=stack.format_arn(
                service="execute-api", resource=api_id, resource_name=f"authorizers/{authorizer_id}"
            ),
        )

    def _registration_name(self) -> str:
        return f"sessionwarden-{Stack.of(self).stack_name}"

    def _invocation_uri(self) -> str:
        return Stack.of(self).format_arn(
            service="apigateway",
            account="lambda",
            resource="path",
            resource_name=f"2015-03-31/functions/{self.authorizer.function.function_arn}/invocations",
        )


def _count_malfunctions(scope: Construct, log_group: logs.ILogGroup, stack_name: str) -> cloudwatch.Metric:
    """Refusals that are our own fault, counted from decision lines.

    Lambda's `Errors` would not do: a REST API's 401 is an exception by contract, so anybody could raise
    an alarm on it with a bad token.
    """
    metric_name = f"AuthorizerMalfunctions-{stack_name}"
    pattern = logs.FilterPattern.any(
        *(logs.FilterPattern.string_value("$.reason", "=", reason) for reason in MALFUNCTIONS)
    )
    log_filter = logs.MetricFilter(
        scope,
        "Malfunctions",
        log_group=log_group,
        filter_pattern=pattern,
        metric_namespace=METRICS_NAMESPACE,
        metric_name=metric_name,
    )
    return log_filter.metric()


def _count_stale_keys(scope: Construct, log_group: logs.ILogGroup, stack_name: str) -> cloudwatch.Metric:
    """Failed fetches of signing keys: known ones go on serving for a day at most, so somebody must look.

    Decision lines are left out: they quote what clients write, and anybody could write these words.
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
