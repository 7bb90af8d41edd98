"""Registers the authorizer with APIs that already run, one method for each API kind.

It exposes `authorizer_ids` by API id, and `appsync` (the settings an AppSync API needs, by API id); the
API's owner attaches them to routes. Invariants: results are never cached, since a cached allow would
outlive the deny; each API may invoke the function as its own authorizer only.

Without an Authorization header API Gateway answers 401 by itself: a flood without tokens costs no
invocation (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html).
"""

from __future__ import annotations

from typing import Literal

from aws_cdk import Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

HttpApiAnswer = Literal["simple", "policy"]
RestAuthorizerType = Literal["REQUEST", "TOKEN"]

RESULT_TTL_SECONDS = 0
TOKEN_PATTERN = r"^ *([Bb][Ee][Aa][Rr][Ee][Rr] +)?[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+ *$"  # noqa: S105
"""Matches every token that the function could accept; API Gateway answers 401 to others by itself."""


class Registrations:
    """The registrations of `authorizer` with APIs, made as resources of `scope`."""

    def __init__(self, scope: Construct, *, authorizer: lambda_.Alias) -> None:
        self.authorizer_ids: dict[str, str] = {}
        self.appsync: dict[str, dict[str, object]] = {}
        self._scope = scope
        self._stack = Stack.of(scope)
        self._authorizer = authorizer
        self._name = f"sessionwarden-{self._stack.stack_name}"
        self._uri = self._stack.format_arn(
            service="apigateway",
            account="lambda",
            resource="path",
            resource_name=f"2015-03-31/functions/{authorizer.function_arn}/invocations",
        )

    def register_http_api(self, api_id: str, *, answer: HttpApiAnswer) -> None:
        """Register it with an HTTP API, payload 2.0. `answer` is the format the function is set to return."""
        resource = apigatewayv2.CfnAuthorizer(
            self._scope,
            f"HttpApi{api_id}",
            api_id=api_id,
            name=self._name,
            authorizer_type="REQUEST",
            authorizer_uri=self._uri,
            authorizer_payload_format_version="2.0",
            authorizer_result_ttl_in_seconds=RESULT_TTL_SECONDS,
            enable_simple_responses=answer == "simple",
            identity_source=["$request.header.Authorization"],
        )
        self._register(api_id, resource.ref)

    def register_rest_api(self, api_id: str) -> None:
        """Register it with a REST API, as an authorizer of type REQUEST."""
        self._register_rest(api_id, f"RestApi{api_id}", name=self._name, authorizer_type="REQUEST")

    def register_rest_token_api(self, api_id: str) -> None:
        """Register it with a REST API, as an authorizer of type TOKEN, which receives only the token."""
        self._register_rest(
            api_id,
            f"RestTokenApi{api_id}",
            # an API refuses a name twice, and CloudFormation creates the new type before deleting the old
            name=f"{self._name}-token",
            authorizer_type="TOKEN",
            token_pattern=TOKEN_PATTERN,
        )

    def register_websocket_api(self, api_id: str, *, token_parameter: str | None) -> None:
        """Register it with a WebSocket API, for `$connect`.

        Every identity source that is named must be present, or API Gateway answers 401. So none is named
        if the token may be in the header or in `token_parameter`. WebSocket APIs have no result cache.
        https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-authorizers.html
        """
        resource = apigatewayv2.CfnAuthorizer(
            self._scope,
            f"WebSocketApi{api_id}",
            api_id=api_id,
            name=self._name,
            authorizer_type="REQUEST",
            authorizer_uri=self._uri,
            identity_source=["route.request.header.Authorization"] if token_parameter is None else None,
        )
        self._register(api_id, resource.ref)

    def admit_appsync_api(self, api_id: str) -> None:
        """Let an AppSync API invoke it. The API's owner sets the authorizer, in the API's own settings.

        https://docs.aws.amazon.com/appsync/latest/APIReference/API_LambdaAuthorizerConfig.html
        """
        self.appsync[api_id] = {
            "authorizerUri": self._authorizer.function_arn,
            "authorizerResultTtlInSeconds": RESULT_TTL_SECONDS,
            "identityValidationExpression": TOKEN_PATTERN,
        }
        self._authorizer.add_permission(
            f"InvokeFor{api_id}",
            principal=iam.ServicePrincipal("appsync.amazonaws.com"),
            source_arn=self._stack.format_arn(service="appsync", resource="apis", resource_name=api_id),
        )

    def _register_rest(
        self,
        api_id: str,
        construct_id: str,
        *,
        name: str,
        authorizer_type: RestAuthorizerType,
        token_pattern: str | None = None,
    ) -> None:
        resource = apigateway.CfnAuthorizer(
            self._scope,
            construct_id,
            rest_api_id=api_id,
            name=name,
            type=authorizer_type,
            authorizer_uri=self._uri,
            authorizer_result_ttl_in_seconds=RESULT_TTL_SECONDS,
            identity_source="method.request.header.Authorization",
            identity_validation_expression=token_pattern,
        )
        self._register(api_id, resource.ref)

    def _register(self, api_id: str, authorizer_id: str) -> None:
        self.authorizer_ids[api_id] = authorizer_id
        self._authorizer.add_permission(
            f"InvokeFor{api_id}",
            principal=iam.ServicePrincipal("apigateway.amazonaws.com"),
            source_arn=self._stack.format_arn(
                service="execute-api", resource=api_id, resource_name=f"authorizers/{authorizer_id}"
            ),
        )
