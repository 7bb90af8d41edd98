"""`authorizer.yml` checked, and compiled to the JSON that the authorizer loads.

The operator's file becomes `Routes` and their canonical bytes, or `InputFileError` with every mistake and its
position. Invariants: two spellings of one route are a mistake, and so is a route that no token could pass;
what a route leaves out it takes from `default`. Never imported in a Lambda.
"""

from __future__ import annotations

import json
import re
from pathlib import Path as FilePath
from typing import Any

from sessionwarden.documents.check import Check, quoted
from sessionwarden.documents.files import read_files
from sessionwarden.documents.models import as_map, read_model, sound
from sessionwarden.documents.yaml import Path
from sessionwarden.errors import InputFileError
from sessionwarden.routes.document import RoutesDocument, RouteSection
from sessionwarden.routes.match import CATCH_ALL, Routes, load_routes
from sessionwarden.routes.policy import DEFAULT_POLICY, FORMAT, USES, RoutePolicy, dump_policy
from sessionwarden.routes.template import normal_path

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "ANY")
WHOLE_KEYS = ("$default", "$connect")
FIELD_KEYS = frozenset({"scopes", "groups", "denylist"})
"""What can be asked for one field of AppSync: a request asks for many at once."""

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
    read_model(RoutesDocument, check)
    # judged from the data, not from the model: a route is looked at although another one is wrong
    data = as_map(check.document.data)
    default = _policy(data.get("default", {}), DEFAULT_POLICY, check, ("default",))
    policies: dict[str, RoutePolicy] = {}
    seen: dict[str, Path] = {}
    for name, value in as_map(data.get("routes")).items():
        path = ("routes", name)
        key = _route_key(name, check, path)
        if key is None:
            continue
        if key in seen:
            line = check.document.position(seen[key]).line
            check.refuse(path, f"{quoted(name)} is the same route as the one on line {line}")
        seen.setdefault(key, path)
        section = {} if value is None else value
        for misplaced in _misplaced(as_map(section), key, check, path):
            section = {name: section[name] for name in section if name != misplaced}
        policies[key] = _policy(section, default, check, path)
    return Routes(
        default=default,
        by_key={key: policy for key, policy in policies.items() if not _is_field(key)},
        fields={key: policy for key, policy in policies.items() if _is_field(key)},
    )


def _route_key(name: str, check: Check, path: Path) -> str | None:
    """The key by which the authorizer finds the route; `None` and a diagnostic if it is no route."""
    if name in WHOLE_KEYS or _is_field(name):
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


def _is_field(key: str) -> bool:
    return _FIELD.fullmatch(key) is not None


def _takes_options(key: str) -> bool:
    return key == CATCH_ALL or key.partition(" ")[0] in ("OPTIONS", "ANY")


def _is_template(template: str) -> bool:
    *parts, last = template.removeprefix("/").removesuffix("/").split("/")
    if not parts and not last:
        return True
    whole = all(_SEGMENT.fullmatch(part) for part in parts)
    return whole and bool(_SEGMENT.fullmatch(last) or _GREEDY.fullmatch(last))


def _misplaced(section: dict[str, Any], key: str, check: Check, path: Path) -> list[str]:
    """The keys that have no meaning for this route, each with a diagnostic."""
    if _is_field(key):
        misplaced = sorted(RouteSection.model_fields.keys() & section.keys() - FIELD_KEYS)
        for name in misplaced:
            check.refuse(
                (*path, name),
                f"{name} cannot be set for one field",
                "one GraphQL request asks for many fields: set it under default",
            )
        return misplaced
    if section.get("preflight") == "allow" and not _takes_options(key):
        check.refuse(
            (*path, "preflight"),
            f"no preflight reaches {quoted(key)}: browsers ask with OPTIONS",
            "allow it for the route that takes OPTIONS: `OPTIONS /path`, `ANY /path` or $default",
        )
        return ["preflight"]
    return []


def _policy(data: object, base: RoutePolicy, check: Check, path: Path) -> RoutePolicy:
    """`base` with what a section says instead; `base` alone if the section is wrong, which is reported."""
    section = sound(RouteSection, data)
    if section is None:
        return base
    scopes = section.scopes
    said: dict[str, dict[str, Any]] = {
        "scopes": {
            "all_scopes": frozenset(scopes.all),
            "any_scopes": (frozenset(scopes.any),) if scopes.any else (),
        },
        "groups": {"any_groups": (frozenset(section.groups.any),) if section.groups.any else ()},
        "token": {"uses": USES[section.token]},
        "denylist": {"denylist_open": section.denylist == "open"},
        "online": {"online_seconds": section.online},
        "online_unavailable": {"online_open": section.online_unavailable == "open"},
        "preflight": {"preflight_open": section.preflight == "allow"},
    }
    for name in section.model_fields_set:
        base = base._replace(**said[name])
    _refuse_impossible(base, check, path)
    return base


def _refuse_impossible(policy: RoutePolicy, check: Check, path: Path) -> None:
    if "access" not in policy.uses and (policy.all_scopes or policy.any_scopes):
        check.refuse(
            path, "an ID token has no scopes: no token could pass", "ask for groups, or for access tokens"
        )
    if "id" in policy.uses and policy.online_seconds is not None:
        check.refuse(
            path, "Cognito can be asked about access tokens only", "set online: off, or token: access"
        )
