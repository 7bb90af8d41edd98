"""Synthesized templates of the deployments that the tests check."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from stacks.settings import Settings
from tests.support.paths import PROJECT

ROOT = PROJECT
REPORT = "validation-report.json"
HTTP_API = "a1b2c3d4e5"
REST_API = "f6g7h8i9j0"
REST_TOKEN_API = "k1l2m3n4o5"
WEBSOCKET_API = "p6q7r8s9t0"
APPSYNC_API = "abcdefghijklmnopqrstuvwxyz"
POOL = "eu-west-1_AbCdEf123"
CONTEXT: dict[str, object] = {
    "user_pools": [{"pool_id": POOL, "client_ids": ["client1"]}, "eu-west-1_Second456"],
    "http_api_ids": [HTTP_API],
    "rest_api_ids": [REST_API],
    "rest_token_api_ids": [REST_TOKEN_API],
    "websocket_api_ids": [WEBSOCKET_API],
    "appsync_api_ids": [APPSYNC_API],
    "alert_email": "team@example.com",
}
VARIED: dict[str, object] = {
    "http_api_answer": "policy",
    "websocket_token_parameter": "token",
    "country_header": "CloudFront-Viewer-Country",
    "authorizer_snap_start": "off",
    "new_keys_per_minute": "9000",
    "detect_memory_mb": "1024",
    "log_silence_minutes": "15",
}
LOCAL: dict[str, object] = {"target": "local", "local_endpoint": "http://127.0.0.1:4566"}


class Resource(NamedTuple):
    """One resource of a template."""

    logical_id: str
    type: str
    properties: dict[str, Any]
    attributes: dict[str, Any]


class Synthesized(NamedTuple):
    """A stack's template as CloudFormation gets it."""

    settings: Settings
    file: Path
    template: dict[str, Any]

    def of_type(self, resource_type: str) -> list[Resource]:
        return [
            Resource(name, body["Type"], body.get("Properties", {}), body)
            for name, body in self.template["Resources"].items()
            if body["Type"] == resource_type
        ]

    def one(self, resource_type: str, within: str = "") -> Resource:
        (found,) = [item for item in self.of_type(resource_type) if item.logical_id.startswith(within)]
        return found

    def environment(self, within: str) -> dict[str, Any]:
        variables: dict[str, Any] = self.one("AWS::Lambda::Function", within).properties["Environment"][
            "Variables"
        ]
        return variables


class Assembly(NamedTuple):
    """Both targets with every kind of API, AWS with other choices and without any API, cdk-nag's report."""

    aws: Synthesized
    local: Synthesized
    varied: Synthesized
    empty: Synthesized
    report: dict[str, Any]
