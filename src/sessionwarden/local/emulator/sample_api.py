"""The sample API that the demo protects, and the calls that put Sessionwarden's authorizer in front of it.

The API is deployed first, by a template that knows nothing of Sessionwarden, like the APIs of operators.
`attach` then makes the calls that a platform engineer makes for an API that already runs: it changes routes
and access logs, replaces no resource of the API's own stack, and leaves one route behind Cognito's authorizer
for comparison.
"""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple

from sessionwarden.errors import LocalStackError
from sessionwarden.local.emulator.deployer import Outputs, create_stack
from sessionwarden.local.emulator.emulator import Emulator

STACK = "sample-api"
REST_STAGE = "prod"
HTTP_STAGE = "$default"
GUARDED_ROUTE = "GET /orders"
LEGACY_ROUTE = "GET /legacy"


class SampleApi(NamedTuple):
    """The ids of the API that already runs, and the addresses of its endpoints."""

    pool_id: str
    client_id: str
    http_api_id: str
    rest_api_id: str
    rest_resource_id: str
    guarded_url: str
    legacy_url: str
    rest_url: str


def deploy_sample_api(emulator: Emulator) -> SampleApi:
    """Deploy the API, as its owner would have done before Sessionwarden."""
    template = files("sessionwarden.local.emulator").joinpath("sample_api.yaml").read_text(encoding="utf-8")
    outputs = create_stack(emulator, STACK, {"TemplateBody": template})
    http_url = emulator.api_url(outputs["HttpApiId"], HTTP_STAGE)
    return SampleApi(
        pool_id=outputs["UserPoolId"],
        client_id=outputs["ClientId"],
        http_api_id=outputs["HttpApiId"],
        rest_api_id=outputs["RestApiId"],
        rest_resource_id=outputs["RestResourceId"],
        guarded_url=f"{http_url}/orders",
        legacy_url=f"{http_url}/legacy",
        rest_url=f"{emulator.api_url(outputs['RestApiId'], REST_STAGE)}/orders",
    )


def attach(emulator: Emulator, api: SampleApi, outputs: Outputs) -> None:
    """Put `GET /orders` of both APIs behind the authorizer that the stack registered, and log both."""
    _attach_http(emulator, api, outputs)
    _attach_rest(emulator, api, outputs)


def _attach_http(emulator: Emulator, api: SampleApi, outputs: Outputs) -> None:
    gateway = emulator.client("apigatewayv2")
    routes = gateway.get_routes(ApiId=api.http_api_id)["Items"]
    guarded = next((route for route in routes if route["RouteKey"] == GUARDED_ROUTE), None)
    if guarded is None:
        raise LocalStackError(f"the sample API has no route {GUARDED_ROUTE}")
    gateway.update_route(
        ApiId=api.http_api_id,
        RouteId=guarded["RouteId"],
        AuthorizationType="CUSTOM",
        AuthorizerId=outputs[f"AuthorizerId{api.http_api_id}"],
    )
    gateway.update_stage(
        ApiId=api.http_api_id,
        StageName=HTTP_STAGE,
        AccessLogSettings={
            "DestinationArn": outputs[f"AccessLogGroup{api.http_api_id}"],
            "Format": outputs["HttpApiLogFormat"],
        },
    )


def _attach_rest(emulator: Emulator, api: SampleApi, outputs: Outputs) -> None:
    gateway = emulator.client("apigateway")
    gateway.update_method(
        restApiId=api.rest_api_id,
        resourceId=api.rest_resource_id,
        httpMethod="GET",
        patchOperations=[
            {"op": "replace", "path": "/authorizationType", "value": "CUSTOM"},
            {"op": "replace", "path": "/authorizerId", "value": outputs[f"AuthorizerId{api.rest_api_id}"]},
        ],
    )
    # a REST API serves its last deployment, not its current configuration
    gateway.create_deployment(restApiId=api.rest_api_id, stageName=REST_STAGE)
    gateway.update_stage(
        restApiId=api.rest_api_id,
        stageName=REST_STAGE,
        patchOperations=[
            {
                "op": "replace",
                "path": "/accessLogSettings/destinationArn",
                "value": outputs[f"AccessLogGroup{api.rest_api_id}"],
            },
            {"op": "replace", "path": "/accessLogSettings/format", "value": outputs["RestApiLogFormat"]},
        ],
    )
