"""What a deployment is told: CDK context values in, one checked `Settings` out.

Enters: the whole context of an app, as `cdk.json`, `-c key=value` or `CDK_CONTEXT_JSON` gave it, hence
lists also as text. Leaves: frozen settings, or a `ContextError` that names every mistake at once.
Invariant: nothing is guessed. A misspelt key would silently deploy `observe` or leave an API unwatched,
so every key that is not CDK's own must be known. Imports no CDK: mistakes are reported before Node starts.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

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


@dataclass(frozen=True, slots=True, kw_only=True)
class UserPool:
    """A Cognito user pool whose tokens are accepted. `client_ids` of `None` accepts every client."""

    pool_id: str
    client_ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that differs between one deployment and another.

    `local_endpoint` is the emulator's address, for `target` `local` only.
    """

    target: Target = "aws"
    stack_name: str = "sessionwarden"
    mode: Mode = "observe"
    user_pools: tuple[UserPool, ...] = ()
    http_api_ids: tuple[str, ...] = ()
    rest_api_ids: tuple[str, ...] = ()
    rest_token_api_ids: tuple[str, ...] = ()
    websocket_api_ids: tuple[str, ...] = ()
    appsync_api_ids: tuple[str, ...] = ()
    http_api_answer: HttpApiAnswer = "simple"
    websocket_token_parameter: str | None = None
    country_header: str | None = None
    alert_email: str | None = None
    session_lifetime_seconds: int = DEFAULT_SESSION_LIFETIME_SECONDS
    authorizer_concurrency: int | None = DEFAULT_AUTHORIZER_CONCURRENCY
    authorizer_snap_start: SnapStart = "on"
    new_keys_per_minute: int | None = None
    detect_memory_mb: int = DEFAULT_DETECT_MEMORY_MB
    local_endpoint: str | None = None


def read_settings(context: Mapping[str, object]) -> Settings:
    """Settings from the context of an app; keys of CDK itself are passed over.

    Raises `ContextError` with every mistake: an unknown key (and the nearest known one), a wrong shape.
    """
    diagnostics = [*_unknown_keys(context)]
    values: dict[str, Any] = {}
    for key, read in _READERS.items():
        if context.get(key) is None:
            continue
        try:
            values[key] = read(context[key])
        except ValueError as error:
            diagnostics.append(f"{key}: {error}")
    if not diagnostics:
        diagnostics.extend(_contradictions(values))
    if diagnostics:
        raise ContextError(diagnostics)
    return Settings(**values)


def _unknown_keys(context: Mapping[str, object]) -> list[str]:
    unknown = [
        key for key in context if not (key in _READERS or key in _CLI_KEYS or ":" in key or "/" in key)
    ]
    return [f"{key}: unknown context value{_nearest(key)}" for key in sorted(unknown)]


def _nearest(key: str) -> str:
    near = difflib.get_close_matches(key, _READERS, n=1)
    return f" (do you mean {near[0]}?)" if near else f" (known: {', '.join(sorted(_READERS))})"


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    local = values.get("target") == "local"
    diagnostics = []
    if local and "local_endpoint" not in values:
        diagnostics.append("local_endpoint: target local needs the emulator's address")
    if not local and "local_endpoint" in values:
        diagnostics.append("local_endpoint: only for target local")
    for key, needed in (
        ("http_api_answer", "http_api_ids"),
        ("websocket_token_parameter", "websocket_api_ids"),
    ):
        if key in values and not values.get(needed):
            diagnostics.append(f"{key}: only with {needed}")
    return [*diagnostics, *_in_two_lists(values)]


def _in_two_lists(values: Mapping[str, Any]) -> list[str]:
    """An API has one kind and one authorizer of ours, so its id is in one list."""
    diagnostics = []
    listed: dict[str, str] = {}
    for key in _API_LISTS:
        for api_id in values.get(key, ()):
            if api_id in listed:
                diagnostics.append(f"{key}: {api_id} is also in {listed[api_id]}")
            listed.setdefault(api_id, key)
    return diagnostics


