from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import functions.authorizer.handler as handler
from functions.authorizer.answer import Unauthorized
from functions.authorizer.settings import read_settings
from sessionwarden.errors import SettingsError
from sessionwarden.tokens.cognito import Pool
from tests.authorizer_events import http_event, rest_event

ROOT = Path(__file__).resolve().parents[2]
GOOD = {"pool_id": "eu-west-1_Ab12", "client_ids": ["c1"]}
FORBIDDEN = (
    "aws_lambda_powertools", "asyncio", "boto3", "botocore", "dataclasses", "datetime", "decimal", "email",
    "http", "inspect", "jose", "joserfc", "jwt", "logging", "msgspec", "pydantic", "tempfile", "traceback",
    "unittest", "urllib", "urllib3", "uuid", "yaml", "zipfile",
)  # fmt: skip


def environ(pools: object, **changes: str) -> dict[str, str]:
    text = pools if isinstance(pools, str) else json.dumps(pools)
    return {
        "SESSIONWARDEN_USER_POOLS": text,
        "SESSIONWARDEN_DENYLIST_TABLE": "denylist",
        "AWS_REGION": "eu-west-1",
    } | changes


def test_settings_come_from_the_environment() -> None:
    local = {
        "pool_id": "us-east-1_Zz",
        "client_ids": None,
        "jwks_url": "http://127.0.0.1:4566/us-east-1_Zz/keys",
    }
    found = read_settings(environ([GOOD, local], SESSIONWARDEN_COUNTRY_HEADER="CloudFront-Viewer-Country"))
    assert found.pools == (
        Pool("eu-west-1_Ab12", frozenset({"c1"})),
        Pool("us-east-1_Zz", None, "http://127.0.0.1:4566/us-east-1_Zz/keys"),
    )
    assert (found.table, found.region, found.country_header) == (
        "denylist",
        "eu-west-1",
        "cloudfront-viewer-country",
    )


@pytest.mark.parametrize(
    "pools",
    [
        "",
        "x",
        "[]",
        "{}",
        "null",
        '[{"pool_id":"eu-west-1_A","client_ids":null,"client_ids":["c"]}]',
        [GOOD, GOOD],
        [5],
        [{"pool_id": "eu-west-1_A"}],
        [{"client_ids": None}],
        [GOOD | {"extra": 1}],
        [GOOD | {"client_ids": []}],
        [GOOD | {"client_ids": "c1"}],
        [GOOD | {"client_ids": [""]}],
        [GOOD | {"client_ids": [1]}],
        [GOOD | {"pool_id": "no-underscore"}],
        [GOOD | {"pool_id": "evil.example/_x"}],
        [GOOD | {"pool_id": "eu-west-1_a/../b"}],
        [GOOD | {"pool_id": "eu_west_1"}],
        [GOOD | {"pool_id": ""}],
        [GOOD | {"pool_id": 5}],
        [GOOD | {"jwks_url": 5}],
        [GOOD | {"jwks_url": "http://keys.example/"}],
        [GOOD | {"jwks_url": "http://127.0.0.1.evil.example/"}],
        [GOOD | {"jwks_url": "http://127.0.0.1:80@evil.example/"}],
        [GOOD | {"jwks_url": "file:///etc/passwd"}],
    ],
)
def test_a_pool_that_is_not_said_exactly_is_a_mistake(pools: Any) -> None:
    with pytest.raises(SettingsError):
        read_settings(environ(pools))


@pytest.mark.parametrize("name", ["SESSIONWARDEN_USER_POOLS", "SESSIONWARDEN_DENYLIST_TABLE", "AWS_REGION"])
def test_a_missing_setting_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=r"is not set"):
        read_settings(environ([GOOD]) | {name: ""})


def test_a_function_without_settings_refuses_every_request_and_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(handler, "AUTHORIZER", None)
    assert handler.lambda_handler(http_event("x"), None)["isAuthorized"] is False
    assert json.loads(capsys.readouterr().out)["reason"] == "misconfigured"
    found = handler.lambda_handler(rest_event("x"), None)
    assert found["policyDocument"]["Statement"][0]["Effect"] == "Deny"


def test_the_handler_builds_from_its_environment_and_refuses_a_bad_token(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environ([GOOD]).items():
        monkeypatch.setenv(name, value)
    try:
        importlib.reload(handler)
        assert handler.lambda_handler(http_event("x"), None)["context"]["reason"] == "malformed_token"
        with pytest.raises(Unauthorized):
            handler.lambda_handler(rest_event("x"), None)
    finally:
        monkeypatch.undo()
        importlib.reload(handler)
    assert "SESSIONWARDEN_USER_POOLS is not set" in capsys.readouterr().err


def test_importing_the_handler_loads_nothing_that_costs_cold_start() -> None:
    program = "import sys, functions.authorizer.handler; print(*sorted(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT), *site_packages()]),
            **environ([GOOD]),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert "cryptography" in loaded
    assert sorted(loaded & set(FORBIDDEN)) == []


def site_packages() -> list[str]:
    return [path for path in sys.path if path.endswith("site-packages")]


def test_the_denylist_has_300_ms_unless_the_deployment_says_otherwise() -> None:
    assert read_settings(environ([GOOD])).denylist_deadline_seconds == 0.3

    longer = environ([GOOD]) | {"SESSIONWARDEN_DENYLIST_DEADLINE_MS": "2500"}
    assert read_settings(longer).denylist_deadline_seconds == 2.5


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "4001", "300ms", "\u0663"])
def test_a_deadline_that_is_no_number_of_milliseconds_is_a_mistake(text: str) -> None:
    with pytest.raises(SettingsError):
        read_settings(environ([GOOD]) | {"SESSIONWARDEN_DENYLIST_DEADLINE_MS": text})
