"""Chooses the rule set of a batch: the live one, the last good one, or the one shipped with the code.

Invariants: a set that cannot be loaded or built is never used, and the set in use then stays in use. Engines
change only between batches, and what an engine remembers is a cache. Failure direction: a process that has
never read the live set, and cannot read it now, runs the shipped set in observe mode. Detection and alerts go
on, while a rule that was withdrawn since the deployment cannot sign out any user.
docs/explanation/failure-directions.md
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from sessionwarden.detection.engine import Engine
from sessionwarden.errors import RulesetError, RulesUnavailableError
from sessionwarden.ports import NOTHING_PUBLISHED, PublishedRules
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.load import load_ruleset

Origin = Literal["published", "shipped", "fallback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InUse:
    """The rule set of a batch, and why it is this one.

    `origin` is `shipped` while nothing is published, and `fallback` if the shipped set, in observe mode,
    replaces a published one that cannot be used. `changed` says that it differs from the batch before.
    `refused` and `unavailable` say what was wrong with the published set, if this batch polled it.
    """

    engine: Engine
    digest: str
    origin: Origin
    changed: bool = False
    refused: str | None = None
    unavailable: str | None = None


class NothingToPoll:
    """`ports.PublishedRules` of a deployment without AppConfig: it has only the shipped rule set."""

    def __init__(self) -> None:
        self._asked = False

    def poll(self) -> bytes | None:
        asked, self._asked = self._asked, True
        return None if asked else NOTHING_PUBLISHED


class LiveRules:
    """Keeps an engine for the newest good rule set; `shipped` is only read when it is needed."""

    def __init__(
        self,
        *,
        published: PublishedRules,
        shipped: Callable[[], bytes],
        build: Callable[[CompiledRuleset], Engine],
    ) -> None:
        self._published = published
        self._shipped = shipped
        self._build = build
        self._now: InUse | None = None

    def read(self) -> InUse:
        """The rule set of the next batch. Raises `RulesetError` only if no rule set can be used at all."""
        try:
            data = self._published.poll()
        except RulesUnavailableError as error:
            return self._keep(unavailable=error.reason)
        if data is None:
            return self._keep()
        if data == NOTHING_PUBLISHED:
            return self._take(load_ruleset(self._shipped()), "shipped")
        try:
            return self._take(load_ruleset(data), "published")
        except Exception as error:  # any error of the builder means that the set is refused
            # an error of a library may quote what was published: only the text of our own errors is logged
            return self._keep(refused=str(error) if isinstance(error, RulesetError) else type(error).__name__)

    def _keep(self, *, refused: str | None = None, unavailable: str | None = None) -> InUse:
        if self._now is None:
            now = self._take(_observing(load_ruleset(self._shipped())), "fallback")
        else:
            now = replace(self._now, changed=False)
        return replace(now, refused=refused, unavailable=unavailable)

    def _take(self, ruleset: CompiledRuleset, origin: Origin) -> InUse:
        if self._now is not None and (self._now.digest, self._now.origin) == (ruleset.digest, origin):
            return self._keep()
        self._now = InUse(engine=self._build(ruleset), digest=ruleset.digest, origin=origin, changed=True)
        return self._now


def _observing(ruleset: CompiledRuleset) -> CompiledRuleset:
    """The same rules under the same digest, all in observe mode."""
    change = msgspec.structs.replace
    rules = [change(rule, response=change(rule.response, mode="observe")) for rule in ruleset.rules]
    return change(ruleset, rules=tuple(rules))
