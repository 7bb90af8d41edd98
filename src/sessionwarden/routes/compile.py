"""`authorizer.yml` checked, and compiled to the JSON that the authorizer loads.

Enters: the operator's file. Leaves: `Routes` and their canonical bytes, or `InputFileError` with every
mistake and its place. Invariants: an unknown key is refused, since a misspelt `scopes` would guard
nothing; two spellings of one route are a mistake; what a route leaves out it takes from `default`.
Never imported in a Lambda.
"""

from __future__ import annotations

import json
import re
from pathlib import Path as FilePath
from typing import Any

from sessionwarden.documents.check import Check, quoted
from sessionwarden.documents.durations import duration_seconds
from sessionwarden.documents.files import read_files
from sessionwarden.documents.yaml import Path
from sessionwarden.errors import InputFileError
from sessionwarden.routes.match import CATCH_ALL, Routes, load_routes, normal_path
from sessionwarden.routes.policy import DEFAULT_POLICY, FORMAT, USES, RoutePolicy, dump_policy

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "ANY")
WHOLE_KEYS = ("$default", "$connect")
KEYS = ("scopes", "groups", "token", "denylist", "online", "online_unavailable", "preflight")
FIELD_KEYS = ("scopes", "groups", "denylist")
MAX_ONLINE_SECONDS = 3600

_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\.[A-Za-z_][A-Za-z0-9_]{0,127}")
_SEGMENT = re.compile(r"\{[A-Za-z0-9._:-]+\}|[A-Za-z0-9._~!$&'()+,;=:@-]+")
_GREEDY = re.compile(r"\{[A-Za-z0-9._:-]+\+\}")


def compile_routes(file: FilePath) -> Routes:
    """The routes of `file`; raises `InputFileError` with every mistake in it."""
    reading = read_files([file])
    diagnostics = reading.diagnostics
    routes = Routes()
    for index, document in enumerate(reading.documents):
        check = Check(document, diagnostics)
        if index:
            check.refuse((), "a second document", "one file holds one document")
            continue
        routes = _read(check)
    if diagnostics:
        raise InputFileError(diagnostics)
    return load_routes(json.loads(dump_routes(routes)))


def dump_routes(routes: Routes) -> bytes:
    """Canonical JSON: the same routes give the same bytes."""
    value = {
        "format": FORMAT,
        "default": dump_policy(routes.default),
        "routes": {key: dump_policy(policy) for key, policy in routes.by_key.items()},
        "fields": {key: dump_policy(policy) for key, policy in routes.fields.items()},
    }
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("utf-8") + b"\n"


def _read(check: Check) -> Routes:
    data = check.typed(check.document.data, dict, ())
    if data is None:
        return Routes()
    check.keys(data, ("version", "default", "routes"), ())
    version = check.option(data, "version", int, ())
    if version != 1:
        check.refuse(("version",) if "version" in data else (), "version must be 1", "write `version: 1`")
    default = _policy(check.section(data, "default", ()) or {}, DEFAULT_POLICY, check, ("default",))
    by_key: dict[str, RoutePolicy] = {}
    fields: dict[str, RoutePolicy] = {}
    seen: dict[str, Path] = {}
    for name, value in (check.section(data, "routes", ()) or {}).items():
        path = ("routes", name)
        section = {} if value is None else check.typed(value, dict, path)
        key = _route_key(name, check, path)
        if key is None or section is None:
            continue
        is_field = _FIELD.fullmatch(key) is not None
        policy = _policy(section, default, check, path, FIELD_KEYS if is_field else KEYS)
        if not is_field and section.get("preflight") == "allow" and not _takes_options(key):
            check.refuse(
                (*path, "preflight"),
                f"no preflight reaches {quoted(name)}: browsers ask with OPTIONS",
                "allow it for the route that takes OPTIONS: `OPTIONS /path`, `ANY /path` or $default",
            )
        if key in seen:
            line = check.document.position(seen[key]).line
            check.refuse(path, f"{quoted(name)} is the same route as the one on line {line}")
            continue
        seen[key] = path
        (fields if is_field else by_key)[key] = policy
    return Routes(default=default, by_key=by_key, fields=fields)


def _route_key(name: object, check: Check, path: Path) -> str | None:
    """The key by which the authorizer finds the route; `None` and a mistake if it is no route."""
    if not isinstance(name, str):
        check.refuse(path, "a route is text", "like `GET /orders/{id}`")
        return None
    if name in WHOLE_KEYS or _FIELD.fullmatch(name):
        return name
    if name.startswith("$"):
        check.refuse(
            path, f"{quoted(name)} never reaches an authorizer", f"of these, {' and '.join(WHOLE_KEYS)} do"
        )
        return None
    method, space, template = name.partition(" ")
    if not space or not template.startswith("/"):
        check.refuse(
            path,
            f"{quoted(name)} is not a route",
            "a method and a path, like `GET /orders/{id}`; $default, $connect; Type.field for AppSync",
        )
        return None
    if check.one_of(method, METHODS, path) is None or method not in METHODS:
        return None
    if not _is_template(template):
        check.refuse(
            path,
            f"{quoted(template)} is not a path of API Gateway",
            "no query, no wildcard; a parameter is a whole segment, {proxy+} only the last one",
        )
        return None
    return f"{method} {normal_path(template)}"


