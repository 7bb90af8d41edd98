"""Which rule set is in use: the one that is live, the last good one, or the one that came with the code.

Enters: what is published, and the shipped set. Leaves: the engine for the next batch. Invariants: a set that
cannot be loaded or built is never used, and whatever is in use stays in use; engines change between batches
only, and what an engine remembers is a cache. Direction: a process that has never seen the live set, and
cannot see it now, runs the shipped one but acts on nobody: detection and alerts go on, while a rule that was
withdrawn since the deployment cannot sign anybody out again. docs/explanation/threat-model.md
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
    """The rule set of a batch.

    `origin` is `shipped` while nothing is published, and `fallback` if the same set stands in, observing
    only, for one that cannot be had. `changed` says that it differs from the batch before.
    `refused` and `unavailable` say what was wrong with what is published, if it was asked for just now.
    """

    engine: Engine
    digest: str
    origin: Origin
    changed: bool = False
    refused: str | None = None
    unavailable: str | None = None


class NothingToPoll:
    """`ports.PublishedRules` of a deployment without AppConfig: only what was shipped."""

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

    def look(self) -> InUse:
        """What the next batch runs on. Raises `RulesetError` only if no rule set can be used at all."""
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
        except Exception as error:  # whatever a set makes the builder raise, it is the set that is refused
            # its text may quote what was published, hence whoever wrote that: only ours is shown
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
    """The same rules under the same digest, none of which acts."""
    change = msgspec.structs.replace
    rules = [change(rule, response=change(rule.response, mode="observe")) for rule in ruleset.rules]
    return change(ruleset, rules=tuple(rules))
