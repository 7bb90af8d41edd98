"""A route of the file as a template of path segments, and whether a path of segments fits it.

A path fits *exactly* if API Gateway would take it for the route, and *loosely* if some application might:
letter case, a suffix (`/admin.json`), and whatever a segment may mean (`readings.segment_texts`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sessionwarden.routes.policy import RoutePolicy
from sessionwarden.routes.readings import segment_texts

ANY = "ANY"
GREEDY = "{+}"

Segments = tuple[str | None, ...]
"""The segments of a path template: text, or `None` for a parameter."""


class Template(NamedTuple):
    """A route with a path. `greedy`: its last segment stands for the rest of the path.

    `spelt` are its segments as the file writes them, `segments` the same in lower case. `literals` are the
    places of those that are no parameter.
    """

    method: str
    spelt: Segments
    segments: Segments
    literals: frozenset[int]
    greedy: bool
    policy: RoutePolicy

    def serves(self, method: str) -> bool:
        """Whether requests of `method` (upper case) may reach this route; frameworks answer HEAD as GET."""
        return self.method in (ANY, method) or (method == "HEAD" and self.method == "GET")

    def starts(self, parts: Sequence[str]) -> range:
        """The places at which the template may begin in `parts`, so that it ends where they end.

        What stands before is a stage or the base path of a custom domain, of any number of segments.
        """
        spare = len(parts) - len(self.segments)
        return range(spare + 1) if self.greedy else range(max(spare, 0), spare + 1)

    def fits_exactly(self, parts: Sequence[str]) -> bool:
        """Whether all of `parts` is what the file spells, with something for each parameter."""
        return self._long_enough(parts) and all(
            part if segment is None else part == segment
            for segment, part in zip(self.spelt, parts, strict=False)
        )

    def fits_loosely(self, parts: Sequence[str]) -> bool:
        """Whether an application may take all of `parts` for this route."""
        if not self._long_enough(parts):
            return False
        for segment, part in zip(self.segments, parts, strict=False):
            if segment is not None and not _may_be(segment, part):
                return False
        return True

    def outranks(self, other: Template, method: str) -> bool:
        """Whether a router would always take this template before `other`, if a path fits both exactly."""
        return (
            self.literals >= other.literals
            and self.greedy <= other.greedy
            and _rank(self, method) >= _rank(other, method)
        )

    def _long_enough(self, parts: Sequence[str]) -> bool:
        # {proxy+} stands for one or more segments
        spare = len(parts) - len(self.segments)
        return spare >= 0 if self.greedy else spare == 0


def template_of(key: str, policy: RoutePolicy) -> Template:
    """The template of a route's key (`GET /orders/{}`), with its policy."""
    method, _, path = key.partition(" ")
    parts = [part for part in path.split("/") if part]
    spelt = tuple(None if part in ("{}", GREEDY) else part for part in parts)
    return Template(
        method,
        spelt,
        tuple(part and part.lower() for part in spelt),
        frozenset(place for place, part in enumerate(spelt) if part is not None),
        bool(parts) and parts[-1] == GREEDY,
        policy,
    )


def normal_path(path: str) -> str:
    """A template's path as a key: parameters without their names, no slash at the end.

    >>> normal_path("/orders/{id}/items/")
    '/orders/{}/items'
    """
    parts = [_parameter(part) for part in path.split("/")]
    return "/".join(parts).rstrip("/") or "/"


def is_text(segment: str, text: str) -> bool:
    """Whether `text` (lower case) asks for `segment`: frameworks serve /admin.json as /admin."""
    return text == segment or text.startswith(f"{segment}.")


def _parameter(part: str) -> str:
    if not (part.startswith("{") and part.endswith("}")):
        return part
    return GREEDY if part.endswith("+}") else "{}"


def _rank(template: Template, method: str) -> int:
    return 2 if template.method == method else 0 if template.method == ANY else 1


def _may_be(segment: str, part: str) -> bool:
    texts = segment_texts(part)
    return texts is None or any(is_text(segment, text) for text in texts)
