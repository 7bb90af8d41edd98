"""A case and the compiled rules in, what the real engine found out.

Invariant: the rule runs as it does live, in batches, with event time as the clock, beside nothing but
the rules whose firings it counts; so a case is about its rule alone. The one way to run a case: the
command `rules test` and the tests of the shipped rules both come here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from sessionwarden.adapters.memory.windows import NO_LIMIT, MemoryWindowStore
from sessionwarden.authoring.cases import Case, Key
from sessionwarden.authoring.window_progress import Held, members_by_key, nearest_to_match
from sessionwarden.detection.acceptance import LogTime
from sessionwarden.detection.engine import Engine
from sessionwarden.detection.windows.group_key import shown_key
from sessionwarden.model.rules import CompiledRule
from sessionwarden.ruleset.compiled import CompiledRuleset

BATCH = 37
"""Events at once: few enough that the cases of a rule cross batches, as deliveries do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRun:
    """What came of one case. `found` are the keys of the rule's findings; `errors` what a rule raised."""

    rule: CompiledRule
    case: Case
    found: tuple[Key, ...]
    errors: tuple[Exception, ...]

    @property
    def missing(self) -> tuple[Key, ...]:
        """Keys that were expected and have no finding."""
        return _without(self.case.expectation.keys, self.found)

    @property
    def extra(self) -> tuple[Key, ...]:
        """Keys with a finding (or one more) that was not expected."""
        if self.case.expectation.how == "at_least":
            return ()
        return _without(self.found, self.case.expectation.keys)

    @property
    def passed(self) -> bool:
        """Whether the engine found what the case expects."""
        return not (self.missing or self.extra or self.errors)

    def nearest(self, key: Key) -> Held | None:
        """How near the rule came to firing for a key; `None` if nothing counted for it."""
        for values, members in members_by_key(self.rule, self.case.events).items():
            if shown_key(self.rule.group_by, values) == key:
                return nearest_to_match(self.rule, members)
        return None


def run_case(ruleset: CompiledRuleset, rule: CompiledRule, case: Case) -> CaseRun:
    """Run one case of `rule`. Raises `RulesetError` if the engine cannot run the rule at all."""
    engine = Engine(alone(ruleset, rule), MemoryWindowStore(member_limit=NO_LIMIT))
    log_time = LogTime()
    found: dict[str, Key] = {}
    errors: list[Exception] = []
    for start in range(0, len(case.events), BATCH):
        for batch, now_ms in log_time.batches(case.events[start : start + BATCH]):
            outcome = engine.process(batch, now_ms=now_ms)
            errors += [failure.error for failure in outcome.failures]
            found |= {one.id: one.key for one in outcome.findings if one.rule == rule.id}
            outcome.commit(outcome.findings)
    return CaseRun(rule=rule, case=case, found=tuple(found.values()), errors=tuple(errors))


def alone(ruleset: CompiledRuleset, rule: CompiledRule) -> CompiledRuleset:
    """The rule set of one rule, and of those whose firings it counts."""
    by_id = {one.id: one for one in ruleset.rules}
    needed: dict[str, CompiledRule] = {}
    waiting = [rule]
    while waiting:
        one = waiting.pop()
        if one.id not in needed:
            needed[one.id] = one
            waiting += [by_id[inner.rule] for inner in one.inner]
    return replace(ruleset, rules=tuple(sorted(needed.values(), key=lambda one: one.id)))


def _without(keys: Sequence[Key], others: Sequence[Key]) -> tuple[Key, ...]:
    left = Counter(tuple(sorted(key.items())) for key in keys)
    left -= Counter(tuple(sorted(key.items())) for key in others)
    return tuple(dict(items) for items in left.elements())
