"""Finds the policy that holds for a request, from the compiled routes.

Invariants: there is always a policy, the default if no route fits; a path, which clients write, can only make
the policy stricter. A route that API Gateway names is trusted as far as the path is spelt as the route is. A
path with odd spelling may reach another route in the application: every reading of it (`readings`) is judged
like a path of its own, and the strictest requirements of all of them hold. Where API Gateway names no route,
or a catch-all, paths are matched loosely, and one with odd spelling has to satisfy every route.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sessionwarden.errors import RoutesError
from sessionwarden.routes.policy import DEFAULT_POLICY, FORMAT, RoutePolicy, load_policy
from sessionwarden.routes.readings import MAX_LENGTH, MAX_SEGMENTS, readings
from sessionwarden.routes.template import ANY, Template, is_text, normal_path, template_of

CATCH_ALL = "$default"
# Signs by which an application may read another path than the client wrote, as `readings` has them. Under a
# catch-all they are enough: which routes are meant then does not matter, since all are.
_UNREADABLE = (
    *("..", "/./", "//", "\\", ";", "?", "#", "\ufffd"),
    *("%00", "%23", "%25", "%2e", "%2f", "%3b", "%3f", "%5c", "%u"),
    *("%c0", "%c1", "%e0%80", "%e0%81", "%f0%80"),
)
# Routes that were looked up are remembered. Few have names; clients can invent methods.
MAX_REMEMBERED = 1024


class Asked(NamedTuple):
    """The route, method and path that a request asks for.

    `route` is the route as the API names it (`GET /orders/{id}`, `ANY /x`, `$default`, `$connect`), empty if
    it names none (as with a REST TOKEN authorizer). `method` and `path` are written by the client.
    """

    route: str = ""
    method: str = ""
    path: str = ""


class _Named(NamedTuple):
    """What is known of a route that an API names.

    `listed` is its policy in the file, if it is there. `template` has the policy that holds; it is `None` if
    the route has no path of its own (a catch-all, `$connect`). `parameters`: the path has some. `ending` are
    its literal segments by their distance from the path's end. `rivals` are routes that an application may
    take for it although the path is spelt well: each has a text, at that distance, where the named route has
    a parameter.
    """

    listed: RoutePolicy | None
    template: Template | None = None
    parameters: bool = False
    ending: tuple[tuple[int, str], ...] = ()
    rivals: tuple[tuple[int, str, Template], ...] = ()


class Routes:
    """Compiled routes: a default, policies by route key, and policies of AppSync fields by `Type.field`.

    Safe for threads.
    """

    __slots__ = ("_named", "_templates", "by_key", "default", "fields")

    def __init__(
        self,
        default: RoutePolicy = DEFAULT_POLICY,
        by_key: Mapping[str, RoutePolicy] | None = None,
        fields: Mapping[str, RoutePolicy] | None = None,
    ) -> None:
        self.default = default
        self.by_key = by_key or {}
        self.fields = fields or {}
        self._templates = tuple(
            template_of(key, policy) for key, policy in sorted(self.by_key.items()) if " " in key
        )
        self._named: dict[tuple[str, str], _Named] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Routes) and (
            (self.default, self.by_key, self.fields) == (other.default, other.by_key, other.fields)
        )

    __hash__ = None  # type: ignore[assignment]

    def policy(self, asked: Asked) -> RoutePolicy:
        """The policy of a request: the strictest requirements of all routes that its path may mean.

        A path that is spelt as its named route is spelt costs a few comparisons. Any other is read in all
        ways that an application might; where that may be any path, every route of the method and the default
        hold.
        """
        if not self.by_key:
            return self.default
        named = self._named.get((asked.route, asked.method)) or self._look_up(asked)
        template = named.template
        if template is None:
            if asked.route and not _catches_all(asked.route):
                return self.default if named.listed is None else named.listed
            return self._of_any_route(asked, named.listed)
        # an application may call this without the path; clients cannot make it empty
        if not asked.path:
            return template.policy
        if _is_plain(asked.path):
            if not named.parameters:
                return template.policy
            parts = asked.path.removesuffix("/").split("/")
            if _ends_as(named.ending, parts, len(template.segments)):
                return _with_rivals(named, template, parts) if named.rivals else template.policy
        return self._of_readings(asked, template)

    def _look_up(self, asked: Asked) -> _Named:
        listed = self._listed(asked)
        found = _Named(listed)
        if asked.route and not _catches_all(asked.route) and " " in asked.route:
            policy = self.default if listed is None else listed
            template = template_of(_key(asked.route), policy)
            count = len(template.spelt)
            ending = tuple((place - count, text) for place, text in enumerate(template.spelt) if text)
            rivals = self._rivals(template, asked.method.upper())
            found = _Named(listed, template, len(ending) < count, ending, rivals)
        if len(self._named) >= MAX_REMEMBERED:
            self._named.clear()
        self._named[asked.route, asked.method] = found
        return found

    def _listed(self, asked: Asked) -> RoutePolicy | None:
        if not asked.route:
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

    def _rivals(self, named: Template, method: str) -> tuple[tuple[int, str, Template], ...]:
        count = len(named.segments)
        found = []
        for other in self._templates:
            length = len(other.segments)
            if not other.serves(method) or not (length == count or (other.greedy and length < count)):
                continue
            places = sorted(other.literals - named.literals)
            if places:
                text = other.segments[places[0]] or ""
                found.append((places[0] - count, text, other))
        return tuple(found)

    def _of_readings(self, asked: Asked, named: Template) -> RoutePolicy:
        """The policy of a path that is not spelt as its named route is."""
        found = readings(asked.path)
        method = asked.method.upper()
        templates = [template for template in self._templates if template.serves(method)]
        if found is None:
            return _strictest([named.policy, self.default, *(template.policy for template in templates)])
        before = _before(named, asked.path)
        policies = [named.policy]
        for parts in found:
            policies += self._of_reading(parts, named, templates, before, method)
        return _strictest(policies)

    def _of_reading(
        self,
        parts: tuple[str, ...],
        named: Template,
        templates: Iterable[Template],
        before: tuple[str, ...] | None,
        method: str,
    ) -> list[RoutePolicy]:
        """The policies of the routes that one reading may mean: those no better route is certain to precede.

        `before` is what stands before the named route in the path, `None` if that is not known: then a route
        may begin anywhere, and none is certain to be meant.
        """
        if before is None or parts[: len(before)] != before:
            meant = [
                template.policy
                for template in templates
                if any(template.fits_loosely(parts[start:]) for start in template.starts(parts))
            ]
            return [*meant, self.default]
        parts = parts[len(before) :]
        loose = [template for template in templates if template.fits_loosely(parts)]
        exact = [template for template in loose if template.fits_exactly(parts)]
        # the API's own route precedes what is no more exact than it, whatever the methods
        is_named = named.fits_exactly(parts)
        meant = [
            template.policy
            for template in loose
            if not (is_named and named.literals >= template.literals)
            and not any(other is not template and other.outranks(template, method) for other in exact)
        ]
        return meant if exact or is_named else [*meant, self.default]

    def _of_any_route(self, asked: Asked, listed: RoutePolicy | None) -> RoutePolicy:
        """The policy of a path for which the API names no route, or a catch-all.

        The default holds too if the path may mean no route of the file.
        """
        unreadable = _is_unreadable(asked.path)
        method = asked.method.upper()
        parts = [part for part in asked.path.split("/") if part]
        meant = [
            template.policy
            for template in self._templates
            if template.serves(method) and (unreadable or _may_mean(template, parts))
        ]
        if listed is not None:
            meant.append(listed)
            # `/files/{proxy+}` is listed, but `/files/../admin` may mean a path that is not
            unlisted = unreadable and not _takes_all(asked.route)
        else:
            unlisted = bool(asked.route) or unreadable or not self._is_spelt(asked)
        return _strictest([*meant, self.default] if unlisted else meant)

    def _is_spelt(self, asked: Asked) -> bool:
        """Whether API Gateway itself would route the path to a route of the file."""
        path = asked.path.removeprefix("/").removesuffix("/")
        parts = path.split("/") if path else []
        return any(
            template.method in (ANY, asked.method) and template.fits_exactly(parts)
            for template in self._templates
        )


NO_ROUTES = Routes()


def load_routes(data: object) -> Routes:
    """The routes that `compile` wrote, from their JSON value; raises `RoutesError`."""
    if not isinstance(data, dict) or data.keys() != {"format", "default", "routes", "fields"}:
        raise RoutesError("not compiled routes")
    if type(data["format"]) is not int or data["format"] != FORMAT:
        raise RoutesError(f"not compiled routes of format {FORMAT}")
    return Routes(load_policy(data["default"]), _policies(data["routes"]), _policies(data["fields"]))


def _policies(value: object) -> dict[str, RoutePolicy]:
    if not isinstance(value, dict):
        raise RoutesError("routes are not an object")
    return {key: load_policy(item) for key, item in value.items()}


def _key(route: str) -> str:
    method, _, path = route.partition(" ")
    return f"{method} {normal_path(path)}"


def _catches_all(route: str) -> bool:
    return route == CATCH_ALL or route.endswith("+}")


def _takes_all(route: str) -> bool:
    return route == CATCH_ALL or normal_path(route.partition(" ")[2]) == "/{+}"


def _strictest(policies: Iterable[RoutePolicy]) -> RoutePolicy:
    # most readings mean the same few routes
    first, *others = {id(policy): policy for policy in policies}.values()
    for other in others:
        first = first.tighten(other)
    return first


def _is_plain(path: str) -> bool:
    """Whether `path` has but one reading, letter case and suffix aside: its own."""
    return (
        "%" not in path
        and path.isascii()
        and ";" not in path
        and "//" not in path
        and "/." not in path
        and "\\" not in path
        and " " not in path
        and "?" not in path
        and "#" not in path
        and path.isprintable()
    )


def _ends_as(ending: tuple[tuple[int, str], ...], parts: list[str], count: int) -> bool:
    # the first part is what stands before the first slash: nothing
    if len(parts) <= count:
        return False
    for place, text in ending:  # noqa: SIM110 - a generator would cost a request more than all of this
        if parts[place] != text:
            return False
    return True


def _with_rivals(named: _Named, template: Template, parts: list[str]) -> RoutePolicy:
    """The policy of a plain path, which the application may read without regard to case or suffix."""
    policy = template.policy
    for place, text, rival in named.rivals:
        if is_text(text, parts[place].lower()) and rival.fits_loosely(parts[-len(template.segments) :]):
            policy = policy.tighten(rival.policy)
    return policy


def _before(named: Template, path: str) -> tuple[str, ...] | None:
    """The segments of `path` before those of its named route: a stage, or a custom domain's base path."""
    kept = path.removeprefix("/").removesuffix("/").split("/")
    for parts in (kept, [part for part in kept if part not in ("", ".")]):
        for start in named.starts(parts):
            if named.fits_exactly(parts[start:]):
                return tuple(parts[:start])
    return None


def _is_unreadable(path: str) -> bool:
    # the added slash lets "/./" match a dot that is the last segment, and spares trailing ones
    text = f"{path.lower().rstrip('/')}/"
    if any(sign in text for sign in _UNREADABLE) or not text.isprintable():
        return True
    count = text.count("/")
    if len(path) > MAX_LENGTH or count > MAX_SEGMENTS:
        return True
    if "%" not in text and text.isascii():
        return False
    found = readings(path)
    # a sign that only decoding or Unicode shows divides a segment, or cuts the path
    return found is None or len({len(parts) for parts in found}) > 1


def _may_mean(template: Template, parts: list[str]) -> bool:
    return any(_resembles(template, parts[start:]) for start in template.starts(parts))


def _resembles(template: Template, parts: list[str]) -> bool:
    return len(parts) >= len(template.segments) and all(map(_segment_resembles, template.segments, parts))


def _segment_resembles(segment: str | None, part: str) -> bool:
    # case folding turns some other letters into ASCII ones
    if segment is None or "%" in part or not part.isascii():
        return True
    return is_text(segment, part.lower().strip(" "))
