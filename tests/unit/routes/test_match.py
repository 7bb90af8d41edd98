from __future__ import annotations

import pytest

from sessionwarden.model.deny import Claims
from sessionwarden.routes.match import NO_ROUTES, Asked, Routes, load_routes
from sessionwarden.routes.policy import FORMAT, RoutePolicy, dump_policy
from tests.support.tokens import CLIENT, NOW, POOL, SUB

BASE = RoutePolicy()
ADMIN = BASE._replace(any_groups=(frozenset({"admin"}),))
ORDERS = BASE._replace(all_scopes=frozenset({"orders"}))
OPEN = BASE._replace(denylist_open=True, preflight_open=True)


def routes(default: RoutePolicy = BASE, **by_key: RoutePolicy) -> Routes:
    return load_routes(
        {
            "format": FORMAT,
            "default": dump_policy(default),
            "routes": {key: dump_policy(policy) for key, policy in by_key.items()},
            "fields": {},
        }
    )


FILE = routes(
    **{
        "GET /admin": ADMIN,
        "GET /orders/{}": ORDERS,
        "ANY /open": OPEN,
        "POST /files/{+}": ORDERS,
        "$default": OPEN,
    }
)


def claims(scope: tuple[str, ...] = (), groups: tuple[str, ...] = ()) -> Claims:
    return Claims(
        POOL, "access", SUB, CLIENT, SUB, "alice", None, None, NOW, NOW, NOW + 60, scope=scope, groups=groups
    )


@pytest.mark.parametrize(
    ("route", "method", "policy"),
    [
        ("GET /admin", "GET", ADMIN),
        ("ANY /admin", "GET", ADMIN),
        ("ANY /admin", "get", ADMIN),
        ("ANY /admin", "HEAD", ADMIN),
        ("ANY /admin", "POST", BASE),
        ("GET /orders/{orderId}", "GET", ORDERS),
        ("GET /orders/{id}/", "GET", ORDERS),
        ("GET /open", "GET", OPEN),
        ("GET /other", "GET", BASE),
        ("$connect", "", BASE),
    ],
)
def test_a_route_that_the_api_names_is_looked_up_and_an_unknown_one_gets_the_default(
    route: str, method: str, policy: RoutePolicy
) -> None:
    assert FILE.policy(Asked(route, method, "/whatever/the/client/wrote")) == policy


@pytest.mark.parametrize(
    "path",
    [
        "/admin", "/admin/", "//admin", "/Admin", "/%61dmin", "/x/../admin", "/prod/admin", "/v1/eu/admin",
        "/a/..;/admin", "/x%2fadmin", "/x\\admin", "/./admin", "/%2e/admin", "/admin/.", "/admin.json",
        "/admin.", "/admin ", "/admin\t", "/admin%3fx/y", "/admin%23x/y", "/admin?x/y", "/admin#x/y",
        "/admin%00/x", "/adm\u0131n", "/\uff41dmin", "/x%252fadmin", "/x/y%c0%afadmin",
    ],
)  # fmt: skip
@pytest.mark.parametrize("route", ["$default", "GET /{proxy+}", "ANY /{proxy+}", ""])
def test_under_a_catch_all_no_spelling_of_a_path_loses_what_its_route_asks(path: str, route: str) -> None:
    found = FILE.policy(Asked(route, "GET", path))
    assert found.refusal(claims()) is not None
    assert found.refusal(claims(groups=("admin",), scope=("orders",))) is None


def test_under_a_catch_all_a_path_can_only_make_it_stricter() -> None:
    strict = routes(ADMIN, **{"GET /open": OPEN})
    for route in ("$default", "ANY /{proxy+}"):
        found = strict.policy(Asked(route, "GET", "/open"))
        assert found.any_groups == ADMIN.any_groups
        assert not found.denylist_open


def test_a_route_that_is_not_named_at_all_gets_what_its_path_may_mean_or_the_default() -> None:
    assert FILE.policy(Asked("", "GET", "/orders/5")) == ORDERS
    assert FILE.policy(Asked("", "POST", "/files/a/b")) == ORDERS
    assert FILE.policy(Asked("", "GET", "/nothing/of/that")) == BASE
    assert FILE.policy(Asked("", "POST", "/files")) == BASE


@pytest.mark.parametrize(
    "path",
    [
        "/secret/open",
        "/Open",
        "//open",
        "/%6fpen",
        "/open.json",
        "/open;x",
        "/op\u0435n",
        "/open//",
        "/x",
        "/Files/a;b",
    ],
)
def test_a_path_that_only_resembles_a_lax_route_loses_nothing_that_the_default_asks(path: str) -> None:
    strict = routes(ADMIN, **{"GET /open": OPEN, "GET /Files/{}": OPEN})
    assert strict.policy(Asked("", "GET", "/open")) == OPEN
    assert strict.policy(Asked("", "GET", "/open/")) == OPEN
    assert strict.policy(Asked("", "GET", "/Files/5")) == OPEN
    for method in ("GET", "HEAD", "POST"):
        found = strict.policy(Asked("", method, path))
        assert (found.any_groups, found.denylist_open) == (ADMIN.any_groups, False)


