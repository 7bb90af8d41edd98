from __future__ import annotations

import pytest

from sessionwarden.model.deny import Claims
from sessionwarden.routes.match import MAX_REMEMBERED, NO_ROUTES, Asked, Routes, load_routes
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


@pytest.mark.parametrize(
    ("one", "two", "both"),
    [
        ((0, False), (30, True), (0, False)),
        ((0, True), (30, True), (0, True)),
        ((0, False), (None, True), (0, False)),
        ((0, True), (None, False), (0, True)),
        ((None, True), (None, True), (None, False)),
    ],
)
def test_of_two_policies_one_that_always_asks_cognito_makes_both_ask_always(
    one: tuple[int | None, bool], two: tuple[int | None, bool], both: tuple[int | None, bool]
) -> None:
    first, second = (BASE._replace(online_seconds=age, online_open=opened) for age, opened in (one, two))
    for found in (first.tighten(second), second.tighten(first)):
        assert (found.online_seconds, found.online_open) == both


@pytest.mark.parametrize("scope", [(), ("read",), ("write",)])
def test_some_of_the_scopes_are_not_all_of_them(scope: tuple[str, ...]) -> None:
    policy = BASE._replace(all_scopes=frozenset({"read", "write"}))
    assert policy.refusal(claims(scope=scope)) == "insufficient_scope"
    assert policy.refusal(claims(scope=("write", "read", "x"))) is None


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


@pytest.mark.parametrize(
    "name",
    ["a..b", "v1...v2", "100%25", "..a", "a;b", "%2E%2Ehidden", "alice%40example.com", "caf%C3%A9", "caf%E9",
     "caf\u00e9", "C%2B%2B", "a b", "a%20b", "a%3Fb", "a%23b", "Report.pdf", "a%2f", "5/"],
)  # fmt: skip
def test_a_parameter_that_only_looks_odd_is_judged_by_its_own_route(name: str) -> None:
    lax = routes(ADMIN, **{"GET /public/{}": OPEN})
    assert lax.policy(Asked("GET /public/{id}", "GET", f"/public/{name}")) == OPEN


SLASHES = ("%2f", "%2F", "%5c", "\\", "%252f", "%c0%af", "%c1%9c", "%e0%80%af", "%f0%80%80%af", "%u002f",
           "%c0%2f", "%fc%80%80%80%80%af", "\u2215", "%ef%bc%8f", "%25%32%66", "%%32%66")  # fmt: skip
SECRETS = routes(
    ORDERS,
    **{
        "GET /users/{}": OPEN,
        "GET /users/me": ADMIN,
        "GET /users/{}/secrets": ADMIN,
        "GET /users/{}/{}": OPEN,
        "GET /reports/{}": OPEN,
    },
)


@pytest.mark.parametrize(
    "path",
    [
        *(f"/users/5{slash}secrets" for slash in SLASHES),
        "/users/5%2fSecrets", "/users/5%2fsecrets/", "/users/5%2fsecrets%00", "/users/5%2fsecrets;x",
        "/users/5%2fsecrets.json", "/users/5%2f%2fsecrets", "/users/5%2f.%2fsecrets",
        "/users/5%2f%73ecrets", "/users/5;x%2fsecrets", "/users/5%252f%2573ecrets",
        "/users/5%25252fsecrets", "/users/5%2fsecrets%3fx", "/users/..;%2fsecrets",
        "/users/%c0%ae%c0%ae%2fx", "/users/5%2f..%2f..%2fusers", "/users/..", "/users/5%2fsecret\u017f",
        "/users/5%2f%73ecret%C5%BF", "/prod/users/5%2fsecrets", "/a/b/users/5%2fsecrets",
        "/users/ME", "/users/Me", "/users/me.json", "/users/me/", "/users/m%65", "/users/me;x",
        "/users/me%00",
        "/users/me%20", "/users/me%3bx", "/users/%6d%65", "/users/m%2565", "/users/me%09", "/users/m\uff45",
        "/users//me", "/users/./me", "/users/me//", "/users/me/.", "/prod/users/ME", "/users/5/secrets",
        "/users/" + "x" * 1100 + "%20", "/users/x\ufffdy", "/users/" + ";%2f" * 12 + "%5c%00%3f%23",
    ],
)  # fmt: skip
def test_under_a_named_route_no_spelling_loses_what_another_reading_asks(path: str) -> None:
    found = SECRETS.policy(Asked("GET /users/{id}", "GET", path))
    assert ADMIN.any_groups[0] in found.any_groups
    assert SECRETS.policy(Asked("ANY /users/{id}", "HEAD", path)).any_groups == found.any_groups
    # routes of other methods are no reading of this one
    assert SECRETS.policy(Asked("ANY /users/{id}", "POST", path)) == ORDERS


