"""The settings of a deployment: CDK context values in, one checked `Settings` out.

Context comes from `cdk.json`, `-c key=value` or `CDK_CONTEXT_JSON`, hence lists and numbers also as text. A
`ContextError` names every mistake at once. Invariant: nothing is guessed. A misspelt key would silently
deploy `observe` or leave an API unwatched, so every key that is not CDK's own must be known. Imports no CDK,
so that mistakes are reported before Node starts.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails

from sessionwarden.errors import ContextError

Target = Literal["aws", "local"]
Mode = Literal["observe", "enforce"]
HttpApiAnswer = Literal["simple", "policy"]
SnapStart = Literal["on", "off"]

DEFAULT_SESSION_LIFETIME_SECONDS = 2_592_000
# Cognito's bounds of a refresh token's life: 60 minutes to 10 years
MIN_SESSION_LIFETIME_SECONDS = 3_600
MAX_SESSION_LIFETIME_SECONDS = 315_360_000
DEFAULT_AUTHORIZER_CONCURRENCY = 100
MAX_AUTHORIZER_CONCURRENCY = 100_000
MAX_NEW_KEYS_PER_MINUTE = 10_000_000
DEFAULT_DETECT_MEMORY_MB = 512
# beyond, detect makes no more of it: `sessionwarden.detection.storage.shared_log_size`
MAX_DETECT_MEMORY_MB = 2_048

DEFAULT_LOG_SILENCE_MINUTES = 10
MIN_LOG_SILENCE_MINUTES = 2
MAX_LOG_SILENCE_MINUTES = 120

_API_ID = re.compile(r"[a-z0-9]{1,40}")
_POOL_ID = re.compile(r"[\w-]{1,40}_[0-9A-Za-z]{1,40}")
_CLIENT_ID = re.compile(r"[\w+]{1,128}")
_STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
# a header's name as clients of CDNs write them; RFC 9110 would allow more
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
# what API Gateway takes in `route.request.querystring.<name>`
_PARAMETER = re.compile(r"[A-Za-z0-9._-]{1,64}")
_EMAIL = re.compile(r"[^\s@,]{1,64}@[^\s@,]{1,255}")
_ENDPOINT = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\]):\d{1,5}")
_API_LISTS = ("http_api_ids", "rest_api_ids", "rest_token_api_ids", "websocket_api_ids", "appsync_api_ids")
# stored by the CDK CLI beside our own keys; its other keys hold a colon or a slash
_CLI_KEYS = frozenset({"acknowledged-issue-numbers", "cli-telemetry"})


def _matching(pattern: re.Pattern[str], what: str) -> BeforeValidator:
    def read(value: object) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"{value!r} is not {what}")
        return value

    return BeforeValidator(read)


def _integer(low: int, high: int) -> BeforeValidator:
    def read(value: object) -> int:
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if not isinstance(text, str) or not re.fullmatch(r"\d{1,12}", text) or not low <= int(text) <= high:
            raise ValueError(f"{value!r} is not a whole number from {low} to {high}")
        return int(text)

    return BeforeValidator(read)


def _list(value: object) -> object:
    """A list, or text as the command line passes it: a JSON array, or values with commas between."""
    if isinstance(value, str):
        if not value.lstrip().startswith(("[", "{")):
            return [part.strip() for part in value.split(",") if part.strip()]
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ValueError(f"not JSON: {error}") from error
    if not isinstance(value, list | tuple):
        raise ValueError("expected a list")
    return value


def _distinct(items: tuple[Any, ...]) -> tuple[Any, ...]:
    names = [item.pool_id if isinstance(item, UserPool) else item for item in items]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice!r} occurs twice")
    return items


def _none_if_zero(count: int) -> int | None:
    return count or None


ApiIds = Annotated[
    tuple[Annotated[str, _matching(_API_ID, "an API id (lower-case letters and digits)")], ...],
    BeforeValidator(_list),
    AfterValidator(_distinct),
]
ClientIds = Annotated[
    tuple[Annotated[str, _matching(_CLIENT_ID, "an app client id")], ...],
    BeforeValidator(_list),
    AfterValidator(_distinct),
]


class UserPool(BaseModel):
    """A Cognito user pool whose tokens are accepted. `client_ids` of `None` accepts every client."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pool_id: Annotated[str, _matching(_POOL_ID, "a user pool id (like eu-west-1_AbCdEf123)")]
    client_ids: ClientIds | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_id(cls, value: object) -> object:
        return value if isinstance(value, dict) else {"pool_id": value}

    @model_validator(mode="after")
    def _accepts_a_token(self) -> UserPool:
        if self.client_ids == ():
            raise ValueError(
                f"client_ids of {self.pool_id} is empty: no token would be accepted (leave it out for all)"
            )
        return self


