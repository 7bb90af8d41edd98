"""Context values: what is taken, and that a mistake is named instead of deployed."""

from __future__ import annotations

import re

import pytest

from sessionwarden.detection.storage.shared_log_size import (
    LARGEST_MEMORY_MB,
    SMALLEST_MEMORY_MB,
    shared_log_limit_for,
)
from sessionwarden.errors import ContextError
from stacks.settings import Settings, UserPool, read_settings
from tests.support.templates import ROOT


def test_no_context_is_an_observing_deployment_for_aws() -> None:
    assert read_settings({}) == Settings(target="aws", stack_name="sessionwarden", mode="observe")


def test_keys_of_cdk_itself_are_passed_over() -> None:
    context: dict[str, object] = {
        "@aws-cdk/core:newStyleStackSynthesis": True,
        "aws:cdk:enable-path-metadata": True,
        "hosted-zone:account=1:domainName=x": {},
        "cli-telemetry": False,
    }

    assert read_settings(context) == Settings()


def test_lists_may_come_as_text_from_the_command_line() -> None:
    settings = read_settings(
        {
            "user_pools": '["eu-west-1_AbC", {"pool_id": "eu-west-1_DeF", "client_ids": ["c1"]}]',
            "http_api_ids": "abc123, def456",
            "rest_api_ids": "",
            "session_lifetime_seconds": "86400",
        }
    )

    assert settings.user_pools == (
        UserPool(pool_id="eu-west-1_AbC"),
        UserPool(pool_id="eu-west-1_DeF", client_ids=("c1",)),
    )
    assert settings.http_api_ids == ("abc123", "def456")
    assert settings.rest_api_ids == ()
    assert settings.session_lifetime_seconds == 86_400


def test_authorizer_concurrency_of_zero_reserves_none() -> None:
    assert read_settings({"authorizer_concurrency": "0"}).authorizer_concurrency is None


def test_the_memory_of_detect_is_the_least_unless_told() -> None:
    assert read_settings({}).detect_memory_mb == SMALLEST_MEMORY_MB
    assert read_settings({"detect_memory_mb": "1024"}).detect_memory_mb == 1_024


