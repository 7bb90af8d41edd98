from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sessionwarden.errors import InputFileError, RoutesError
from sessionwarden.routes.compile import compile_routes, dump_routes
from sessionwarden.routes.match import Asked, Routes, load_routes
from sessionwarden.routes.policy import RoutePolicy

GOOD = """\
version: 1
default:
  groups: {any: [customers]}
  online: off
routes:
  GET /orders/{id}:
    scopes: {any: [orders/read, orders/admin]}
    groups: {}
  POST /orders:
    scopes: {all: [orders/write, openid]}
    online: 30s
    online_unavailable: open
  GET /profile:
    token: id
  ANY /catalogue:
    denylist: open
    preflight: allow
    token: any
  $connect: {online: always}
  $default:
  Query.salaries:
    groups: {any: [payroll]}
    denylist: open
"""


def compiled(tmp_path: Path, text: str = GOOD) -> Routes:
    file = tmp_path / "authorizer.yml"
    file.write_text(text)
    return compile_routes(file)


def diagnostics(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(InputFileError) as caught:
        compiled(tmp_path, text)
    return [
        str(diagnostic).removeprefix(f"{tmp_path}/authorizer.yml:") for diagnostic in caught.value.diagnostics
    ]


def test_each_route_asks_what_the_file_says_and_takes_the_rest_from_the_default(tmp_path: Path) -> None:
    found = compiled(tmp_path)
    customers = (frozenset({"customers"}),)

    def policy(route: str) -> RoutePolicy:
        return found.policy(Asked(route))

    assert policy("GET /unknown") == RoutePolicy(any_groups=customers)
    assert policy("GET /orders/{id}") == RoutePolicy(any_scopes=(frozenset({"orders/read", "orders/admin"}),))
    assert policy("POST /orders") == RoutePolicy(
        all_scopes=frozenset({"orders/write", "openid"}),
        any_groups=customers,
        online_seconds=30,
        online_open=True,
    )
    assert policy("GET /profile").uses == {"id"}
    assert policy("ANY /catalogue") == RoutePolicy(
        uses=frozenset({"access", "id"}), any_groups=customers, denylist_open=True, preflight_open=True
    )
    assert policy("$connect").online_seconds == 0
    assert found.fields["Query.salaries"].any_groups == (frozenset({"payroll"}),)


def test_what_is_loaded_is_what_was_compiled_and_the_bytes_are_always_the_same(tmp_path: Path) -> None:
    found = compiled(tmp_path)
    data = dump_routes(found)
    assert load_routes(json.loads(data)) == found
    assert dump_routes(load_routes(json.loads(data))) == data


def test_all_mistakes_are_reported_at_once_with_their_places(tmp_path: Path) -> None:
    text = """\
version: 1
defaults: {}
routes:
  GET /a:
    scope: {any: [x]}
    denylist: opened
  GET /a/:
    groups: {all: [x]}
  get /b:
  GET b:
  $disconnect:
  GET /c/{proxy+}/d:
  GET /d*:
  GET /e:
    online: on
    preflight: true
    scopes: {any: []}
  GET /f:
    token: id
    scopes: {all: [x]}
  Query.x:
    online: 5s
    token: id
  GET /g:
    scopes: {all: ["a b"]}
    online: 2h
  GET /h:
    token: any
    online: always
"""
    found = diagnostics(tmp_path, text)
    assert [line.partition(" ")[0] for line in found] == [
        "2:1:", "5:5:", "6:5:", "7:3:", "8:14:", "9:3:", "10:3:", "11:3:", "12:3:", "13:3:", "15:5:", "16:5:",
        "17:14:", "18:3:", "22:5:", "23:5:", "25:20:", "26:5:", "27:3:",
    ]  # fmt: skip
    assert "did you mean default?" in found[0]
    assert "same route as the one on line 4" in found[3]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "version: 2\n",
        "routes: {}\n",
        "version: '1'\n",
        "version: true\n",
        "version: 1\n---\nversion: 1\n",
        "version: 1\nroutes: []\n",
        "version: 1\nroutes:\n  GET /a: []\n",
        "version: 1\nroutes:\n  GET /a:\n  GET /a:\n",
        "version: 1\nroutes:\n  GET /a/{x}:\n  GET /a/{y}:\n",
        "version: 1\nroutes:\n  5: {}\n",
        "version: 1\nroutes:\n  ANY /a?b=c: {}\n",
        "version: 1\nroutes:\n  GET /a:\n    scopes: [x]\n",
        "version: 1\nroutes:\n  GET /a:\n    online: true\n",
        "version: 1\nroutes:\n  GET /a:\n    online: 30\n",
        "version: 1\ndefault:\n  token: refresh\n",
        "version: 1\nroutes:\n  GET /a: {preflight: allow}\n",
        "version: 1\nroutes:\n  $connect: {preflight: allow}\n",
        "version: 1\nroutes: *x\n",
        ": :\n",
    ],
)
def test_a_file_that_is_not_exact_is_refused(text: str, tmp_path: Path) -> None:
    if not text:
        assert compiled(tmp_path, "version: 1\n") == Routes()
        return
    assert diagnostics(tmp_path, text)


def test_a_missing_file_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputFileError):
        compile_routes(tmp_path / "none.yml")


def damage(data: dict[str, Any], path: list[Any], value: Any) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(data))
    inner: Any = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copy


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["format"], 2),
        (["format"], True),
        (["extra"], 1),
        (["routes"], []),
        (["default"], None),
        (["default", "uses"], []),
        (["default", "uses"], ["refresh"]),
        (["default", "denylist_open"], 1),
        (["default", "denylist_open"], "false"),
        (["default", "online_seconds"], True),
        (["default", "online_seconds"], -1),
        (["default", "online_seconds"], False),
        (["default", "online_seconds"], 0.0),
        (["default", "online_seconds"], ""),
        (["default", "any_groups"], ["x"]),
        (["default", "any_groups"], [[1]]),
        (["default", "all_scopes"], "x"),
        (["default", "unknown"], 1),
        (["routes", "GET /x"], {}),
    ],
)
def test_compiled_routes_that_were_damaged_are_not_loaded(
    path: list[Any], value: Any, tmp_path: Path
) -> None:
    data = json.loads(dump_routes(compiled(tmp_path)))
    with pytest.raises(RoutesError):
        load_routes(damage(data, path, value))


@pytest.mark.parametrize("data", [None, [], "x", 5, {}])
def test_what_is_no_compiled_file_is_not_loaded(data: object) -> None:
    with pytest.raises(RoutesError):
        load_routes(data)
