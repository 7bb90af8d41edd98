"""Polls AWS AppConfig for the rule set that is live.

Invariants: AppConfig is asked no more often than it allows, whatever the traffic; a token is used once; after
any failure, and every 15 minutes anyway, a new session is opened, which answers with the whole set.
Powertools' `AppConfigProvider` is not used: after a failure it keeps using a token that AppConfig has spent,
for as long as the process lives, and it raises `KeyError` while nothing is deployed.
https://docs.aws.amazon.com/appconfig/latest/userguide/retrieving-data.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from sessionwarden.errors import RulesUnavailableError
from sessionwarden.ports import NOTHING_PUBLISHED, Clock

if TYPE_CHECKING:
    from mypy_boto3_appconfigdata import AppConfigDataClient

POLL_SECONDS = 20
MIN_POLL_SECONDS = 15
"""The shortest poll interval that AppConfig allows a session to ask for."""

MAX_POLL_SECONDS = 60
SESSION_SECONDS = 900
"""A session reports only changes, and reverting the only deployment is not reported as one. So each session
is replaced after this time by a new one, whose first answer is the whole configuration."""

UNDEPLOYED = frozenset({"Deployment", "Configuration"})
"""Kinds of a missing resource which mean that nothing has been deployed yet."""


class ConfigurationIds(NamedTuple):
    """Identifies one configuration. These are ids, because names need not be unique."""

    application: str
    environment: str
    profile: str


class AppConfigRules:
    """`ports.PublishedRules` over one hosted configuration. For one thread at a time."""

    def __init__(self, client: AppConfigDataClient, ids: ConfigurationIds, *, clock: Clock) -> None:
        self._client = client
        self._ids = ids
        self._clock = clock
        self._token: str | None = None
        self._opened_ms = self._asked_ms = self._next_ms = 0

    def poll(self) -> bytes | None:
        now_ms = self._clock()
        # a clock that was set back must not silence the poll
        if self._asked_ms <= now_ms < self._next_ms:
            return None
        self._asked_ms, self._next_ms = now_ms, now_ms + POLL_SECONDS * 1000
        try:
            return self._ask(now_ms)
        except self._client.exceptions.ResourceNotFoundException as error:
            if error.response.get("ResourceType") in UNDEPLOYED:
                return NOTHING_PUBLISHED
            raise RulesUnavailableError("ResourceNotFoundException") from error
        except ClientError as error:
            raise RulesUnavailableError(error.response["Error"]["Code"]) from error
        except BotoCoreError as error:
            raise RulesUnavailableError(type(error).__name__) from error

    def _ask(self, now_ms: int) -> bytes | None:
        # the token is removed first, so that after any failure the next poll opens a new session
        token, self._token = self._token, None
        fresh = token is None or not 0 <= now_ms - self._opened_ms < SESSION_SECONDS * 1000
        if token is None or fresh:
            token, self._opened_ms = self._open(), now_ms
        answer = self._client.get_latest_configuration(ConfigurationToken=token)
        data = answer["Configuration"].read()
        wait = min(max(POLL_SECONDS, answer["NextPollIntervalInSeconds"]), MAX_POLL_SECONDS)
        self._next_ms = now_ms + wait * 1000
        self._token = answer["NextPollConfigurationToken"]
        if data:
            return data
        return NOTHING_PUBLISHED if fresh else None

    def _open(self) -> str:
        return self._client.start_configuration_session(
            ApplicationIdentifier=self._ids.application,
            EnvironmentIdentifier=self._ids.environment,
            ConfigurationProfileIdentifier=self._ids.profile,
            RequiredMinimumPollIntervalInSeconds=MIN_POLL_SECONDS,
        )["InitialConfigurationToken"]
