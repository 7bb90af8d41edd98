from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import functions.authorizer.handler as handler
from functions.authorizer.answer import Unauthorized
from sessionwarden import authorizer
from sessionwarden.authorizer import decide, web_request
from sessionwarden.authorizer.settings import read_settings
from sessionwarden.errors import SettingsError
from sessionwarden.routes.compile import compile_routes, dump_routes
from sessionwarden.routes.match import NO_ROUTES
from sessionwarden.tokens.cognito import Pool
from tests.support.authorizer_events import http_event, rest_event
from tests.support.paths import PROJECT

ROOT = PROJECT
GOOD = {"pool_id": "eu-west-1_Ab12", "client_ids": ["c1"]}
FORBIDDEN = (
    "_strptime", "argparse", "asyncio", "aws_lambda_powertools", "boto3", "botocore", "certifi", "concurrent",
    "cryptography.hazmat.backends", "cryptography.hazmat.primitives.serialization", "cryptography.x509",
    "ctypes", "dataclasses", "datetime", "decimal", "email", "fractions", "glob", "gzip", "http", "inspect",
    "ipaddress", "jose", "joserfc", "jwt", "locale", "logging", "msgspec", "pathlib", "pickle", "platform",
    "pydantic", "queue", "secrets", "shutil", "string", "subprocess", "tempfile", "textwrap", "traceback",
    "unittest", "urllib", "urllib3", "uuid", "yaml", "zipfile",
)  # fmt: skip


def environ(pools: object, **changes: str) -> dict[str, str]:
    text = pools if isinstance(pools, str) else json.dumps(pools)
    return {
        "SESSIONWARDEN_USER_POOLS": text,
        "SESSIONWARDEN_DENYLIST_TABLE": "denylist",
        "AWS_REGION": "eu-west-1",
    } | changes


def test_outside_lambda_the_region_is_the_default_one() -> None:
    assert (
        read_settings(environ([GOOD], AWS_REGION="", AWS_DEFAULT_REGION="eu-north-1")).region == "eu-north-1"
    )


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
def test_a_pool_that_is_not_described_exactly_is_refused(pools: Any) -> None:
    with pytest.raises(SettingsError):
        read_settings(environ(pools))


def test_keys_are_shipped_in_a_file_beside_the_code_or_in_one_that_is_named(tmp_path: Path) -> None:
    document = json.dumps({"eu-west-1_Ab12": {"keys": []}})
    (tmp_path / "jwks.json").write_text(document)
    (tmp_path / "other.json").write_text("{}")
    beside = environ([GOOD], LAMBDA_TASK_ROOT=str(tmp_path))
    assert json.loads(read_settings(beside).jwks["eu-west-1_Ab12"]) == {"keys": []}
    assert read_settings(beside | {"SESSIONWARDEN_JWKS": str(tmp_path / "other.json")}).jwks == {}
    assert read_settings(environ([GOOD], LAMBDA_TASK_ROOT=str(tmp_path / "empty"))).jwks == {}


@pytest.mark.parametrize("content", [None, "", "[]", "x", '{"p":[]}', '{"p":{},"p":{}}', " " * 1_100_000])
def test_shipped_keys_that_cannot_be_read_are_refused(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "keys").write_text(content)
    with pytest.raises(SettingsError):
        read_settings(environ([GOOD], SESSIONWARDEN_JWKS=str(tmp_path / "keys")))


def test_routes_are_shipped_beside_the_code_or_in_a_file_that_is_named(tmp_path: Path) -> None:
    file = tmp_path / "authorizer.yml"
    file.write_text("version: 1\ndefault: {groups: {any: [staff]}}\n")
    (tmp_path / "routes.json").write_bytes(dump_routes(compile_routes(file)))
    for found in (
        read_settings(environ([GOOD], LAMBDA_TASK_ROOT=str(tmp_path))),
        read_settings(environ([GOOD], SESSIONWARDEN_ROUTES=str(tmp_path / "routes.json"))),
    ):
        assert found.routes.default.any_groups == (frozenset({"staff"}),)
    assert read_settings(environ([GOOD], LAMBDA_TASK_ROOT=str(tmp_path / "none"))).routes == NO_ROUTES


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"format":1}'])
def test_routes_that_cannot_be_read_are_a_mistake_and_never_no_routes(
    content: str | None, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "r").write_text(content)
    with pytest.raises(SettingsError):
        read_settings(environ([GOOD], SESSIONWARDEN_ROUTES=str(tmp_path / "r")))