def test_no_more_memory_may_be_asked_for_than_detect_makes_something_of() -> None:
    assert read_settings({"detect_memory_mb": LARGEST_MEMORY_MB}).detect_memory_mb == LARGEST_MEMORY_MB
    most = shared_log_limit_for(memory_mb=LARGEST_MEMORY_MB)
    assert shared_log_limit_for(memory_mb=LARGEST_MEMORY_MB // 2) < most
    assert shared_log_limit_for(memory_mb=LARGEST_MEMORY_MB * 2) == most


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"http_api_id": ["a"]}, "http_api_id: unknown context value (do you mean http_api_ids?)"),
        ({"zzz": 1}, "zzz: unknown context value (known: alert_email, "),
        ({"mode": "enforced"}, "mode: 'enforced' is not one of observe, enforce"),
        ({"target": "gcp"}, "target: 'gcp' is not one of aws, local"),
        ({"http_api_ids": {"a": 1}}, "http_api_ids: expected a list"),
        ({"http_api_ids": "[1"}, "http_api_ids: not JSON"),
        ({"http_api_ids": ["*"]}, "http_api_ids: '*' is not an API id"),
        ({"http_api_ids": ["a", "a"]}, "http_api_ids: 'a' occurs twice"),
        ({"http_api_ids": ["a"], "rest_api_ids": ["a"]}, "rest_api_ids: a is also in http_api_ids"),
        (
            {"rest_token_api_ids": ["a"], "rest_api_ids": ["a"]},
            "rest_token_api_ids: a is also in rest_api_ids",
        ),
        (
            {"websocket_api_ids": ["a"], "http_api_ids": ["a"]},
            "websocket_api_ids: a is also in http_api_ids",
        ),
        (
            {"appsync_api_ids": ["a"], "websocket_api_ids": ["a"]},
            "appsync_api_ids: a is also in websocket_api_ids",
        ),
        ({"appsync_api_ids": ["A"]}, "appsync_api_ids: 'A' is not an API id"),
        ({"http_api_answer": "jwt"}, "http_api_answer: 'jwt' is not one of simple, policy"),
        ({"http_api_answer": "policy"}, "http_api_answer: only with http_api_ids"),
        ({"websocket_token_parameter": "t"}, "websocket_token_parameter: only with websocket_api_ids"),
        (
            {"websocket_api_ids": ["a"], "websocket_token_parameter": "a b"},
            "websocket_token_parameter: 'a b' is not a query parameter",
        ),
        ({"country_header": "X-Country:"}, "country_header: 'X-Country:' is not a header's name"),
        ({"authorizer_snap_start": True}, "authorizer_snap_start: True is not one of on, off"),
        ({"user_pools": ["eu-west-1_*"]}, "user_pools: 'eu-west-1_*' is not a user pool id"),
        ({"user_pools": [{"pool": "eu-west-1_A"}]}, "user_pools: unknown key 'pool' in a pool"),
        ({"user_pools": [{"client_ids": ["a"]}]}, "user_pools: pool_id is missing"),
        (
            {"user_pools": [{"pool_id": "eu-west-1_A", "client_ids": []}]},
            "user_pools: client_ids of eu-west-1_A is empty: no token would be accepted",
        ),
        (
            {"user_pools": [{"pool_id": "eu-west-1_A", "jwks_url": "http://evil"}]},
            "user_pools: unknown key 'jwks_url' in a pool",
        ),
        ({"alert_email": "nobody"}, "alert_email: 'nobody' is not an e-mail address"),
        ({"stack_name": "a b"}, "stack_name: 'a b' is not a stack name"),
        ({"session_lifetime_seconds": 60}, "session_lifetime_seconds: 60 is not a whole number from 3600"),
        ({"authorizer_concurrency": True}, "authorizer_concurrency: True is not a whole number"),
        ({"new_keys_per_minute": "0"}, "new_keys_per_minute: '0' is not a whole number from 1 to 10000000"),
        ({"detect_memory_mb": 256}, "detect_memory_mb: 256 is not a whole number from 512 to 2048"),
        ({"detect_memory_mb": "4096"}, "detect_memory_mb: '4096' is not a whole number from 512 to 2048"),
        ({"log_silence_minutes": 1}, "log_silence_minutes: 1 is not a whole number from 2 to 120"),
        ({"target": "local"}, "local_endpoint: target local needs the emulator's address"),
        ({"local_endpoint": "http://127.0.0.1:1"}, "local_endpoint: only for target local"),
        (
            {"target": "local", "local_endpoint": "http://example.com:80"},
            "local_endpoint: 'http://example.com:80' is not a loopback address",
        ),
    ],
)
def test_a_mistake_is_named(context: dict[str, object], message: str) -> None:
    with pytest.raises(ContextError) as caught:
        read_settings(context)

    assert message in str(caught.value)


def test_the_reference_lists_every_context_value() -> None:
    page = (ROOT / "docs/reference/stack.md").read_text(encoding="utf-8")
    section = page.partition("## Context values")[2].partition("\n## ")[0]

    documented = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    assert documented == Settings.model_fields.keys()


def test_all_mistakes_come_at_once() -> None:
    with pytest.raises(ContextError) as caught:
        read_settings({"mod": "enforce", "alert_email": 1, "http_api_ids": 2})

    assert len(caught.value.diagnostics) == 3


def test_a_contradiction_is_named_beside_other_mistakes() -> None:
    with pytest.raises(ContextError) as caught:
        read_settings({"mode": "on", "http_api_ids": ["a"], "rest_api_ids": ["a"], "local_endpoint": "x"})

    assert [mistake.partition(":")[0] for mistake in caught.value.diagnostics] == [
        "local_endpoint",
        "mode",
        "rest_api_ids",
    ]


def test_what_is_wrong_itself_contradicts_nothing() -> None:
    with pytest.raises(ContextError) as caught:
        read_settings({"target": "gcp", "local_endpoint": "http://127.0.0.1:1", "http_api_ids": "*"})

    assert len(caught.value.diagnostics) == 2
