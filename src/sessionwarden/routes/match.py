"""Which policy holds for a request: compiled routes and what the API says of itself in, a policy out.

Invariants: there is always a policy, the default if nothing else fits; a route that API Gateway names
is believed; a path, which clients write, can only make the policy stricter. The last is why a path is
matched loosely: `%61` may be an `a` to the application behind, `//` one slash, and case may not count.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sessionwarden.errors import RoutesError
from sessionwarden.routes.policy import DEFAULT_POLICY, FORMAT, RoutePolicy, load_policy

ANY = "ANY"
CATCH_ALL = "$default"
# dots and back slashes walk, semicolons hide, encoded slashes part a segment in two
_UNREADABLE = ("..", "/./", "\\", ";", "%2f", "%5c", "%2e")

Segments = tuple[str | None, ...]
"""A path template: lower-case text of each segment, `None` for a parameter."""


class Template(NamedTuple):
    """A route with a path. `greedy`: its last segment takes the rest of the path."""

    method: str
    segments: Segments
    greedy: bool
    policy: RoutePolicy


class Asked(NamedTuple):
    """What a request asks for.

    `route` is the route as the API names it (`GET /orders/{id}`, `ANY /x`, `$default`, `$connect`),
    empty if it names none (a REST TOKEN authorizer). `method` and `path` are the client's.
    """

    route: str = ""
    method: str = ""
    path: str = ""


class Routes(NamedTuple):
    """Compiled routes. `fields` are AppSync's, `Type.field`."""

    default: RoutePolicy = DEFAULT_POLICY
    by_key: Mapping[str, RoutePolicy] = {}
    templates: tuple[Template, ...] = ()
    fields: Mapping[str, RoutePolicy] = {}

    def policy(self, asked: Asked) -> RoutePolicy:
        """The policy of a request.

        A catch-all (`$default`, `{proxy+}`) or unnamed route says little of what is asked for: every
        route of the file whose path may be meant is added, and the strictest of all holds.
        """
        named = self._named(asked)
        if asked.route and not _catches_all(asked.route):
            return self.default if named is None else named
        meant = [template.policy for template in self.templates if _may_mean(template, asked)]
        if named is not None or asked.route:
            meant.append(self.default if named is None else named)
        if not meant:
            return self.default
        policy = meant[0]
        for other in meant[1:]:
            policy = policy.tighten(other)
        return policy

    def _named(self, asked: Asked) -> RoutePolicy | None:
        if not asked.route or not self.by_key:
            return None
        method, space, path = asked.route.partition(" ")
        if not space:
            return self.by_key.get(asked.route)
        path = normal_path(path)
        # the API may have routed by ANY what the file says of one method, and the other way round;
        # frameworks answer HEAD by what they have for GET
        asked_method = asked.method.upper()
        for name in (asked_method, "GET" if asked_method == "HEAD" else method, method, ANY):
            found = self.by_key.get(f"{name} {path}")
            if found is not None:
                return found
        return None


NO_ROUTES = Routes()


def normal_path(path: str) -> str:
    """A template's path as a key: parameters without their names, no slash at the end.

    >>> normal_path("/orders/{id}/items/")
    '/orders/{}/items'
    """
    parts = [_parameter(part) for part in path.split("/")]
    return "/".join(parts).rstrip("/") or "/"


def load_routes(data: object) -> Routes:
    """The routes that `compile` wrote, from their JSON value; raises `RoutesError`."""
    if not isinstance(data, dict) or data.keys() != {"format", "default", "routes", "fields"}:
        raise RoutesError("not compiled routes")
    if type(data["format"]) is not int or data["format"] != FORMAT:
        raise RoutesError(f"not compiled routes of format {FORMAT}")
    by_key = _policies(data["routes"])
    return Routes(
        default=load_policy(data["default"]),
        by_key=by_key,
        templates=tuple(_template(key, policy) for key, policy in sorted(by_key.items()) if " " in key),
        fields=_policies(data["fields"]),
    )


def _policies(value: object) -> dict[str, RoutePolicy]:
    if not isinstance(value, dict):
        raise RoutesError("routes are not an object")
    return {key: load_policy(item) for key, item in value.items()}


def _template(key: str, policy: RoutePolicy) -> Template:
    method, _, path = key.partition(" ")
    parts = _split(path)
    greedy = bool(parts) and parts[-1] == "{+}"
    return Template(
        method,
        tuple(None if part in ("{}", "{+}") else part.lower() for part in parts),
        greedy,
        policy,
    )


def _parameter(part: str) -> str:
    if not (part.startswith("{") and part.endswith("}")):
        return part
    return "{+}" if part.endswith("+}") else "{}"


def _catches_all(route: str) -> bool:
    return route == CATCH_ALL or route.endswith("+}")


def _split(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _may_mean(template: Template, asked: Asked) -> bool:
    method = asked.method.upper()
    if template.method not in (ANY, method) and not (method == "HEAD" and template.method == "GET"):
        return False
    # without knowing how the application reads these, each could be any route
    if any(sign in asked.path.lower() for sign in _UNREADABLE):
        return True
    parts = _split(asked.path)
    spare = len(parts) - len(template.segments)
    if spare < 0:
        return False
    # a stage or a custom domain's mapping may stand before the path that the application sees
    starts_with_text = bool(template.segments) and template.segments[0] is not None
    starts = range(spare + 1) if starts_with_text else (0, 1)
    return any(_fits(template, parts[start:]) for start in starts)


def _fits(template: Template, parts: list[str]) -> bool:
    segments = template.segments
    if template.greedy:
        # {proxy+} takes at least one segment, and all that follow
        return len(parts) >= len(segments) and all(map(_segment_fits, segments, parts))
    return len(parts) == len(segments) and all(map(_segment_fits, segments, parts))


def _segment_fits(segment: str | None, part: str) -> bool:
    return segment is None or "%" in part or part.lower() == segment