def test_the_answer_for_http_apis_is_simple_or_policy() -> None:
    assert read_settings(environ([GOOD])).http_api_answer == "simple"
    found = read_settings(environ([GOOD], SESSIONWARDEN_HTTP_API_ANSWER="policy"))
    assert found.http_api_answer == "policy"
    with pytest.raises(SettingsError):
        read_settings(environ([GOOD], SESSIONWARDEN_HTTP_API_ANSWER="Simple"))


def test_the_plain_function_builds_one_authorizer_from_the_environment_for_all_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = authorizer._process
    process.start_anew()
    request = web_request(method="GET", path="/x")
    for name in environ([GOOD]):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError):
        decide("x.y", request)
    for name, value in environ([GOOD]).items():
        monkeypatch.setenv(name, value)
    reasons: list[str] = []
    built = []
    for _ in range(2):
        thread = threading.Thread(target=lambda: reasons.append(decide("x.y", request).reason))
        thread.start()
        thread.join()
        built.append(process.authorizer)
    assert reasons == ["malformed_token"] * 2
    assert built[0] is built[1] is not None
    process.start_anew()


@pytest.mark.parametrize("value", ["0", "600", "86401", "-5", "1e4", "3600s", "٣٦٠٠"])
def test_keys_serve_between_one_refresh_and_a_day(value: str) -> None:
    assert read_settings(environ([GOOD])).keys_serve_seconds == 86_400
    assert read_settings(environ([GOOD], SESSIONWARDEN_KEYS_SERVE_SECONDS="3600")).keys_serve_seconds == 3600
    with pytest.raises(SettingsError):
        read_settings(environ([GOOD], SESSIONWARDEN_KEYS_SERVE_SECONDS=value))


@pytest.mark.parametrize("name", ["SESSIONWARDEN_USER_POOLS", "SESSIONWARDEN_DENYLIST_TABLE", "AWS_REGION"])
def test_a_missing_setting_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=r"is not set"):
        read_settings(environ([GOOD]) | {name: ""})


def test_a_function_without_settings_refuses_every_request_and_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(handler, "SERVICE", handler.Service(None))
    assert handler.lambda_handler(http_event("x"), None)["isAuthorized"] is False
    assert json.loads(capsys.readouterr().out)["reason"] == "misconfigured"
    found = handler.lambda_handler(rest_event("x"), None)
    assert found["policyDocument"]["Statement"][0]["Effect"] == "Deny"


def test_a_function_whose_credentials_would_come_from_another_machine_refuses_every_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    for name, value in environ([GOOD]).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/credentials")

    assert handler.build().answer(http_event("x"), invocation_id="i")["isAuthorized"] is False
    assert json.loads(capsys.readouterr().out)["reason"] == "misconfigured"


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
    loaded = set(run_alone(program).split())
    assert "cryptography" in loaded
    assert sorted(loaded & set(FORBIDDEN)) == []


def test_importing_the_handler_does_not_read_the_roots_of_the_system() -> None:
    program = (
        "import functions.authorizer.handler as handler, sessionwarden.adapters.lean.tls_trust as trust\n"
        "print(handler.SERVICE.authorizer is not None, trust.system_context.cache_info().currsize)"
    )
    assert run_alone(program).split() == ["True", "0"]


def run_alone(program: str) -> str:
    """What `program` prints in an interpreter of its own, with a good environment and no other."""
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
    return run.stdout


def site_packages() -> list[str]:
    return [path for path in sys.path if path.endswith("site-packages")]


def test_the_denylist_has_300_ms_unless_the_deployment_says_otherwise() -> None:
    assert read_settings(environ([GOOD])).denylist_deadline_seconds == 0.3

    longer = environ([GOOD]) | {"SESSIONWARDEN_DENYLIST_DEADLINE_MS": "2500"}
    assert read_settings(longer).denylist_deadline_seconds == 2.5


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "4001", "300ms", "\u0663"])
def test_a_deadline_that_is_no_number_of_milliseconds_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        read_settings(environ([GOOD]) | {"SESSIONWARDEN_DENYLIST_DEADLINE_MS": text})