def test_without_a_file_every_route_gets_the_strict_default() -> None:
    for route in ("$default", "GET /x", "", "$connect"):
        assert NO_ROUTES.policy(Asked(route, "GET", "/x")) == RoutePolicy()
    policy = NO_ROUTES.default
    assert policy.uses == {"access"}
    assert not any((policy.denylist_open, policy.online_open, policy.preflight_open))


def test_the_tighter_of_two_policies_asks_all_that_both_ask() -> None:
    one = RoutePolicy(
        uses=frozenset({"access", "id"}),
        any_scopes=(frozenset({"a", "b"}),),
        denylist_open=True,
        online_seconds=60,
        online_open=True,
    )
    two = RoutePolicy(all_scopes=frozenset({"c"}), any_scopes=(frozenset({"a"}),), online_seconds=30)
    both = one.tighten(two)
    assert both.uses == {"access"}
    assert (both.online_seconds, both.online_open, both.denylist_open) == (30, False, False)
    assert both.refusal(claims(scope=("a", "c"))) is None
    for scope in (("b", "c"), ("a",), ()):
        assert both.refusal(claims(scope=scope)) == "insufficient_scope"
    assert one.tighten(RoutePolicy()).online_open is True


def test_scopes_and_groups_are_whole_names() -> None:
    assert ORDERS.refusal(claims(scope=("orders/read",))) == "insufficient_scope"
    assert ADMIN.refusal(claims(groups=("administrators",))) == "insufficient_group"
    assert ADMIN.refusal(claims(groups=("admin", "x"))) is None


@pytest.mark.parametrize("path", ["/report.v1", "/report.v1.json", "/Report.V1.json", "/v2/report.v1.csv"])
def test_a_suffix_loses_nothing_of_a_route_that_has_a_dot_of_its_own(path: str) -> None:
    dotted = routes(**{"GET /report.v1": ADMIN, "$default": OPEN})
    assert dotted.policy(Asked("$default", "GET", path)).any_groups == ADMIN.any_groups


@pytest.mark.parametrize("slash", ["%2f", "%5C", "%252f", "%c0%af", "%E0%80%AF", "%e0%81%9c", "%f0%80%80%af"])
def test_a_slash_in_any_encoding_parts_a_segment_in_two(slash: str) -> None:
    assert FILE.policy(Asked("$default", "GET", f"/orders{slash}5")).all_scopes == ORDERS.all_scopes


@pytest.mark.parametrize(
    "path", ["/public/../admin", "/public/%2e%2e/admin", "/public/..%2fadmin", "/public/a\\..\\..\\admin"]
)
def test_a_path_that_may_walk_out_of_a_lax_greedy_route_loses_nothing_that_the_default_asks(
    path: str,
) -> None:
    strict = routes(ADMIN, **{"GET /public/{+}": OPEN})
    assert strict.policy(Asked("GET /public/{proxy+}", "GET", "/public/a/b.txt")) == OPEN
    found = strict.policy(Asked("GET /public/{proxy+}", "GET", path))
    assert (found.any_groups, found.denylist_open) == (ADMIN.any_groups, False)


@pytest.mark.parametrize(("key", "route"), [("$default", "$default"), ("ANY /{+}", "ANY /{proxy+}")])
def test_no_path_walks_out_of_a_route_that_takes_them_all(key: str, route: str) -> None:
    assert routes(ADMIN, **{key: OPEN}).policy(Asked(route, "GET", "/a;b/../c")) == OPEN


@pytest.mark.parametrize(
    "path",
    ["/public/..%2fadmin", "/public/..%5Cadmin", "/public/%2e%2E%2fadmin", "/public/%252e%252e%252fadmin",
     "/public/a%2f..%2f..%2fadmin", "/public/..", "/public/..%3bx"],
)  # fmt: skip
def test_a_parameter_that_walks_elsewhere_loses_nothing_that_other_routes_ask(path: str) -> None:
    lax = routes(ORDERS, **{"GET /public/{}": OPEN, "GET /admin": ADMIN})
    found = lax.policy(Asked("GET /public/{id}", "GET", path))
    assert (found.any_groups, found.all_scopes) == (ADMIN.any_groups, ORDERS.all_scopes)
    assert lax.policy(Asked("POST /public/{id}", "POST", path)).all_scopes == ORDERS.all_scopes


@pytest.mark.parametrize("name", ["a..b", "v1...v2", "a%2fb", "100%25", "..a", "a;b", "%2E%2Ehidden"])
def test_a_parameter_that_only_looks_odd_is_judged_by_its_own_route(name: str) -> None:
    lax = routes(ADMIN, **{"GET /public/{}": OPEN})
    assert lax.policy(Asked("GET /public/{id}", "GET", f"/public/{name}")) == OPEN
