"""The text that wakes an on-call engineer: what happened, to whom, what was done, how to undo it.

Enters: a finding and what was done about it. Leaves: subject, message and attributes for SNS. Invariant:
whatever a client may have chosen (names, addresses, ids) is escaped, bounded and quoted, so that no user
can forge a line of an alert. One decision, one alert.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sessionwarden.enforcement.acts import Pending
from sessionwarden.enforcement.printable import ascii_line, printable
from sessionwarden.model.decision import ActionResult, Decision, Enforcement, Withheld
from sessionwarden.model.finding import Finding

SUBJECT_LIMIT = 99
"""SNS takes fewer than 100 ASCII characters, no line breaks (API reference of `Publish`, `Subject`)."""
TEXT_LIMIT = 200
ATTRIBUTE_LIMIT = 256

WHY_WITHHELD: Mapping[Withheld, str] = {
    "observe": "the rule or the deployment is in observe mode",
    "protected": "the principal is on the protected list",
    "budget": "this hour's enforcement budget is spent",
    "stopped": "enforcement is stopped (see: sessionwarden enforcement status)",
    "no_principal": "the finding names no verified user or session",
    "unknown_pool": "the user's pool is not one that this deployment watches",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """All that an alert tells of; `pending` acts will be tried again."""

    finding: Finding
    enforcement: Enforcement
    pending: tuple[Pending, ...] = ()


def compose(alert: Alert, *, stack: str, region: str) -> tuple[str, str, dict[str, str]]:
    """Subject (at most 99 ASCII characters), message, and attributes to filter subscriptions by."""
    sections = [
        _what_happened(alert.finding),
        _who(alert.finding, alert.enforcement.decision),
        _what_was_done(alert),
        _undo(alert.enforcement.decision, stack=stack, region=region),
    ]
    message = "\n\n".join("\n".join(lines) for section in sections if (lines := list(section)))
    return _subject(alert), message + "\n", _attributes(alert)


def _subject(alert: Alert) -> str:
    decision, finding = alert.enforcement.decision, alert.finding
    done = [result.action for result in alert.enforcement.results if result.outcome == "done"]
    outcome = f"withheld ({decision.withheld})" if decision.simulated else ", ".join(done) or "alert"
    return ascii_line(f"[{finding.level}] Sessionwarden: {outcome}: {finding.title}", limit=SUBJECT_LIMIT)


def _what_happened(finding: Finding) -> Iterator[str]:
    yield f"{_text(finding.title)} (rule {_text(finding.rule)}, level {finding.level})"
    yield f"  {finding.count} in the window, first {_time(finding.first_time)}, crossed {_time(finding.time)}"
    for name, value in finding.key.items():
        yield f"  grouped by {_text(name)}: {_quoted(value)}"
    if finding.events:
        yield "  events: " + ", ".join(printable(event, limit=80) for event in finding.events)


def _who(finding: Finding, decision: Decision) -> Iterator[str]:
    facts = {
        "user (sub)": decision.user,
        "username, chosen by the user": decision.username,
        "user pool": decision.pool,
        "session": finding.session,
        "app client": finding.client,
        "from address": finding.source_ip,
        "API": finding.api_id,
        "route": finding.route,
    }
    yield f"Scope {decision.scope}: {_quoted(decision.value)}"
    for name, value in facts.items():
        if value:
            yield f"  {name}: {_quoted(value)}"


def _what_was_done(alert: Alert) -> Iterator[str]:
    decision = alert.enforcement.decision
    acts = [action for action in decision.actions if action != "alert"]
    if decision.simulated and decision.withheld:
        yield f"NOTHING was done, because {WHY_WITHHELD[decision.withheld]}."
        yield f"  Otherwise: {', '.join(acts)}."
        return
    if not acts:
        yield "Nothing was done: the rule only alerts."
        return
    yield f"Decision {printable(decision.id, limit=TEXT_LIMIT)}:"
    for result in alert.enforcement.results:
        yield f"  {result.action}: {_outcome(result)}"
    for action, error in alert.pending:
        yield f"  {action}: not yet, {_text(error.code)}; it is tried again"
    if decision.deny_until is not None:
        yield f"  New sign-ins are refused until {_time(decision.deny_until * 1000)}."


def _undo(decision: Decision, *, stack: str, region: str) -> Iterator[str]:
    if decision.simulated or "deny" not in decision.actions:
        return
    yield "To undo it:"
    yield (
        f"  sessionwarden decisions delete {shlex.quote(printable(decision.id, limit=TEXT_LIMIT))}"
        f" --stack {shlex.quote(stack)} --region {shlex.quote(region)}"
    )


def _attributes(alert: Alert) -> dict[str, str]:
    decision, finding = alert.enforcement.decision, alert.finding
    attributes = {
        "rule": finding.rule,
        "level": finding.level,
        "scope": decision.scope,
        "simulated": "true" if decision.simulated else "false",
        "decision": decision.id,
    }
    return {name: printable(value, limit=ATTRIBUTE_LIMIT) for name, value in attributes.items() if value}


def _outcome(result: ActionResult) -> str:
    return f"{result.outcome} ({_text(result.detail)})" if result.detail else result.outcome


def _text(value: str) -> str:
    return printable(value, limit=TEXT_LIMIT)


def _quoted(value: str) -> str:
    # mail clients turn addresses into links, and a username may be one
    return '"' + _text(value).replace('"', '\\"').replace("://", "[:]//") + '"'


def _time(epoch_ms: int) -> str:
    try:
        return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"epoch ms {epoch_ms}"
