"""A finding: a rule matched for a group key. `detect` hands it to `enforce`, with its evidence.

Invariant: `id` depends only on the rule's digest, the key and the suppressed period in event time, so that
the same abuse is one finding however many processes find it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Scope = Literal["user", "session", "client", "source_ip", "identity"]
Level = Literal["informational", "low", "medium", "high", "critical"]
Action = Literal["deny", "sign_out", "disable_user", "alert"]
Mode = Literal["observe", "enforce"]

BROAD_SCOPES: frozenset[Scope] = frozenset({"client", "source_ip"})
"""Scopes whose denies concern many requests at once, so that authorizers poll them; see `BroadDeny`."""


SESSIONS_NAMED = 10
"""Sessions that a finding names: more than people use at once, and few enough to deny one by one."""


class Response(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a rule asks for: its `response` key over the defaults of `rules/policy.yml`.

    `deny_seconds` refuses even new sign-ins for that long; `None` cuts existing tokens only. A deny of a
    client or an address always has an end.
    """

    scope: Scope
    mode: Mode
    actions: tuple[Action, ...]
    deny_seconds: int | None
    cooldown_ms: int


def asks_to_act(response: Response) -> bool:
    """Whether a rule asks for more than to be told of what it finds."""
    return response.mode == "enforce" and not set(response.actions) <= {"alert"}


class Finding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule matched for `key`. Times are epoch ms; `count` is what the window held at `time`.

    `count` is a number of events, matches of other rules, distinct values or steps. For rules about a sum, an
    average or a percentile it is the number of values, and `value` is that sum, average or percentile. If
    `sampled_one_in` is above 1, one event in so many is counted, and `count` is an estimate: the number of
    counted events times `sampled_one_in`. `events` holds at most 20 ids. The principal's fields (`pool`,
    `user`, `username`, `session`, `client`, `groups`, `source_ip`) are those of the event that crossed the
    threshold.

    `series` names the rule and the key: all findings of one rule about one key are a series. `proved_since`:
    the events after that time meet the rule by themselves, so an act on an earlier one does not cover them.
    `sessions` are those that most of the `session_events` counted came from, with the number of each, where
    the rule's kind tells them apart. A `reminder` says that a series goes on: it is sent to enforcement again
    and again within the time for which a rule has one finding, and acted on only if nothing covers it.
    """

    id: str
    rule: str
    title: str
    level: Level
    ruleset_digest: str
    response: Response
    key: dict[str, str]
    time: int
    first_time: int
    count: int
    events: tuple[str, ...]

    pool: str | None = None
    user: str | None = None
    username: str | None = None
    session: str | None = None
    client: str | None = None
    identity: str | None = None
    groups: tuple[str, ...] | None = None
    source_ip: str | None = None
    api_id: str | None = None
    route: str | None = None
    value: int | float | None = None
    sampled_one_in: int = 1

    series: str | None = None
    proved_since: int | None = None
    sessions: tuple[tuple[str, int], ...] = ()
    session_events: int = 0
    reminder: bool = False
