"""The trigger that refuses tokens to a denied user."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from functions.pre_token_generation import handler
from functions.pre_token_generation.settings import Settings
from sessionwarden.adapters.clock import system_clock
from sessionwarden.adapters.dynamodb.denylist import DynamoDBDenylistStore
from sessionwarden.errors import SettingsError
from sessionwarden.model.deny import BroadDeny, DenyEntry
from sessionwarden.model.principal import principal
from tests.support.enforcement import DAY, POOL, SUB
from tests.support.tables import denylist_table, make_table

OTHER_POOL = "eu-west-1_Other"
CONTEXT = SimpleNamespace(
    function_name="pre",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:pre",
    aws_request_id="request-1",
)
TRIGGERS = (
    "TokenGeneration_Authentication",
    "TokenGeneration_HostedAuth",
    "TokenGeneration_NewPasswordChallenge",
    "TokenGeneration_AuthenticateDevice",
    "TokenGeneration_RefreshTokens",
)


CACHED = (handler.settings, handler.denylist, handler.denied_clients)


@pytest.fixture
def denylist(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoDBDenylistStore]:
    with mock_aws():
        client = boto3.client("dynamodb")
        table = make_table(client, denylist_table)
        monkeypatch.setenv("SESSIONWARDEN_DENYLIST_TABLE", table)
        monkeypatch.setenv("SESSIONWARDEN_USER_POOLS", json.dumps([{"pool_id": POOL, "client_ids": None}]))
        for cached in CACHED:
            cached.cache_clear()
        yield DynamoDBDenylistStore(client, table)
        for cached in CACHED:
            cached.cache_clear()


def trigger_event(*, version: str = "2", source: str = TRIGGERS[0], pool: str = POOL) -> dict[str, Any]:
    responses = {
        "1": {"claimsOverrideDetails": None},
        "2": {"claimsAndScopeOverrideDetails": None},
        "3": {"claimsAndScopeOverrideDetails": None},
    }
    return {
        "version": version,
        "triggerSource": source,
        "region": "eu-west-1",
        "userPoolId": pool,
        "userName": "bob",
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "app"},
        "request": {
            "userAttributes": {"sub": SUB, "email": "bob@example.com"},
            "groupConfiguration": {"groupsToOverride": []},
            **({} if version == "1" else {"scopes": ["openid"]}),
        },
        "response": responses[version],
    }


def invoke(event: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = handler.lambda_handler(event, CONTEXT)
    return answer


def deny(denylist: DynamoDBDenylistStore, *, pool: str = POOL, **fields: Any) -> None:
    now = system_clock() // 1000
    times = {name: now + value if isinstance(value, int) else value for name, value in fields.items()}
    entry = DenyEntry(decision_id="d-1", **({"expires_at": now + DAY} | times))
    denylist.put(principal(pool, SUB), entry)


@pytest.mark.parametrize("version", ["1", "2", "3"])
def test_a_user_who_is_not_denied_gets_tokens_and_the_event_unchanged(
    denylist: DynamoDBDenylistStore, version: str
) -> None:
    for source in TRIGGERS:
        event = trigger_event(version=version, source=source)
        assert invoke(copy.deepcopy(event)) == event


@pytest.mark.parametrize("version", ["1", "2", "3"])
def test_a_deny_in_force_refuses_sign_in_and_refresh_alike(
    denylist: DynamoDBDenylistStore, version: str
) -> None:
    deny(denylist, not_before=-10, deny_until=3600)
    for source in TRIGGERS:
        with pytest.raises(handler.TokensRefusedError, match="cannot sign in at the moment"):
            invoke(trigger_event(version=version, source=source))


@pytest.mark.parametrize(
    "fields",
    [
        {"not_before": -10},
        {"not_before": -10, "deny_until": -5},
        {"not_before": -10, "deny_until": 3600, "lifted_at": -1},
        {"deny_until": 3600, "expires_at": -1},
        {"session": "some-session"},
    ],
    ids=["signed-out-before", "deny-is-over", "lifted", "expired", "another-session"],
)
def test_a_new_session_is_let_in_where_no_deny_time_is_in_force(
    denylist: DynamoDBDenylistStore, fields: dict[str, Any]
) -> None:
    deny(denylist, **fields)
    assert invoke(trigger_event())["userName"] == "bob"


def test_a_pool_that_is_not_configured_is_left_alone_whatever_the_denylist_says(
    denylist: DynamoDBDenylistStore,
) -> None:
    deny(denylist, pool=OTHER_POOL, deny_until=3600)
    assert invoke(trigger_event(pool=OTHER_POOL))["userName"] == "bob"


def test_a_user_is_not_mistaken_for_one_of_another_pool(denylist: DynamoDBDenylistStore) -> None:
    deny(denylist, pool=OTHER_POOL, deny_until=3600)
    assert invoke(trigger_event())["userName"] == "bob"


def deny_client(denylist: DynamoDBDenylistStore, name: str, *, seconds: int = 3600) -> None:
    denylist.put_broad(BroadDeny("d-2", system_clock() // 1000 + seconds, client=name))


def machine_event(**changes: Any) -> dict[str, Any]:
    """Version 3 also comes for the client credentials grant, where there is no user."""
    event = trigger_event(version="3", source="TokenGeneration_ClientCredentials")
    event["request"].pop("userAttributes")
    return event | changes


def test_a_denied_client_gets_no_tokens_for_its_users_nor_for_itself(
    denylist: DynamoDBDenylistStore,
) -> None:
    deny_client(denylist, f"{POOL}#app")
    for source in TRIGGERS:
        with pytest.raises(handler.TokensRefusedError, match="cannot sign in at the moment"):
            invoke(trigger_event(source=source))
    with pytest.raises(handler.TokensRefusedError):
        invoke(machine_event())


@pytest.mark.parametrize("name", [f"{POOL}#another", f"{OTHER_POOL}#app", "app"])
def test_another_client_s_deny_keeps_no_tokens_back(denylist: DynamoDBDenylistStore, name: str) -> None:
    deny_client(denylist, name)
    assert invoke(trigger_event())["userName"] == "bob"
    assert invoke(machine_event()) == machine_event()


def test_a_client_whose_deny_is_over_or_lifted_gets_tokens(denylist: DynamoDBDenylistStore) -> None:
    deny_client(denylist, f"{POOL}#app", seconds=-1)
    lifted = BroadDeny("d-3", system_clock() // 1000 + 60, client=f"{POOL}#app", lifted_at=1)
    denylist.put_broad(lifted)
    assert invoke(machine_event()) == machine_event()


def test_a_denied_network_is_not_the_trigger_s_to_see(denylist: DynamoDBDenylistStore) -> None:
    denylist.put_broad(BroadDeny("d-2", system_clock() // 1000 + 60, network="203.0.113.0/24"))
    assert invoke(trigger_event())["userName"] == "bob"


def test_a_denylist_that_cannot_be_read_fails_open_and_is_counted(
    denylist: DynamoDBDenylistStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deny(denylist, deny_until=3600)
    monkeypatch.setenv("SESSIONWARDEN_DENYLIST_TABLE", "no-such-table")
    handler.denylist.cache_clear()
    assert invoke(trigger_event())["userName"] == "bob"
    assert '"DenylistUnavailable":[1.0]' in capsys.readouterr().out


@pytest.mark.parametrize("name", ["SESSIONWARDEN_DENYLIST_TABLE", "SESSIONWARDEN_USER_POOLS"])
@pytest.mark.usefixtures("denylist")
@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_a_trigger_without_settings_issues_no_tokens(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(SettingsError, match=name):
        invoke(trigger_event())


@pytest.mark.parametrize(
    "pools", ["", "pool", "7", "null", '["pool"]', "[{}]", '[{"pool_id":""}]', '[{"pool_id":7}]', "[[]]"]
)
def test_settings_that_are_wrong_are_named_all_at_once(pools: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({"SESSIONWARDEN_DENYLIST_TABLE": "", "SESSIONWARDEN_USER_POOLS": pools})
    assert [mistake.partition(" ")[0] for mistake in str(caught.value).split("; ")] == [
        "SESSIONWARDEN_DENYLIST_TABLE",
        "SESSIONWARDEN_USER_POOLS",
    ]


def test_the_trigger_loads_no_pydantic_because_a_sign_in_waits_for_it() -> None:
    program = "import sys, functions.pre_token_generation.handler; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_answer_leaves_within_the_five_seconds_that_cognito_waits(
    denylist: DynamoDBDenylistStore,
) -> None:
    config: Any = handler.denylist()._client.meta.config
    one_query = config.retries["total_max_attempts"] * (config.connect_timeout + config.read_timeout)
    assert 2 * one_query <= 4.0