def _takes_options(key: str) -> bool:
    return key == CATCH_ALL or key.partition(" ")[0] in ("OPTIONS", "ANY")


def _is_template(template: str) -> bool:
    *parts, last = template.removeprefix("/").removesuffix("/").split("/")
    if not parts and not last:
        return True
    whole = all(_SEGMENT.fullmatch(part) for part in parts)
    return whole and bool(_SEGMENT.fullmatch(last) or _GREEDY.fullmatch(last))


def _policy(
    section: dict[str, Any], base: RoutePolicy, check: Check, path: Path, known: tuple[str, ...] = KEYS
) -> RoutePolicy:
    elsewhere = [key for key in section if key in KEYS and key not in known]
    for key in elsewhere:
        check.refuse(
            (*path, key),
            f"{key} cannot be set for one field",
            "one GraphQL request asks for many fields: set it under default",
        )
    check.keys(section, (*known, *elsewhere), path)
    section = {key: value for key, value in section.items() if key in known}
    all_scopes, any_scopes = base.all_scopes, base.any_scopes
    if "scopes" in section:
        all_scopes, any_scopes = _scopes(section, check, path)
    uses = _choice(section, "token", tuple(USES), check, path)
    online = _online(section["online"], check, (*path, "online")) if "online" in section else ...
    policy = RoutePolicy(
        uses=base.uses if uses is None else USES[uses],
        all_scopes=all_scopes,
        any_scopes=any_scopes,
        any_groups=_groups(section, check, path) if "groups" in section else base.any_groups,
        denylist_open=_is(section, "denylist", ("open", "closed"), base.denylist_open, check, path),
        online_seconds=base.online_seconds if online is ... else online,
        online_open=_is(section, "online_unavailable", ("open", "closed"), base.online_open, check, path),
        preflight_open=_is(section, "preflight", ("allow", "check"), base.preflight_open, check, path),
    )
    _refuse_impossible(policy, check, path)
    return policy


def _refuse_impossible(policy: RoutePolicy, check: Check, path: Path) -> None:
    only_id = "access" not in policy.uses
    if only_id and (policy.all_scopes or policy.any_scopes):
        check.refuse(
            path, "an ID token has no scopes: nobody could pass", "ask for groups, or for access tokens"
        )
    if "id" in policy.uses and policy.online_seconds is not None:
        check.refuse(
            path, "Cognito can be asked about access tokens only", "set online: off, or token: access"
        )


def _scopes(
    section: dict[str, Any], check: Check, path: Path
) -> tuple[frozenset[str], tuple[frozenset[str], ...]]:
    found = check.section(section, "scopes", path) or {}
    here = (*path, "scopes")
    check.keys(found, ("all", "any"), here)
    wanted = {key: _names(found[key], check, (*here, key)) for key in ("all", "any") if key in found}
    for key, names in wanted.items():
        for name in names:
            if any(map(str.isspace, name)):
                check.refuse(
                    (*here, key), f"{quoted(name)} has a space in it: a token's scopes are parted by spaces"
                )
    any_scopes = (wanted["any"],) if wanted.get("any") else ()
    return wanted.get("all", frozenset()), any_scopes


def _groups(section: dict[str, Any], check: Check, path: Path) -> tuple[frozenset[str], ...]:
    found = check.section(section, "groups", path) or {}
    here = (*path, "groups")
    check.keys(found, ("any",), here)
    names = _names(found["any"], check, (*here, "any")) if "any" in found else frozenset()
    return (names,) if names else ()


def _names(value: Any, check: Check, path: Path) -> frozenset[str]:
    names = check.texts(value, path)
    if value == []:
        check.refuse(path, "an empty list: nobody could pass", "to ask for none, leave the key out of {}")
    return frozenset(names)


def _choice(
    section: dict[str, Any], key: str, known: tuple[str, ...], check: Check, path: Path
) -> str | None:
    if key not in section:
        return None
    word = check.one_of(section[key], known, (*path, key))
    return word if word in known else None


def _is(
    section: dict[str, Any], key: str, words: tuple[str, str], base: bool, check: Check, path: Path
) -> bool:
    """Whether `key` says the first of two words; `base` if it says nothing."""
    word = _choice(section, key, words, check, path)
    return base if word is None else word == words[0]


def _online(value: Any, check: Check, path: Path) -> int | None:
    # YAML 1.1 reads a bare `off` as false
    if value is False or value == "off":
        return None
    if value == "always":
        return 0
    if not isinstance(value, str) or not value[:1].isdecimal():
        check.refuse(path, "online must be off, always or a duration like 30s")
        return None
    seconds = duration_seconds(value, check, path)
    if seconds is not None and seconds > MAX_ONLINE_SECONDS:
        check.refuse(path, f"{quoted(value)} is longer than {MAX_ONLINE_SECONDS} seconds")
        return None
    return seconds
