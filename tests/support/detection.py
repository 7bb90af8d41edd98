"""Rules and events for the tests of detection: a test names only what it is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from sessionwarden.adapters.memory.windows import MemoryWindowStore
from sessionwarden.detection.engine import Engine
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Response
from sessionwarden.model.rules import CompiledRule, Selection
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.validation import refuse_unsafe

START = 1_790_000_000_000
MINUTE = 60_000
HOUR = 60 * MINUTE

ANY_USER = ["exists", "user"]
ANY_ADDRESS = ["exists", "source_ip"]


def response(*, cooldown_ms: int = HOUR) -> Response:
    return Response(
        scope="user", mode="enforce", actions=("deny",), deny_seconds=None, cooldown_ms=cooldown_ms
    )


def selection(
    expression: Any = None,
    *,
    category: Any = "api_access",
    rule: str = "selected",
    fields: tuple[str, ...] = (),
) -> Selection:
    return Selection(rule=rule, category=category, expression=expression or ANY_USER, fields=fields)


def rule(rule_id: str = "burst", *, cooldown_ms: int = HOUR, **changes: Any) -> CompiledRule:
    """Three events of a user within a minute, unless told otherwise."""
    fields: dict[str, Any] = {
        "id": rule_id,
        "title": "A burst",
        "level": "high",
        "kind": "event_count",
        "selections": (selection(),),
        "group_by": ("user",),
        "response": response(cooldown_ms=cooldown_ms),
        "window": f"window-of-{rule_id}",
        "timespan_ms": MINUTE,
        "bounds": (("gte", changes.pop("threshold", 3)),),
    }
    return CompiledRule(**(fields | changes))


def single(rule_id: str = "single", **changes: Any) -> CompiledRule:
    fields: dict[str, Any] = {"kind": "event", "timespan_ms": 0, "bounds": ()}
    return rule(rule_id, **(fields | changes))


def ruleset(*rules: CompiledRule) -> CompiledRuleset:
    return CompiledRuleset(digest="digest", rules=rules)


def accepted(*rules: CompiledRule) -> Engine:
    """An engine for rules that the gate has let through, as in `detect`. Raises `RulesetError`."""
    loaded = ruleset(*rules)
    refuse_unsafe(loaded)
    return Engine(loaded, MemoryWindowStore())


def event(number: int, *, at: int = 0, **fields: Any) -> Event:
    """Event `number`, `at` milliseconds after `START`."""
    defaults: dict[str, Any] = {"source": "api_access", "user": "alice", "source_ip": "192.0.2.1"}
    return Event(id=f"id-{number}", time=START + at, **(defaults | fields))


def ingested(happened: Event) -> Event:
    """`happened` as ingest writes it: identity has a pool, and our authorizer's decision."""
    if happened.user is None:
        return happened
    return msgspec.structs.replace(happened, pool="pool", decision=happened.decision or "allow")


def events(
    count: int, *, step: int = 1000, fields: Callable[[int], dict[str, Any]] | None = None
) -> list[Event]:
    """`count` events, `step` milliseconds apart."""
    return [event(number, at=number * step, **(fields(number) if fields else {})) for number in range(count)]
