"""Random logs and rules for the tests of replay: counts, values and all other kinds of rules together."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from sessionwarden.model.event import Event
from sessionwarden.model.rules import CompiledRule
from sessionwarden.ruleset.compiled import CompiledRuleset
from tests.support.detection import event, rule, ruleset, selection, single
from tests.support.histories.rules import random_rules as rules_of_all_kinds
from tests.support.histories.rules import sampled_counts

Batches = list[tuple[int, list[Event]]]
"""The time that the log has reached, and what comes next."""


def random_rules(random: Random, span: int) -> CompiledRuleset:
    """Rules of all kinds, and more of those that count, which are most rules."""
    counted = {one.id: one for one in (*counting_rules(random, span), *sampled_counts(random, span))}
    others = {one.id: one for one in rules_of_all_kinds(random, span).rules}
    return ruleset(*(others | counted).values())


def counting_rules(random: Random, span: int) -> tuple[CompiledRule, ...]:
    def cooldown() -> int:
        return random.choice((span // 3 + 1, span, span + span // 2, 2 * span, 1000 * span))

    both = (selection(), selection(["exists", "session"], category="api_authorizer"))
    values: dict[str, Any] = {"kind": "value_count", "timespan_ms": span}
    return (
        rule("count", timespan_ms=span, threshold=random.randint(1, 5), cooldown_ms=cooldown()),
        # shares the window of the first rule, not its threshold nor its suppressed periods
        rule(
            "stricter",
            window="window-of-count",
            timespan_ms=span,
            threshold=random.randint(2, 6),
            cooldown_ms=cooldown(),
        ),
        rule(
            "everywhere",
            timespan_ms=2 * span,
            threshold=random.randint(2, 6),
            cooldown_ms=cooldown(),
            selections=both,
            group_by=("user", "source_ip"),
        ),
        rule("routes", value_field="route", threshold=random.randint(1, 4), cooldown_ms=cooldown(), **values),
        rule(
            "addresses",
            value_field="source_ip",
            threshold=random.randint(2, 4),
            cooldown_ms=cooldown(),
            selections=both,
            group_by=("session",),
            **values,
        ),
        single(cooldown_ms=cooldown(), selections=(selection(["number", "status", [500]]),)),
    )


def random_events(random: Random, *, count: int, within: int) -> Iterator[Event]:
    for number in range(count):
        yield event(
            # ids repeat: at one time it is one event, seen by two sources or at two times it is two
            number if random.random() < 0.9 else 0,
            at=random.randrange(within),
            source=random.choice(("api_access", "api_access", "api_authorizer")),
            user=random.choice(("alice", "alice", "bob", None)),
            pool=random.choice((None, None, "pool")),
            session=random.choice((None, "s-1", "s-2")),
            route=random.choice((None, "GET /a", "GET /b", "GET /c", "GET /d")),
            source_ip=random.choice(("192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", None)),
            status=random.choice((200, 200, 500)),
            username=random.choice((None, "alice", "bob")),
            response_bytes=random.choice((None, 0, 1, 2, 5)),
            decision=random.choice((None, None, None, "deny")),
        )


def deliveries(random: Random, happened: list[Event], *, disorder: int) -> Batches:
    """About in order of time, some of them again, cut into batches."""
    sent = [*happened, *(random.choice(happened) for _ in range(random.randint(0, len(happened) // 2)))]
    sent.sort(key=lambda one: one.time + random.randint(0, disorder))
    batches: Batches = []
    reached = 0
    while sent:
        size = random.choice((1, 3, 12))
        batch, sent = sent[:size], sent[size:]
        reached = max(reached, *(one.time for one in batch))
        batches.append((reached, batch))
    return batches
