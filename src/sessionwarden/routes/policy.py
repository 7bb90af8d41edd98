"""The requirements that a route makes of a caller: scopes, groups, and what happens when a check fails.

They are compiled from `authorizer.yml`. Named tuples, since the authorizer builds them on a cold start and
reads them on every request. Invariant: `tighten` of two policies allows nothing that either of them refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sessionwarden.errors import RoutesError
from sessionwarden.model.deny import Claims

INSUFFICIENT_SCOPE = "insufficient_scope"
INSUFFICIENT_GROUP = "insufficient_group"

FORMAT = 1

ACCESS = frozenset({"access"})
USES = {"access": ACCESS, "id": frozenset({"id"}), "any": frozenset({"access", "id"})}


class RoutePolicy(NamedTuple):
    """The requirements of one route. Each default is the strictest that holds for every API.

    A token passes if its use is one of `uses`, and it has every scope of `all_scopes`, one scope of each set
    in `any_scopes` and one group of each set in `any_groups`. `online_seconds` is the age up to which
    Cognito's answer is reused: `None` never asks Cognito, 0 asks on each request. With an `open` flag, a
    request passes although the denylist, or Cognito, could not be asked. `preflight_open`: a CORS preflight
    passes without a token.
    """

    uses: frozenset[str] = ACCESS
    all_scopes: frozenset[str] = frozenset()
    any_scopes: tuple[frozenset[str], ...] = ()
    any_groups: tuple[frozenset[str], ...] = ()
    denylist_open: bool = False
    online_seconds: int | None = None
    online_open: bool = False
    preflight_open: bool = False

    def refusal(self, claims: Claims) -> str | None:
        """Why `claims` do not satisfy this policy, or `None` if they do. `uses` is checked elsewhere."""
        if self.all_scopes or self.any_scopes:
            scopes = frozenset(claims.scope)
            if not self.all_scopes <= scopes or any(map(scopes.isdisjoint, self.any_scopes)):
                return INSUFFICIENT_SCOPE
        if any(map(frozenset(claims.groups).isdisjoint, self.any_groups)):
            return INSUFFICIENT_GROUP
        return None

    def tighten(self, other: RoutePolicy) -> RoutePolicy:
        """A policy with the requirements of both."""
        online = [policy.online_seconds for policy in (self, other) if policy.online_seconds is not None]
        asked = [policy.online_open for policy in (self, other) if policy.online_seconds is not None]
        return RoutePolicy(
            uses=self.uses & other.uses,
            all_scopes=self.all_scopes | other.all_scopes,
            any_scopes=self.any_scopes + other.any_scopes,
            any_groups=self.any_groups + other.any_groups,
            denylist_open=self.denylist_open and other.denylist_open,
            online_seconds=min(online, default=None),
            online_open=bool(asked) and all(asked),
            preflight_open=self.preflight_open and other.preflight_open,
        )


DEFAULT_POLICY = RoutePolicy()


def dump_policy(policy: RoutePolicy) -> dict[str, Any]:
    """`policy` as plain JSON data; equal policies have equal data."""
    data = policy._asdict()
    for name in ("uses", "all_scopes"):
        data[name] = sorted(data[name])
    for name in ("any_scopes", "any_groups"):
        data[name] = [sorted(names) for names in data[name]]
    return data


def load_policy(data: object) -> RoutePolicy:
    """The policy that `dump_policy` wrote; raises `RoutesError` for anything else.

    The data is checked again, because a policy that is read wrongly would open an API.
    """
    if not isinstance(data, Mapping) or data.keys() != set(RoutePolicy._fields):
        raise RoutesError("a policy has missing or unknown keys")
    online = data["online_seconds"]
    if online is not None and (type(online) is not int or online < 0):
        raise RoutesError("online_seconds is neither null nor a whole number")
    flags = {name: data[name] for name in ("denylist_open", "online_open", "preflight_open")}
    if not all(type(flag) is bool for flag in flags.values()):
        raise RoutesError("a flag is not a boolean")
    uses = _names(data["uses"])
    if not uses or not uses <= USES["any"]:
        raise RoutesError("uses is not a list of token uses")
    return RoutePolicy(
        uses=uses,
        all_scopes=_names(data["all_scopes"]),
        any_scopes=_sets(data["any_scopes"]),
        any_groups=_sets(data["any_groups"]),
        online_seconds=online,
        **flags,
    )


def _sets(value: object) -> tuple[frozenset[str], ...]:
    if not isinstance(value, list):
        raise RoutesError("not a list of lists of names")
    return tuple(map(_names, value))


def _names(value: object) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise RoutesError("not a list of names")
    return frozenset(value)