@pytest.mark.parametrize(
    ("route", "path"),
    [
        ("GET /users/{id}", "/users/5"),
        ("GET /users/{id}", "/users/Alice.B"),
        ("GET /users/{id}", "/users/5/"),
        ("GET /users/{id}", "/prod/users/5"),
        ("GET /users/{id}", "/prod/v1/users/me2"),
        ("GET /users/{id}", "/users/mememe"),
        ("GET /users/{id}", "/users/alice%40example.com"),
        ("GET /users/{id}/{tab}", "/users/5/secretsX"),
        ("GET /reports/{id}", "/reports/me"),
        ("GET /reports/{id}", "/reports/2026.01.pdf"),
        ("GET /reports/{id}", "/users/reports/secrets"),
    ],
)
def test_a_path_of_its_own_route_loses_and_gains_nothing(route: str, path: str) -> None:
    assert SECRETS.policy(Asked(route, "GET", path)) == OPEN


def test_a_reading_that_no_route_lists_asks_what_the_default_asks() -> None:
    found = SECRETS.policy(Asked("GET /reports/{id}", "GET", "/reports/a%2fb"))
    assert found.all_scopes == ORDERS.all_scopes
    assert not found.denylist_open
    # what a greedy route takes is listed, however many slashes it holds
    greedy = routes(ADMIN, **{"GET /files/{}": OPEN, "GET /files/{}/{+}": OPEN})
    assert greedy.policy(Asked("GET /files/{id}", "GET", "/files/a%2fb%2fc")) == OPEN


def test_a_route_that_is_not_in_the_file_asks_what_a_reading_of_it_asks() -> None:
    found = SECRETS.policy(Asked("GET /{kind}/{id}", "GET", "/Users/me"))
    assert (found.any_groups, found.all_scopes) == (ADMIN.any_groups, ORDERS.all_scopes)
    assert SECRETS.policy(Asked("GET /{kind}/{id}", "GET", "/users2/me")) == ORDERS


@pytest.mark.parametrize("before", ["", "/prod", "/base/two", "/base/two/three"])
@pytest.mark.parametrize("route", ["$default", "ANY /{proxy+}", ""])
def test_a_base_path_of_any_length_hides_no_route_that_begins_with_a_parameter(
    before: str, route: str
) -> None:
    tenants = routes(ORDERS, **{"GET /{}/admin": ADMIN})
    assert tenants.policy(Asked(route, "GET", f"{before}/acme/admin")).any_groups == ADMIN.any_groups
    assert tenants.policy(Asked(route, "GET", f"{before}/acme/other")) == ORDERS


@pytest.mark.parametrize(
    "path",
    ["/x%3b/y/z", "//x", "/x\u2215admin", "/x%e2%88%95admin", "/x%ef%bc%8fadmin", "/x%f8%80%80%80%afadmin",
     "/x\ufffd", "/x" * 200, "/" + "x" * 1100],
)  # fmt: skip
def test_under_a_catch_all_a_path_that_may_be_divided_otherwise_asks_what_all_routes_ask(path: str) -> None:
    assert FILE.policy(Asked("$default", "GET", path)).any_groups == ADMIN.any_groups


def test_a_route_of_another_length_hides_no_route_that_a_parameter_may_name() -> None:
    file = routes(**{"GET /a": BASE, "GET /users/{}": BASE, "GET /users/me": ADMIN})
    assert file.policy(Asked("GET /users/{id}", "GET", "/users/ME")).any_groups == ADMIN.any_groups


def test_what_was_looked_up_is_remembered_within_bounds() -> None:
    table = routes(**{"GET /users/{}": ADMIN})
    for number in range(3 * MAX_REMEMBERED):
        assert table.policy(Asked("ANY /users/{id}", f"M{number}", "/users/5")) == BASE
    assert table.policy(Asked("ANY /users/{id}", "GET", "/users/5")) == ADMIN
    assert len(table._named) <= MAX_REMEMBERED