class Settings(BaseModel):
    """Everything that differs between one deployment and another.

    `local_endpoint` is the emulator's address, for `target` `local` only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: Target = "aws"
    stack_name: Annotated[
        str, _matching(_STACK_NAME, "a stack name (letters, digits, hyphens; at most 64)")
    ] = "sessionwarden"
    mode: Mode = "observe"
    user_pools: Annotated[tuple[UserPool, ...], BeforeValidator(_list), AfterValidator(_distinct)] = ()
    http_api_ids: ApiIds = ()
    rest_api_ids: ApiIds = ()
    rest_token_api_ids: ApiIds = ()
    websocket_api_ids: ApiIds = ()
    appsync_api_ids: ApiIds = ()
    http_api_answer: HttpApiAnswer = "simple"
    websocket_token_parameter: (
        Annotated[str, _matching(_PARAMETER, "a query parameter (letters, digits, ._-; at most 64)")] | None
    ) = None
    country_header: (
        Annotated[str, _matching(_HEADER, "a header's name (letters, digits, hyphens; at most 64)")] | None
    ) = None
    alert_email: Annotated[str, _matching(_EMAIL, "an e-mail address")] | None = None
    session_lifetime_seconds: Annotated[
        int, _integer(MIN_SESSION_LIFETIME_SECONDS, MAX_SESSION_LIFETIME_SECONDS)
    ] = DEFAULT_SESSION_LIFETIME_SECONDS
    authorizer_concurrency: (
        Annotated[int, _integer(0, MAX_AUTHORIZER_CONCURRENCY), AfterValidator(_none_if_zero)] | None
    ) = DEFAULT_AUTHORIZER_CONCURRENCY
    authorizer_snap_start: SnapStart = "on"
    new_keys_per_minute: Annotated[int, _integer(1, MAX_NEW_KEYS_PER_MINUTE)] | None = None
    detect_memory_mb: Annotated[int, _integer(DEFAULT_DETECT_MEMORY_MB, MAX_DETECT_MEMORY_MB)] = (
        DEFAULT_DETECT_MEMORY_MB
    )
    log_silence_minutes: Annotated[int, _integer(MIN_LOG_SILENCE_MINUTES, MAX_LOG_SILENCE_MINUTES)] = (
        DEFAULT_LOG_SILENCE_MINUTES
    )
    local_endpoint: (
        Annotated[str, _matching(_ENDPOINT, "a loopback address (like http://127.0.0.1:4566)")] | None
    ) = None


def read_settings(context: Mapping[str, object]) -> Settings:
    """Settings from the context of an app, without the keys that are CDK's own.

    Raises `ContextError` with every mistake: an unknown key (and the nearest known one), a wrong shape, two
    values that contradict each other.
    """
    given = {key: value for key, value in context.items() if value is not None and not _is_of_cdk(key)}
    diagnostics: list[str] = []
    wrong: set[str] = set()
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        wrong = {str(one["loc"][0]) for one in error.errors()}
        diagnostics += sorted(f"{one['loc'][0]}: {_sentence(one)}" for one in error.errors())
        settings = Settings.model_validate({key: given[key] for key in given.keys() - wrong})
    diagnostics += _contradictions(settings, given.keys() - wrong, wrong)
    if diagnostics:
        raise ContextError(diagnostics)
    return settings


def _is_of_cdk(key: str) -> bool:
    return key in _CLI_KEYS or ":" in key or "/" in key


def _sentence(error: ErrorDetails) -> str:
    """What is wrong with a value, without pydantic's words."""
    kind, key = error["type"], error["loc"][-1]
    if kind == "extra_forbidden" and len(error["loc"]) == 1:
        near = difflib.get_close_matches(str(key), Settings.model_fields, n=1)
        known = f"do you mean {near[0]}?" if near else f"known: {', '.join(sorted(Settings.model_fields))}"
        return f"unknown context value ({known})"
    if kind == "extra_forbidden":
        return f"unknown key {key!r} in a pool (known: {', '.join(UserPool.model_fields)})"
    if kind == "missing":
        return f"{key} is missing"
    if kind == "literal_error":
        choices = get_args(Settings.model_fields[str(key)].annotation)
        return f"{error['input']!r} is not one of {', '.join(choices)}"
    return str(error.get("ctx", {}).get("error", error["msg"]))


def _contradictions(settings: Settings, given: Collection[str], wrong: Collection[str]) -> list[str]:
    """Values that cannot hold together, as far as each of them is right."""
    diagnostics = []
    if "target" not in wrong:
        local = settings.target == "local"
        if local and not {"local_endpoint"} & {*given, *wrong}:
            diagnostics.append("local_endpoint: target local needs the emulator's address")
        if not local and "local_endpoint" in given:
            diagnostics.append("local_endpoint: only for target local")
    for key, needed in (
        ("http_api_answer", "http_api_ids"),
        ("websocket_token_parameter", "websocket_api_ids"),
    ):
        if key in given and needed not in wrong and not getattr(settings, needed):
            diagnostics.append(f"{key}: only with {needed}")
    return [*diagnostics, *_in_two_lists(settings)]


def _in_two_lists(settings: Settings) -> list[str]:
    """An API has one kind and one authorizer of ours, so its id is in one list."""
    diagnostics = []
    listed: dict[str, str] = {}
    for key in _API_LISTS:
        for api_id in getattr(settings, key):
            if api_id in listed:
                diagnostics.append(f"{key}: {api_id} is also in {listed[api_id]}")
            listed.setdefault(api_id, key)
    return diagnostics
