"""Authorizer events as API Gateway documents them, for tests to change."""

from __future__ import annotations

from typing import Any


def http_event(token: str = "x", **changes: Any) -> dict[str, Any]:
    """Payload 2.0 of an HTTP API."""
    return {
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": "arn:aws:execute-api:eu-west-1:123456789012:abc123/$default/GET/items/5",
        "identitySource": [token],
        "routeKey": "GET /items/{id}",
        "rawPath": "/items/5",
        "rawQueryString": "",
        "headers": {"authorization": f"Bearer {token}", "host": "api.example.com"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc123",
            "domainName": "api.example.com",
            "http": {
                "method": "GET",
                "path": "/items/5",
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "agent/1.0",
            },
            "requestId": "http-request-id=",
            "routeKey": "GET /items/{id}",
            "stage": "$default",
            "timeEpoch": 1_790_000_000_123,
        },
    } | changes


def rest_event(token: str = "x", **changes: Any) -> dict[str, Any]:
    """A REQUEST authorizer's event of a REST API."""
    return {
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:eu-west-1:123456789012:abc123/prod/GET/items/5",
        "resource": "/items/{id}",
        "path": "/items/5",
        "httpMethod": "GET",
        "headers": {"Authorization": f"Bearer {token}"},
        "multiValueHeaders": {"Authorization": [f"Bearer {token}"]},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc123",
            "domainName": "api.example.com",
            "extendedRequestId": "extended-id=",
            "httpMethod": "GET",
            "identity": {"sourceIp": "203.0.113.7", "userAgent": "agent/1.0"},
            "requestId": "set-by-the-client",
            "requestTimeEpoch": 1_790_000_000_123,
            "resourcePath": "/items/{id}",
            "stage": "prod",
        },
    } | changes