def _list(value: object) -> list[object]:
    """A list, or text as the command line passes it: a JSON array, or values with commas between."""
    if isinstance(value, str):
        if value.lstrip().startswith(("[", "{")):
            value = _json(value)
        else:
            return [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list):
        raise ValueError("expected a list")
    return value


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from error


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"{value!r} is not {what}")
        return value

    return read


def _one_of(*choices: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value not in choices:
            raise ValueError(f"{value!r} is not one of {', '.join(choices)}")
        return str(value)

    return read


def _integer(low: int, high: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if not isinstance(text, str) or not re.fullmatch(r"\d{1,12}", text) or not low <= int(text) <= high:
            raise ValueError(f"{value!r} is not a whole number from {low} to {high}")
        return int(text)

    return read


def _distinct(items: list[str]) -> list[str]:
    twice = sorted({item for item in items if items.count(item) > 1})
    if twice:
        raise ValueError(f"{twice[0]!r} occurs twice")
    return items


def _api_ids(value: object) -> tuple[str, ...]:
    read = _matching(_API_ID, "an API id (lower-case letters and digits)")
    return tuple(_distinct([read(item) for item in _list(value)]))


def _user_pools(value: object) -> tuple[UserPool, ...]:
    pools = tuple(_user_pool(item) for item in _list(value))
    _distinct([pool.pool_id for pool in pools])
    return pools


def _user_pool(item: object) -> UserPool:
    read_pool_id = _matching(_POOL_ID, "a user pool id (like eu-west-1_AbCdEf123)")
    if not isinstance(item, dict):
        return UserPool(pool_id=read_pool_id(item))
    unknown = sorted(map(str, item.keys() - {"pool_id", "client_ids"}))
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r} in a pool (known: pool_id, client_ids)")
    pool_id = read_pool_id(item.get("pool_id"))
    if item.get("client_ids") is None:
        return UserPool(pool_id=pool_id)
    read_client_id = _matching(_CLIENT_ID, "an app client id")
    client_ids = _distinct([read_client_id(client) for client in _list(item["client_ids"])])
    if not client_ids:
        raise ValueError(
            f"client_ids of {pool_id} is empty: no token would be accepted (leave it out for all)"
        )
    return UserPool(pool_id=pool_id, client_ids=tuple(client_ids))


def _concurrency(value: object) -> int | None:
    return _integer(0, MAX_AUTHORIZER_CONCURRENCY)(value) or None


_READERS: Mapping[str, Callable[[object], object]] = {
    "target": _one_of("aws", "local"),
    "stack_name": _matching(_STACK_NAME, "a stack name (letters, digits, hyphens; at most 64)"),
    "mode": _one_of("observe", "enforce"),
    "user_pools": _user_pools,
    "http_api_ids": _api_ids,
    "rest_api_ids": _api_ids,
    "rest_token_api_ids": _api_ids,
    "websocket_api_ids": _api_ids,
    "appsync_api_ids": _api_ids,
    "http_api_answer": _one_of("simple", "policy"),
    "websocket_token_parameter": _matching(
        _PARAMETER, "a query parameter (letters, digits, ._-; at most 64)"
    ),
    "country_header": _matching(_HEADER, "a header's name (letters, digits, hyphens; at most 64)"),
    "alert_email": _matching(_EMAIL, "an e-mail address"),
    "session_lifetime_seconds": _integer(MIN_SESSION_LIFETIME_SECONDS, MAX_SESSION_LIFETIME_SECONDS),
    "authorizer_concurrency": _concurrency,
    "new_keys_per_minute": _integer(1, MAX_NEW_KEYS_PER_MINUTE),
    "detect_memory_mb": _integer(DEFAULT_DETECT_MEMORY_MB, MAX_DETECT_MEMORY_MB),
    "authorizer_snap_start": _one_of("on", "off"),
    "local_endpoint": _matching(_ENDPOINT, "a loopback address (like http://127.0.0.1:4566)"),
}
"""What reads each context value; the keys are the fields of `Settings`."""
