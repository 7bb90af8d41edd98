"""What has been acted upon already, by principal and by series: read, claimed and kept for every decision.

Given a finding and what policy makes of it, it says which act covers it, or claims it for this decision.
Invariant: of findings that any process enforces at the same moment, and whose events overlap, one acts. The
claim is one conditional write; the finding that made it may be delivered again, and goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sessionwarden.enforcement.deny_entries import principal_of
from sessionwarden.model.coverage import Coverage
from sessionwarden.model.decision import Decision
from sessionwarden.model.finding import BROAD_SCOPES, Finding
from sessionwarden.policy.ladder import is_covered, is_lockout, proved_since, repeats
from sessionwarden.ports import Act, CoverageStore

QUIET_AFTER_LIFT_MS = 15 * 60_000
"""After an operator has lifted a decision, its rule leaves the key alone for so long: what an operator has
just judged to be harmless goes on."""


def principal_name(decision: Decision) -> str:
    """Names whom a decision is about: a user, also where only a session of theirs is denied."""
    if decision.scope == "source_ip":
        return f"network#{decision.value}"
    if decision.scope == "client":
        return f"client#{decision.pool}#{decision.value}"
    return f"user#{principal_of(decision)}"


def series_name(decision: Decision) -> str | None:
    """Names the rule and the key of a decision; an operator's has none."""
    return None if decision.series is None else f"series#{decision.series}"


@dataclass(frozen=True, slots=True)
class Acted:
    """The coverage of everything that decisions are about."""

    store: CoverageStore

    def before(self, decision: Decision) -> Mapping[str, Coverage]:
        """What is covered of the decision's principal and of its series, by their names. Raises
        `StoreError`.
        """
        return {name: self.store.read(name) for name in _names(decision)}

    def claim(self, decision: Decision, finding: Finding) -> bool:
        """Cover what is behind the finding; false if another finding's act has covered it meanwhile."""
        act = _act(decision, lockout=is_lockout(finding.response))
        since = proved_since(finding)
        return all(self.store.claim(name, act, since=since) for name in _names(decision))

    def done(self, decision: Decision, *, now_ms: int) -> None:
        """The deny is in force: all events up to now are covered, and those that it refuses later."""
        lockout = decision.deny_until is not None or "disable_user" in decision.actions
        act = _act(decision, lockout=lockout)
        for name in _names(decision):
            until = max(now_ms, (decision.deny_until or 0) * 1000 if name == principal_name(decision) else 0)
            self.store.extend(name, act._replace(until=until))

    def withheld(self, decision: Decision) -> None:
        """Nothing was done after all, so what follows is no repetition."""
        for name in _names(decision):
            self.store.lift(name, decision.id, until=decision.created_at)

    def lifted(self, decision: Decision, *, lifted_at_ms: int) -> None:
        """What the decision covered beyond its lift is covered no more."""
        for name in _names(decision):
            quiet = QUIET_AFTER_LIFT_MS if name == series_name(decision) else 0
            self.store.lift(name, decision.id, until=lifted_at_ms + quiet)


def covering(finding: Finding, known: Mapping[str, Coverage]) -> Coverage | None:
    """The act that has answered for the finding, if one has."""
    return next((coverage for coverage in known.values() if is_covered(finding, coverage)), None)


def repeats_of(decision: Decision, finding: Finding, known: Mapping[str, Coverage]) -> int:
    """How often the decision's principal had been acted upon within a day."""
    return repeats(finding, known[principal_name(decision)])


def _names(decision: Decision) -> tuple[str, ...]:
    series = series_name(decision)
    principal = principal_name(decision)
    # the series first: a claim that fails there must not count as an act on the principal
    return (principal,) if series is None else (series, principal)


def _act(decision: Decision, *, lockout: bool) -> Act:
    return Act(
        by=decision.id,
        at=decision.created_at,
        until=decision.created_at,
        lockout=lockout and decision.scope not in BROAD_SCOPES,
    )
