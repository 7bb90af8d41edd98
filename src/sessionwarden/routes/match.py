"""Which policy holds for a request: compiled routes and what the API says of itself in, a policy out.

Invariants: there is always a policy, the default if nothing else fits; a route that API Gateway names is
believed, unless a parameter of it is `..`; a path, which clients write, can only make the policy
stricter. The last is why a path is matched loosely: `%61` may be an `a` to the application behind, `//`
one slash, and case may not count.
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
# dots and back slashes walk, semicolons hide, question marks, hashes and NULs cut the rest off;
# encoded slashes, also twice encoded or over-long ones, part a segment in two
_UNREADABLE = (
    *("..", "/./", "\\", ";", "?", "#"),
    *("%00", "%23", "%25", "%2e", "%2f", "%3f", "%5c", "%u"),
    *("%c0", "%c1", "%e0%80", "%e0%81", "%f0%80"),
)

# `..` between slashes of either kind, each perhaps encoded, or encoded again
_STEP_UP = re.compile(r"(?:[/\\]|%(?:25)*(?:2f|5c))(?:\.|%(?:25)*2e){2}(?:[/\\;]|%(?:25)*(?:2f|5c|3b)|$)")

Segments = tuple[str | None, ...]
"""A path template: lower-case text of each segment, `None` for a parameter."""


class Template(NamedTuple):
    """A route with a path. `greedy`: its last segment takes the rest of the path.

    `spelt` are its segments as the file writes them, `segments` the same in lower case.
    """

    method: str
    spelt: Segments
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

        A catch-all (`$default`, `{proxy+}`), a parameter that is `..`, or an unnamed route says little of
        what is asked for: every route of the file whose path may be meant is added, and the strictest of
        all holds. So does the default if what is meant may be no route of the file.
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
        if named is not None:
            # `/files/{proxy+}` is listed, and `/files/../admin` may be what is not
            return not _takes_all(asked.route) and _is_unreadable(asked.path)
        return bool(asked.route) or not any(_is_spelt(template, asked) for template in self.templates)

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
    """Whether a parameter holds a segment `..`: what is behind may decode it, and serve another path."""
    # most paths are done with here: the pattern would cost a request 2 to 4 µs
    if "{" not in asked.route or (".." not in asked.path and "%2" not in asked.path):
        return False
    return _STEP_UP.search(asked.path.lower()) is not None


def _takes_all(route: str) -> bool:
    return route == CATCH_ALL or normal_path(route.partition(" ")[2]) == "/{+}"


def _split(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _is_unreadable(path: str) -> bool:
    # a dot may be the last segment
    text = f"{path.lower()}/"
    return any(sign in text for sign in _UNREADABLE) or not text.isprintable()


def _is_spelt(template: Template, asked: Asked) -> bool:
    """Whether API Gateway itself would take the path for this route, or for a more exact one."""
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
    method = asked.method.upper()
    if template.method not in (ANY, method) and not (method == "HEAD" and template.method == "GET"):
        return False
    # without knowing how the application reads it, it could be any route
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
        # {proxy+} takes at least one segment, and all that follow
        return len(parts) >= len(segments) and all(map(_segment_fits, segments, parts))
    return len(parts) == len(segments) and all(map(_segment_fits, segments, parts))


def _segment_fits(segment: str | None, part: str) -> bool:
    # folding letter case makes an ASCII letter of some others
    if segment is None or "%" in part or not part.isascii():
        return True
    text = part.lower().strip(" ")
    # a format that is asked for by a suffix: frameworks serve /admin.json as /admin
    return text == segment or text.startswith(f"{segment}.")
