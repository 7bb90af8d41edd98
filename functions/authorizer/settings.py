"""The authorizer's environment, read once and strictly.

Enters: environment variables. Leaves: `Settings`, or `SettingsError` that names the variable and
what is wrong. Invariant: nothing is assumed: a pool without `client_ids` is a mistake, `null` says
"every client of the pool". Names and values: docs/reference/data.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sessionwarden.errors import SettingsError
from sessionwarden.tokens.canonical import load_json
from sessionwarden.tokens.cognito import Pool

POOLS = "SESSIONWARDEN_USER_POOLS"
TABLE = "SESSIONWARDEN_DENYLIST_TABLE"
COUNTRY_HEADER = "SESSIONWARDEN_COUNTRY_HEADER"
DEADLINE = "SESSIONWARDEN_DENYLIST_DEADLINE_MS"

DEFAULT_DEADLINE_MS = 300
# the function itself has five seconds
MAX_DEADLINE_MS = 4_000

# whoever answers here decides which signatures are good: plain http only to this machine
_PLAIN_HTTP_HOSTS = ("http://127.0.0.1", "http://localhost", "http://[::1]")


class Settings(NamedTuple):
    """`country_header` is lower case; `None` if no trusted CDN sets one. The deadline is in seconds."""

    pools: tuple[Pool, ...]
    table: str
    region: str
    country_header: str | None
    denylist_deadline_seconds: float


def read_settings(environ: Mapping[str, str]) -> Settings:
    """The settings in `environ`; raises `SettingsError`."""
    return Settings(
        pools=_pools(_required(environ, POOLS)),
        table=_required(environ, TABLE),
        region=environ.get("AWS_REGION") or _required(environ, "AWS_DEFAULT_REGION"),
        country_header=environ.get(COUNTRY_HEADER, "").lower() or None,
        denylist_deadline_seconds=_deadline_ms(environ.get(DEADLINE)) / 1000,
    )


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name)
    if not value:
        raise SettingsError(f"{name} is not set")
    return value


def _deadline_ms(text: str | None) -> int:
    if text is None:
        return DEFAULT_DEADLINE_MS
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= MAX_DEADLINE_MS):
        raise SettingsError(f"{DEADLINE} is not a whole number of milliseconds up to {MAX_DEADLINE_MS}")
    return int(text)


def _pools(text: str) -> tuple[Pool, ...]:
    try:
        listed = load_json(text.encode("utf-8"))
    except ValueError as error:
        raise SettingsError(f"{POOLS} is not JSON: {error}") from error
    if not isinstance(listed, list) or not listed:
        raise SettingsError(f"{POOLS} is not a list of user pools")
    pools = tuple(_pool(value) for value in listed)
    if len({pool.pool_id for pool in pools}) != len(pools):
        raise SettingsError(f"{POOLS} names a user pool twice")
    return pools


def _pool(value: Any) -> Pool:
    if not isinstance(value, dict) or not {"pool_id", "client_ids"} <= value.keys():
        raise SettingsError(f"{POOLS}: each pool needs pool_id and client_ids (null for all clients)")
    if not value.keys() <= {"pool_id", "client_ids", "jwks_url"}:
        raise SettingsError(f"{POOLS}: a pool has unknown keys")
    return Pool(_pool_id(value["pool_id"]), _clients(value["client_ids"]), _jwks_url(value.get("jwks_url")))


def _pool_id(value: Any) -> str:
    region, found, rest = value.partition("_") if isinstance(value, str) else ("", "", "")
    # the region becomes a host name, the whole a path: nothing else may fit through
    plain = region.replace("-", "").isalnum() and rest.isalnum() and value.isascii()
    if not found or not plain:
        raise SettingsError(f"{POOLS}: pool_id is not that of a user pool")
    return str(value)


def _clients(value: Any) -> frozenset[str] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not value or not all(isinstance(item, str) and item for item in value):
        raise SettingsError(f"{POOLS}: client_ids is neither null nor a list of client ids")
    return frozenset(value)


def _jwks_url(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise SettingsError(f"{POOLS}: jwks_url is not a text")
    plain = any(value.startswith((f"{host}:", f"{host}/")) for host in _PLAIN_HTTP_HOSTS)
    if "@" in value or not (value.startswith("https://") or plain):
        raise SettingsError(f"{POOLS}: jwks_url is not https")
    return value
