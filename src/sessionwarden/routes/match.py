"""Finds the policy that holds for a request, from the compiled routes.

Invariants: there is always a policy, the default if no route fits; a route that API Gateway names is trusted,
unless one of its parameters is `..`; a path, which clients write, can only make the policy stricter. Paths
are therefore matched loosely: the application behind the API may read `%61` as `a`, `//` as one slash, and
ignore case.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from sessionwarden.errors import RoutesError
from sessionwarden.routes.policy import DEFAULT_POLICY, FORMAT, RoutePolicy, load_policy

ANY = "ANY"
CATCH_ALL = "$default"
# Text for which an application may read another path than the client wrote: dots and backslashes move
# between folders, semicolons hide text, question marks, hashes and NULs cut off the rest, and encoded
# slashes (also encoded twice, or over-long) divide a segment.
_UNREADABLE = (
    *("..", "/./", "\\", ";", "?", "#"),
    *("%00", "%23", "%25", "%2e", "%2f", "%3f", "%5c", "%u"),
    *("%c0", "%c1", "%e0%80", "%e0%81", "%f0%80"),
)

# `..` between slashes or backslashes, each of them plain, encoded, or encoded several times.
_STEP_UP = re.compile(r"(?:[/\\]|%(?:25)*(?:2f|5c))(?:\.|%(?:25)*2e){2}(?:[/\\;]|%(?:25)*(?:2f|5c|3b)|$)")

Segments = tuple[str | None, ...]
"""The segments of a path template: text, or `None` for a parameter."""


class Template(NamedTuple):
    """A route with a path. `greedy`: its last segment stands for the rest of the path.

    `spelt` are its segments as the file writes them, `segments` the same in lower case.
    """

    method: str
    spelt: Segments
    segments: Segments
    greedy: bool
    policy: RoutePolicy


class Asked(NamedTuple):
    """The route, method and path that a request asks for.

    `route` is the route as the API names it (`GET /orders/{id}`, `ANY /x`, `$default`, `$connect`), empty if
    it names none (as with a REST TOKEN authorizer). `method` and `path` are written by the client.
    """

    route: str = ""
    method: str = ""
    path: str = ""


class Routes(NamedTuple):
    """Compiled routes. `fields` are policies of AppSync fields, by `Type.field`."""

    default: RoutePolicy = DEFAULT_POLICY
    by_key: Mapping[str, RoutePolicy] = {}
    templates: tuple[Template, ...] = ()
    fields: Mapping[str, RoutePolicy] = {}

    def policy(self, asked: Asked) -> RoutePolicy:
        """The policy of a request.

        The route that API Gateway names decides alone, unless it does not say what the application will
        serve: if it is a catch-all (`$default`, `{proxy+}`), if one of its parameters is `..`, or if none is
        named. Then every route of the file that the path may mean counts, and the default too if the path
        may mean none of them. The strictest requirements of all these hold.
        """
        named = self._named(asked)
        if asked.route and not _catches_all(asked.route) and not _walks(asked):
            return self.default if named is None else named
        meant = [template.policy for template in self.templates if _may_mean(template, asked)]
        if named is not None:
            meant.append(named)
        if self._may_be_unlisted(asked, named):
            meant.append(self.default)
        policy = meant[0]
        for other in meant[1:]:
            policy = policy.tighten(other)
        return policy

    def _may_be_unlisted(self, asked: Asked, named: RoutePolicy | None) -> bool:
        """Whether the application may read the path as one that no route of the file lists."""
        if named is not None:
            # `/files/{proxy+}` is listed, but `/files/../admin` may mean a path that is not
            return not _takes_all(asked.route) and _is_unreadable(asked.path)
        return bool(asked.route) or not any(_is_spelt(template, asked) for template in self.templates)

    def _named(self, asked: Asked) -> RoutePolicy | None:
        """The policy of the route that API Gateway names; `None` if the file does not list it."""
        if not asked.route or not self.by_key:
            return None
        method, space, path = asked.route.partition(" ")
        if not space:
            return self.by_key.get(asked.route)
        path = normal_path(path)
        # the API may route by ANY where the file names one method, or the other way round; frameworks
        # answer HEAD as GET
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
        tuple(None if part in ("{}", "{+}") else part for part in parts),
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


def _walks(asked: Asked) -> bool:
    """Whether a parameter holds a segment `..`, which the application may decode to serve another path."""
    # most paths are decided here, since the pattern would cost a request 2 to 4 µs
    if "{" not in asked.route or (".." not in asked.path and "%2" not in asked.path):
        return False
    return _STEP_UP.search(asked.path.lower()) is not None


def _takes_all(route: str) -> bool:
    """Whether the route stands for every path of the API."""
    return route == CATCH_ALL or normal_path(route.partition(" ")[2]) == "/{+}"


def _split(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _is_unreadable(path: str) -> bool:
    """Whether an application may read another path than the client wrote."""
    # the added slash lets "/./" match a dot that is the last segment
    text = f"{path.lower()}/"
    return any(sign in text for sign in _UNREADABLE) or not text.isprintable()


def _is_spelt(template: Template, asked: Asked) -> bool:
    """Whether API Gateway itself would route the path to this template, or to a more exact one."""
    parts = asked.path.removeprefix("/").removesuffix("/").split("/") if asked.path.strip("/") else []
    long_enough = len(parts) >= len(template.spelt) if template.greedy else len(parts) == len(template.spelt)
    return (
        long_enough
        and template.method in (ANY, asked.method)
        and all(
            part and segment in (None, part) for segment, part in zip(template.spelt, parts, strict=False)
        )
        and not _is_unreadable(asked.path)
    )


def _may_mean(template: Template, asked: Asked) -> bool:
    """Whether the application may read the method and the path as a request for this template."""
    method = asked.method.upper()
    if template.method not in (ANY, method) and not (method == "HEAD" and template.method == "GET"):
        return False
    # how the application reads such a path is unknown, so it may mean any route
    if _is_unreadable(asked.path):
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
        # {proxy+} stands for one or more segments
        return len(parts) >= len(segments) and all(map(_segment_fits, segments, parts))
    return len(parts) == len(segments) and all(map(_segment_fits, segments, parts))


def _segment_fits(segment: str | None, part: str) -> bool:
    # case folding turns some other letters into ASCII ones
    if segment is None or "%" in part or not part.isascii():
        return True
    text = part.lower().strip(" ")
    # a suffix may ask for a format: frameworks serve /admin.json as /admin
    return text == segment or text.startswith(f"{segment}.")
