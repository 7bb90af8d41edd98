"""The poll of AppConfig, against botocore's own model of its answers."""

from __future__ import annotations

import io
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from sessionwarden.adapters.aws.appconfig import SESSION_SECONDS, AppConfigRules, ConfigurationIds
from sessionwarden.errors import RulesUnavailableError
from sessionwarden.ports import NOTHING_PUBLISHED

PLACE = ConfigurationIds("app1234", "env1234", "pro1234")
START_MS = 1_000_000


class AppConfig:
    """Expects calls in order; a call that was not expected fails the test."""

    def __init__(self) -> None:
        self.client = boto3.client("appconfigdata")
        self.stub = Stubber(self.client)
        self.now_ms = START_MS
        self.rules = AppConfigRules(self.client, PLACE, clock=lambda: self.now_ms)

    def opens(self, token: str = "first") -> None:
        expected = {
            "ApplicationIdentifier": "app1234",
            "EnvironmentIdentifier": "env1234",
            "ConfigurationProfileIdentifier": "pro1234",
            "RequiredMinimumPollIntervalInSeconds": 15,
        }
        self.stub.add_response("start_configuration_session", {"InitialConfigurationToken": token}, expected)

    def answers(self, data: bytes, *, token: str, then: str, wait: int = 15) -> None:
        answer = {
            "Configuration": StreamingBody(io.BytesIO(data), len(data)),
            "NextPollConfigurationToken": then,
            "NextPollIntervalInSeconds": wait,
        }
        self.stub.add_response("get_latest_configuration", answer, {"ConfigurationToken": token})

    def fails(self, call: str, code: str, **facts: Any) -> None:
        self.stub.add_client_error(call, code, modeled_fields=facts)

    def poll_at(self, seconds: float) -> bytes | None:
        self.now_ms = START_MS + int(seconds * 1000)
        with self.stub:
            return self.rules.poll()


@pytest.fixture
def appconfig() -> AppConfig:
    return AppConfig()


def test_each_poll_spends_the_token_of_the_one_before(appconfig: AppConfig) -> None:
    appconfig.opens("first")
    appconfig.answers(b"one", token="first", then="second")
    appconfig.answers(b"", token="second", then="third")
    appconfig.answers(b"two", token="third", then="fourth")
    assert [appconfig.poll_at(0), appconfig.poll_at(20), appconfig.poll_at(40)] == [b"one", None, b"two"]
    appconfig.stub.assert_no_pending_responses()


def test_batches_between_two_polls_ask_nothing(appconfig: AppConfig) -> None:
    appconfig.opens()
    appconfig.answers(b"one", token="first", then="second", wait=60)
    assert appconfig.poll_at(0) == b"one"
    assert [appconfig.poll_at(moment) for moment in (0.1, 20, 59.9)] == [None, None, None]


def test_a_wait_that_the_service_asks_for_is_kept_up_to_a_minute(appconfig: AppConfig) -> None:
    appconfig.opens()
    appconfig.answers(b"one", token="first", then="second", wait=86_400)
    appconfig.answers(b"two", token="second", then="third")
    appconfig.poll_at(0)
    assert (appconfig.poll_at(59), appconfig.poll_at(60)) == (None, b"two")


def test_nothing_deployed_is_no_failure(appconfig: AppConfig) -> None:
    appconfig.opens()
    appconfig.answers(b"", token="first", then="second")
    assert appconfig.poll_at(0) == NOTHING_PUBLISHED


@pytest.mark.parametrize("kind", ["Deployment", "Configuration"])
def test_a_deployment_that_is_not_found_is_nothing_published(appconfig: AppConfig, kind: str) -> None:
    appconfig.opens()
    appconfig.fails("get_latest_configuration", "ResourceNotFoundException", ResourceType=kind)
    assert appconfig.poll_at(0) == NOTHING_PUBLISHED


def test_a_profile_that_is_not_found_is_a_failure(appconfig: AppConfig) -> None:
    appconfig.fails(
        "start_configuration_session", "ResourceNotFoundException", ResourceType="ConfigurationProfile"
    )
    with pytest.raises(RulesUnavailableError, match="ResourceNotFoundException"):
        appconfig.poll_at(0)


def test_after_a_failure_a_new_session_is_opened_and_not_at_once(appconfig: AppConfig) -> None:
    appconfig.opens("first")
    appconfig.answers(b"one", token="first", then="second")
    appconfig.fails("get_latest_configuration", "BadRequestException")
    appconfig.opens("anew")
    appconfig.answers(b"one", token="anew", then="next")
    appconfig.poll_at(0)
    with pytest.raises(RulesUnavailableError, match="BadRequestException"):
        appconfig.poll_at(20)
    assert appconfig.poll_at(21) is None
    assert appconfig.poll_at(40) == b"one"


def test_a_session_is_given_up_in_time_so_that_a_revert_to_nothing_is_seen(appconfig: AppConfig) -> None:
    appconfig.opens("first")
    appconfig.answers(b"one", token="first", then="second")
    appconfig.opens("anew")
    appconfig.answers(b"", token="anew", then="next")
    assert appconfig.poll_at(0) == b"one"
    assert appconfig.poll_at(SESSION_SECONDS) == NOTHING_PUBLISHED


def test_a_clock_that_is_set_back_does_not_silence_the_poll(appconfig: AppConfig) -> None:
    appconfig.opens("first")
    appconfig.answers(b"one", token="first", then="second")
    appconfig.opens("anew")
    appconfig.answers(b"two", token="anew", then="third")
    appconfig.poll_at(0)
    assert appconfig.poll_at(-500) == b"two"


def test_a_network_error_is_reported_by_its_type_only(appconfig: AppConfig) -> None:
    unreachable = boto3.client("appconfigdata", endpoint_url="http://appconfig.invalid")

    def refuse(**_: Any) -> None:
        from botocore.exceptions import EndpointConnectionError

        raise EndpointConnectionError(endpoint_url="http://appconfig.invalid")

    unreachable.meta.events.register("before-send.appconfigdata", refuse)
    with pytest.raises(RulesUnavailableError, match="EndpointConnectionError"):
        AppConfigRules(unreachable, PLACE, clock=lambda: START_MS).poll()
