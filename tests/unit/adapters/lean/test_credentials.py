"""Where credentials come from, which answers are refused, and which endpoints may be asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sessionwarden.adapters.lean.container_credentials import (
    ContainerCredentials,
    container_endpoint,
    parse_credentials,
)
from sessionwarden.adapters.lean.credentials import credentials_source
from sessionwarden.adapters.lean.environment_credentials import environment_credentials
from sessionwarden.errors import StoreError

KEYS = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "hidden-1", "AWS_SESSION_TOKEN": "hidden-2"}
FULL_URI = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
ANSWER = {
    "AccessKeyId": "A",
    "SecretAccessKey": "S/+=",
    "Token": "T",
    "Expiration": "2026-11-22T12:00:00.123456789Z",
}

ODD: tuple[object, ...] = (None, "", 1, [], {})


def test_credentials_come_from_the_environment_and_do_not_show_their_secret() -> None:
    found = environment_credentials(KEYS)
    assert found == ("A", "hidden-1", "hidden-2")
    assert "hidden" not in repr(found) + str(found)


@pytest.mark.parametrize("missing", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_without_credentials_nothing_is_asked(missing: str) -> None:
    with pytest.raises(StoreError):
        credentials_source(KEYS | {missing: ""})()


def test_keys_in_the_environment_win_and_are_read_anew_each_time() -> None:
    environ = KEYS | {FULL_URI: "http://127.0.0.1:9001/c"}
    source = credentials_source(environ)
    assert source().access_key == "A"
    environ["AWS_ACCESS_KEY_ID"] = "B"
    assert source().access_key == "B"


def test_making_a_source_fetches_nothing() -> None:
    # a unit test that connects fails
    source = credentials_source({FULL_URI: "http://127.0.0.1:9/c"})
    assert isinstance(source, ContainerCredentials)


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:9001/2021-04-23/credentials",
        "http://127.255.0.9/c",
        "http://[::1]:80/c",
        "http://localhost:9001/c",
        "http://169.254.170.23/v1/credentials",
        "https://example.com/c",
    ],
)
def test_endpoints_of_this_machine_and_of_https_may_be_asked(uri: str) -> None:
    assert container_endpoint({FULL_URI: uri}).path.startswith("/")


@pytest.mark.parametrize(
    "uri",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1.example.com/c",
        "http://127.1/c",
        "http://0x7f.0.0.1/c",
        "http://2130706433/c",
        "http://128.0.0.1/c",
        "http://example.com/c",
        "http://127.0.0.1@example.com/c",
        "http://[::ffff:192.0.2.1]/c",
        "ftp://127.0.0.1/c",
        "http://127.0.0.1/c\r\nX: y",
        "127.0.0.1/c",
        "",
    ],
)
def test_any_other_endpoint_is_never_asked(uri: str) -> None:
    with pytest.raises(ValueError, match=r"not|plain http"):
        container_endpoint({FULL_URI: uri})


def test_a_relative_path_is_only_asked_of_ecs() -> None:
    name = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
    endpoint = container_endpoint({name: "/v2/credentials/1"})
    assert (endpoint.host, endpoint.path) == ("169.254.170.2", "/v2/credentials/1")
    for other in (".example.com/c", "@example.com/c", ":80@example.com/"):
        with pytest.raises(ValueError, match="not a path"):
            container_endpoint({name: other})


def test_an_answer_as_lambda_writes_it_is_read() -> None:
    credentials, expires_at = parse_credentials(json.dumps(ANSWER | {"RoleArn": "r"}).encode())
    assert credentials == ("A", "S/+=", "T")
    assert int(expires_at) == 1_795_348_800


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name in ANSWER for value in ODD]
    + [(name, "a\r\nX: y") for name in ANSWER]
    + [("Token", "a b"), ("AccessKeyId", "\u00e9")]
    + [("Expiration", text) for text in ("2026-11-22T12:00:00", "tomorrow", "1795348800")],
)
def test_an_answer_with_a_part_that_is_missing_or_odd_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"no usable {name}"):
        parse_credentials(json.dumps(ANSWER | {name: value}).encode())


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"Token":"a","Token":"b"}', b"[" * 5000])
def test_an_answer_that_is_no_plain_object_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_credentials(body)


def test_a_token_for_the_endpoint_that_is_more_than_a_line_is_never_sent(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("secret\r\nX: y", encoding="ascii")
    for given in (
        {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "secret\nX: y"},
        {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(file)},
        {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "missing")},
    ):
        with pytest.raises(StoreError) as caught:
            ContainerCredentials({FULL_URI: "http://127.0.0.1:9/c"} | given)()
        assert "secret" not in str(caught.value)
