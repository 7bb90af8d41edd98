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


def http_1_event(token: str = "x", **changes: Any) -> dict[str, Any]:
    """Payload 1.0 of an HTTP API."""
    return {
        "version": "1.0",
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:us-east-1:123456789012:abcdef123/test/GET/request",
        "identitySource": f"Bearer {token}",
        "authorizationToken": f"Bearer {token}",
        "resource": "/request",
        "path": "/request",
        "httpMethod": "GET",
        "headers": {"Authorization": f"Bearer {token}", "X-Forwarded-Port": "443"},
        "queryStringParameters": {"QueryString1": "queryValue1"},
        "pathParameters": {},
        "stageVariables": {"StageVar1": "stageValue1"},
        "requestContext": {
            "path": "/request",
            "accountId": "123456789012",
            "resourceId": "05c7jb",
            "stage": "test",
            "requestId": "http-request-id=",
            "identity": {"apiKey": "", "sourceIp": "203.0.113.7"},
            "resourcePath": "/request",
            "httpMethod": "GET",
            "apiId": "abcdef123",
        },
    } | changes


def token_event(token: str = "x", **changes: Any) -> dict[str, Any]:
    """A TOKEN authorizer's event of a REST API: nothing but these three."""
    return {
        "type": "TOKEN",
        "authorizationToken": f"Bearer {token}",
        "methodArn": "arn:aws:execute-api:eu-west-1:123456789012:abc123/prod/GET/items/5",
    } | changes


def websocket_event(token: str = "x", **changes: Any) -> dict[str, Any]:
    """A WebSocket API's event of the route $connect."""
    headers = {
        "Authorization": f"Bearer {token}",
        "Connection": "upgrade",
        "Sec-WebSocket-Version": "13",
        "Upgrade": "websocket",
    }
    return {
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:us-east-1:123456789012:abcdef123/default/$connect",
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {"QueryString1": "queryValue1"},
        "multiValueQueryStringParameters": {"QueryString1": ["queryValue1"]},
        "stageVariables": {},
        "requestContext": {
            "routeKey": "$connect",
            "eventType": "CONNECT",
            "extendedRequestId": "extended-id=",
            "requestTime": "19/Jan/2023:21:13:26 +0000",
            "messageDirection": "IN",
            "stage": "default",
            "connectedAt": 1_790_000_000_122,
            "requestTimeEpoch": 1_790_000_000_123,
            "identity": {"sourceIp": "203.0.113.7"},
            "requestId": "request-id=",
            "domainName": "abcdef123.execute-api.us-east-1.amazonaws.com",
            "connectionId": "connection-id=",
            "apiId": "abcdef123",
        },
    } | changes


def appsync_event(token: str = "x", **changes: Any) -> dict[str, Any]:
    """An AppSync API's event for its Lambda authorizer."""
    return {
        "authorizationToken": token,
        "requestContext": {
            "apiId": "giy7kumfmvcqvbedntjwjvagii",
            "accountId": "123456789012",
            "requestId": "b80ed838-14c6-4500-b4c3-b694c7bef086",
            "queryString": "mutation MyNewTask($desc: String!) { createTask(description: $desc) { id } }",
            "operationName": "MyNewTask",
            "variables": {"desc": "Foo"},
        },
        "requestHeaders": {"user-agent": "agent/1.0", "x-forwarded-for": "192.0.2.1"},
    } | changes
