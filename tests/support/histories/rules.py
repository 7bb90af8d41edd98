"""Random rule sets of every kind, small enough that a few events decide, and events for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec

from sessionwarden.correlations.sampling import sampling_rate
from sessionwarden.model.event import Event
from sessionwarden.model.rules import CompiledRule, Inner, Selection
from sessionwarden.ruleset.compiled import CompiledRuleset
from tests.support.detection import event, rule, ruleset, selection, single

SPANS = (7, 32, 40, 100, 1000)

FAILED = ["number", "status", [500]]
SELECTIONS: dict[str, tuple[str, Any]] = {
    "any": ("api_access", ["exists", "user"]),
    "failed": ("api_access", FAILED),
    "worked": ("api_access", ["number", "status", [200]]),
    "route a": ("api_access", ["equals", "route", ["get /a"]]),
    "authorized": ("api_authorizer", ["exists", "user"]),
}

Draw = Callable[[Random, int], list[CompiledRule]]


def random_rules(random: Random, span: int) -> CompiledRuleset:
    """A rule set of a few drawings, each of which is one rule or a few that depend on each other."""
    rules: dict[str, CompiledRule] = {}
    for draw in random.sample(DRAWS, random.randint(1, 3)):
        rules |= {one.id: one for one in draw(random, span)}
    return ruleset(*rules.values())


def random_events(random: Random, *, count: int, span: int) -> list[Event]:
    """Within a few timespans: often anywhere, often at one of few times, so that some meet and some are
    exactly a timespan apart. A few ids repeat: seen by two sources or at two times, one id is two events.
    """
    step = random.choice((1, 1, span, max(span // 2, 1), max(span // 4, 1)))
    return [
        event(
            number if random.random() < 0.9 else 0,
            at=random.randint(0, 5 * span // step) * step,
            source=random.choice(("api_access", "api_access", "api_authorizer")),
            user=random.choice(("alice", "alice", "alice", "bob")),
            username=random.choice((None, "alice", "bob")),
            route=random.choice((None, "GET /a", "GET /b", "GET /c")),
            status=random.choice((200, 200, 500)),
            source_ip=random.choice(("192.0.2.1", "192.0.2.2", None)),
            response_bytes=random.choice((None, 0, 1, 2, 5)),
        )
        for number in range(count)
    ]


def cooldown(random: Random, span: int) -> int:
    return random.choice(
        (span // 3 + 1, span, span + span // 3, span + span // 2, 2 * span, 3 * span, 1000 * span)
    )


def lower(random: Random, most: int) -> tuple[Any, ...]:
    return (random.choice((("gte", random.randint(1, most)), ("gt", random.randint(0, most - 1)))),)


def undoable(random: Random, most: int) -> tuple[Any, ...]:
    low = random.randint(0, most)
    return random.choice(
        (
            (("lt", random.randint(1, most)),),
            (("lte", low),),
            (("eq", low),),
            (("neq", low),),
            (("gte", low), ("lte", random.randint(low, most))),
        )
    )


def either(random: Random, most: int) -> tuple[Any, ...]:
    return random.choice((lower, undoable))(random, most)


def selected(*names: str, fields: tuple[str, ...] = ()) -> tuple[Selection, ...]:
    return tuple(
        Selection(rule=name, category=SELECTIONS[name][0], expression=SELECTIONS[name][1], fields=fields)  # type: ignore[arg-type]
        for name in names
    )


def one(random: Random, span: int, name: str, **changes: Any) -> CompiledRule:
    return rule(name, cooldown_ms=cooldown(random, span), **({"timespan_ms": span} | changes))


def counts(random: Random, span: int) -> list[CompiledRule]:
    # the second shares the window of the first, not its threshold nor its periods
    return [
        one(random, span, "count", bounds=lower(random, 4)),
        one(random, span, "stricter", window="window-of-count", bounds=lower(random, 5)),
    ]


def sampled_counts(random: Random, span: int) -> list[CompiledRule]:
    """As if the documented size were two. The window is also that of `count`: rates alone part the sets."""

    def sampled(name: str, threshold: int) -> CompiledRule:
        one_in = sampling_rate(threshold, exact_up_to=2)
        bounds = (("gte", threshold),)
        return one(random, span, name, window="window-of-count", bounds=bounds, sampled_one_in=one_in)

    return [sampled("by two", random.choice((3, 4))), sampled("by four", random.randint(5, 8))]


def undoable_counts(random: Random, span: int) -> list[CompiledRule]:
    return [one(random, span, "quiet", bounds=undoable(random, 4))]


def values(random: Random, span: int) -> list[CompiledRule]:
    values: dict[str, Any] = {"kind": "value_count", "value_field": "route"}
    return [
        one(random, span, "values", bounds=lower(random, 3), **values),
        one(random, span, "few values", bounds=undoable(random, 3), **values),
    ]


def numbers(random: Random, span: int) -> list[CompiledRule]:
    shared: dict[str, Any] = {"value_field": "response_bytes", "window": "window-of-numbers"}
    percentile = random.choice((0, 10, 50, 90, 100))
    return [
        one(random, span, "sum", kind="value_sum", bounds=either(random, 9), **shared),
        one(random, span, "average", kind="value_avg", bounds=either(random, 4), **shared),
        one(
            random,
            span,
            "percentile",
            kind="value_percentile",
            percentile=percentile,
            bounds=either(random, 4),
            **shared,
        ),
    ]


def temporal(random: Random, span: int) -> list[CompiledRule]:
    names = tuple(random.sample(sorted(SELECTIONS), random.randint(2, 3)))
    return [
        one(random, span, "together", kind="temporal", selections=selected(*names), steps=names, bounds=())
    ]


def ordered(random: Random, span: int) -> list[CompiledRule]:
    names = tuple(random.sample(sorted(SELECTIONS), random.randint(2, 3)))
    steps = random.choice((names, names, (*names, names[0])))
    return [
        one(
            random,
            span,
            "in order",
            kind="temporal_ordered",
            selections=selected(*names),
            steps=steps,
            bounds=(),
        )
    ]


def aliases(random: Random, span: int) -> list[CompiledRule]:
    selections = selected("failed", fields=("username",)) + selected("authorized", fields=("user",))
    return [one(random, span, "aliased", group_by=("who",), selections=selections, bounds=lower(random, 4))]


def events(random: Random, span: int) -> list[CompiledRule]:
    return [single(cooldown_ms=cooldown(random, span), selections=(selection(FAILED),))]


INNER_KEY = ("user", "source_ip")


def inner(random: Random, span: int, name: str, *, certain: bool) -> CompiledRule:
    emits = random.random() < 0.3
    kinds: list[dict[str, Any]] = [
        {"bounds": lower(random, 2)},
        {"kind": "value_count", "value_field": "route", "bounds": lower(random, 2)},
        {"kind": "value_sum", "value_field": "response_bytes", "bounds": lower(random, 6)},
    ]
    names = tuple(random.sample(("any", "failed", "route a"), 2))
    kinds += [
        {"kind": kind, "selections": selected(*names), "steps": names, "bounds": ()}
        for kind in ("temporal", "temporal_ordered")
    ]
    if not certain:
        kinds += [
            {"bounds": undoable(random, 3)},
            {"kind": "value_avg", "value_field": "response_bytes", "bounds": either(random, 4)},
        ]
    return one(random, span, name, group_by=INNER_KEY, emits=emits, **random.choice(kinds))


def chain(random: Random, span: int, prefix: str = "") -> list[CompiledRule]:
    """Firings counted, counted by value, or as a step beside events; of one level or of two."""
    grows = random.random() < 0.7
    first = inner(random, span, f"{prefix}inner", certain=not grows)
    key = random.choice(("user", "source_ip"))
    served = (Inner(rule=first.id),)
    outer_span = random.choice((span, 2 * span, 4 * span))
    bounds = lower(random, 3) if grows else undoable(random, 3)
    changes: dict[str, Any] = random.choice(
        (
            {"selections": (), "bounds": bounds},
            {"selections": selected("authorized"), "bounds": bounds},
            {"kind": "value_count", "value_field": "source_ip", "selections": (), "bounds": bounds},
            *(
                {
                    "kind": kind,
                    "selections": selected("failed"),
                    "steps": steps,
                    "bounds": (),
                }
                for kind in ("temporal", "temporal_ordered")
                for steps in ((first.id, "failed"), ("failed", first.id))
            ),
        )
    )
    outer = one(random, outer_span, f"{prefix}outer", group_by=(key,), inner=served, **changes)
    if random.random() < 0.5:
        return [first, outer]
    top = one(
        random,
        outer_span,
        f"{prefix}top",
        group_by=("key",),
        selections=(),
        inner=(Inner(rule=outer.id, fields=(key,)), Inner(rule=first.id, fields=(key,))),
        bounds=lower(random, 3),
    )
    return [first, msgspec.structs.replace(outer, emits=random.random() < 0.5), top]


def other_chain(random: Random, span: int) -> list[CompiledRule]:
    return chain(random, span, prefix="other ")


DRAWS: Sequence[Draw] = (
    counts,
    sampled_counts,
    undoable_counts,
    values,
    numbers,
    temporal,
    ordered,
    aliases,
    events,
    chain,
    other_chain,
)
