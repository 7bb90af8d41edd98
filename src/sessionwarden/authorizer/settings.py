"""The authorizer's environment, and the files shipped beside its code, read once and strictly.

A wrong value raises `SettingsError`, which names the variable or file and what is wrong. Invariant: nothing
is assumed: a pool without `client_ids` is an error, and only `null` means every client of the pool; a file
that a variable names must exist, a file in its usual place need not. Names and values:
docs/reference/data.md.
"""

from __future__ import annotations

import json
import os.path
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from sessionwarden.errors import RoutesError, SettingsError
from sessionwarden.routes.match import NO_ROUTES, Routes, load_routes
from sessionwarden.tokens.canonical import load_json
from sessionwarden.tokens.cognito import Pool
from sessionwarden.tokens.jwks import DEAD_AFTER_SECONDS, REFRESH_AFTER_SECONDS

POOLS = "SESSIONWARDEN_USER_POOLS"
TABLE = "SESSIONWARDEN_DENYLIST_TABLE"
COUNTRY_HEADER = "SESSIONWARDEN_COUNTRY_HEADER"
JWKS_FILE = "SESSIONWARDEN_JWKS"
KEYS_SERVE_SECONDS = "SESSIONWARDEN_KEYS_SERVE_SECONDS"
DEADLINE = "SESSIONWARDEN_DENYLIST_DEADLINE_MS"

ROUTES_FILE = "SESSIONWARDEN_ROUTES"
TOKEN_PARAMETER = "SESSIONWARDEN_WEBSOCKET_TOKEN_PARAMETER"  # noqa: S105 - a name, no secret
HTTP_API_ANSWER = "SESSIONWARDEN_HTTP_API_ANSWER"

SHIPPED_JWKS = "jwks.json"
SHIPPED_ROUTES = "routes.json"
MAX_FILE_BYTES = 1_048_576

DEFAULT_DEADLINE_MS = 300
# The function itself may run for five seconds.
MAX_DEADLINE_MS = 4_000

# The server of this URL decides which signatures are good, so plain http is only for this machine.
_PLAIN_HTTP_HOSTS = ("http://127.0.0.1", "http://localhost", "http://[::1]")


class Settings(NamedTuple):
    """The settings of the authorizer.

    `country_header` is in lower case; `None` if no trusted CDN sets one. `jwks` are documents by pool id.
    """

    pools: tuple[Pool, ...]
    table: str
    region: str
    country_header: str | None
    denylist_deadline_seconds: float
    jwks: Mapping[str, bytes]
    keys_serve_seconds: int
    routes: Routes
    token_parameter: str | None
    http_api_answer: Literal["simple", "policy"]


def read_settings(environ: Mapping[str, str]) -> Settings:
    """The settings in `environ`; raises `SettingsError`. Shipped files are looked for beside the code."""
    code = environ.get("LAMBDA_TASK_ROOT", "")
    return Settings(
        pools=_pools(_required(environ, POOLS)),
        table=_required(environ, TABLE),
        region=environ.get("AWS_REGION") or _required(environ, "AWS_DEFAULT_REGION"),
        country_header=environ.get(COUNTRY_HEADER, "").lower() or None,
        denylist_deadline_seconds=_deadline_ms(environ.get(DEADLINE)) / 1000,
        jwks=_jwks(read_shipped(environ, JWKS_FILE, os.path.join(code, SHIPPED_JWKS))),
        keys_serve_seconds=_keys_serve_seconds(environ),
        routes=_routes(read_shipped(environ, ROUTES_FILE, os.path.join(code, SHIPPED_ROUTES))),
        token_parameter=environ.get(TOKEN_PARAMETER) or None,
        http_api_answer=_http_api_answer(environ),
    )


def read_shipped(environ: Mapping[str, str], name: str, usual: str) -> bytes | None:
    """The file that the variable `name` names, or the one at the `usual` place, or `None`.

    Raises `SettingsError` if it cannot be read, or was named and is not there.
    """
    path = environ.get(name)
    if not path and not os.path.exists(usual):
        return None
    try:
        with open(path or usual, "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path or usual} cannot be read: {type(error).__name__}") from error
    if len(data) > MAX_FILE_BYTES:
        raise SettingsError(f"{path or usual} is larger than {MAX_FILE_BYTES:,} bytes")
    return data


def _deadline_ms(text: str | None) -> int:
    if text is None:
        return DEFAULT_DEADLINE_MS
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= MAX_DEADLINE_MS):
        raise SettingsError(f"{DEADLINE} is not a whole number of milliseconds up to {MAX_DEADLINE_MS}")
    return int(text)


def _jwks(data: bytes | None) -> Mapping[str, bytes]:
    """JWKS documents by pool id. The verifier checks each key again when it reads them."""
    if data is None:
        return {}
    try:
        documents = load_json(data)
    except ValueError as error:
        raise SettingsError(f"{SHIPPED_JWKS} is not JSON: {error}") from error
    if not isinstance(documents, dict) or not all(isinstance(value, dict) for value in documents.values()):
        raise SettingsError(f"{SHIPPED_JWKS} is not an object of pool ids and their JWK Sets")
    return {pool_id: json.dumps(document).encode() for pool_id, document in documents.items()}


def _routes(data: bytes | None) -> Routes:
    if data is None:
        return NO_ROUTES
    try:
        return load_routes(load_json(data))
    except ValueError as error:
        raise SettingsError(f"{SHIPPED_ROUTES} is not JSON: {error}") from error
    except RoutesError as error:
        raise SettingsError(f"{SHIPPED_ROUTES}: {error}") from error


def _http_api_answer(environ: Mapping[str, str]) -> Literal["simple", "policy"]:
    text = environ.get(HTTP_API_ANSWER) or "simple"
    if text == "simple":
        return "simple"
    if text == "policy":
        return "policy"
    raise SettingsError(f"{HTTP_API_ANSWER} is neither simple nor policy")


def _keys_serve_seconds(environ: Mapping[str, str]) -> int:
    text = environ.get(KEYS_SERVE_SECONDS) or str(DEAD_AFTER_SECONDS)
    seconds = int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0
    # a time shorter than that between two fetches would refuse good tokens in between
    if not REFRESH_AFTER_SECONDS < seconds <= DEAD_AFTER_SECONDS:
        raise SettingsError(
            f"{KEYS_SERVE_SECONDS} is not between {REFRESH_AFTER_SECONDS + 1} and {DEAD_AFTER_SECONDS}"
        )
    return seconds


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name)
    if not value:
        raise SettingsError(f"{name} is not set")
    return value


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
    # the Region becomes a host name and the id part of a URL, so no other characters may pass
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
