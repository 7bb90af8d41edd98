"""Writes the alert that wakes an on-call engineer: what happened, to whom, what was done, how to undo it.

Given a finding and what was done about it, it returns subject, message and attributes for SNS. A decision has
one alert, or the notice that this and later alerts of the rule are held back. Invariant: all text that a
client may have chosen (names, addresses, ids) is escaped, bounded and quoted, so that no user can forge a
line of an alert, nor plant a link in it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from sessionwarden.enforcement.actions import Pending
from sessionwarden.model.decision import ActionResult, Decision, Enforcement, Withheld
from sessionwarden.model.finding import BROAD_SCOPES, Finding
from sessionwarden.printable import ascii_line, printable

SUBJECT_LIMIT = 99
"""SNS accepts fewer than 100 ASCII characters, no line breaks (API reference of `Publish`, `Subject`)."""
TEXT_LIMIT = 200
"""Characters of a value in the text."""
ATTRIBUTE_LIMIT = 256
"""Characters of an attribute's value."""

WHY_WITHHELD: Mapping[Withheld, str] = {
    "observe": "the rule or the deployment is in observe mode",
    "protected": "the principal is on the protected list, or the address is one that is never denied",
    "stale": "the abuse was more than 6 hours ago, and a deny now would cut newer sessions"
    " (by hand: sessionwarden decisions add)",
    "budget": "this hour's enforcement budget is spent, and the finding names no session",
    "shared_client": "the app client serves people, and all of them would be shut out"
    " (by hand: sessionwarden decisions add)",
    "covered": "what was counted had been acted upon already; the abuse had not gone on when this was found",
    "stopped": "enforcement is stopped (see: sessionwarden enforcement status)",
    "no_principal": "the finding names no verified user, session or client (of a user pool), nor one address",
    "unknown_pool": "the user pool is not one that this deployment watches",
}

CHOSEN_BY_CLIENTS = frozenset({"username", "user_agent", "referer", "host", "path", "query", "error"})
"""Fields that a rule may group by and whose text a client chooses freely; other fields stay legible."""
UNLINKED = str.maketrans({".": "[.]", "@": "[at]"} | dict.fromkeys("\u3002\uff0e\uff61", "[.]"))
"""Mail clients turn bare domains and addresses into links. Browsers read three more characters as the dot of
a domain (Unicode Technical Standard 46, mapping of U+3002, U+FF0E and U+FF61)."""


class Message(NamedTuple):
    """What is sent to the topic: at most 99 ASCII characters as subject, the text, attributes to filter
    by.
    """

    subject: str
    text: str
    attributes: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentName:
    """The stack and the Region by which commands find a deployment."""

    stack: str
    region: str

    @property
    def options(self) -> str:
        """The options of a command that name it, quoted for a shell."""
        return f"--stack {shlex.quote(self.stack)} --region {shlex.quote(self.region)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """All that an alert reports; `pending` actions will be tried again."""

    finding: Finding
    enforcement: Enforcement
    pending: tuple[Pending, ...] = ()


def compose(alert: Alert, name: DeploymentName) -> Message:
    """The alert of one decision of the deployment `name`."""
    sections = [
        _what_happened(alert.finding),
        _who(alert.finding, alert.enforcement.decision),
        _what_was_done(alert),
        _undo(alert.enforcement.decision, name),
    ]
    text = "\n\n".join("\n".join(lines) for section in sections if (lines := list(section)))
    return Message(_subject(alert), text + "\n", _attributes(alert))


def compose_notice(alert: Alert, name: DeploymentName, *, until_ms: int) -> Message:
    """The one message that says that further alerts of a rule are held back until `until_ms` (epoch ms).

    It has the attributes of the first alert held back, so that a subscription's filter treats both alike.
    """
    finding, until = alert.finding, _time(until_ms)
    lines = (
        f"{_text(finding.title)} (rule {_text(finding.rule)}, level {finding.level})",
        "",
        f"This rule has sent what limits.alerts_per_hour allows: more alerts are held back until {until}.",
        "Only messages are held back: decisions are still recorded and carried out. Each sign-out, disabled",
        "account, and denied user, client or address still has an alert of its own.",
        "",
        "To see what was decided meanwhile:",
        f"  sessionwarden decisions list {name.options}",
    )
    subject = f"[{finding.level}] Sessionwarden: alerts held back until {until}: {finding.title}"
    attributes = _attributes(alert) | {"held_back": "true"}
    return Message(ascii_line(subject, limit=SUBJECT_LIMIT), "\n".join(lines) + "\n", attributes)


def _subject(alert: Alert) -> str:
    decision, finding = alert.enforcement.decision, alert.finding
    done = [result.action for result in alert.enforcement.results if result.outcome == "done"]
    outcome = f"withheld ({decision.withheld})" if decision.simulated else ", ".join(done) or "alert"
    if decision.reduced:
        outcome += f" (reduced: {decision.reduced})"
    if decision.repeats:
        outcome += f" (again: {decision.repeats + 1})"
    return ascii_line(f"[{finding.level}] Sessionwarden: {outcome}: {finding.title}", limit=SUBJECT_LIMIT)


def _what_happened(finding: Finding) -> Iterator[str]:
    yield f"{_text(finding.title)} (rule {_text(finding.rule)}, level {finding.level})"
    yield f"  {_count(finding)}, first {_time(finding.first_time)}, crossed {_time(finding.time)}"
    if finding.value is not None:
        yield f"  what the rule judges of their values: {finding.value:,}"
    for name, value in finding.key.items():
        shown = _unlinked(value) if name in CHOSEN_BY_CLIENTS else _quoted(value)
        yield f"  grouped by {_text(name)}: {shown}"
    if finding.events:
        yield "  events: " + ", ".join(printable(event, limit=80) for event in finding.events)


def _count(finding: Finding) -> str:
    if finding.sampled_one_in <= 1:
        return f"{finding.count} in the window"
    seen, of = finding.count // finding.sampled_one_in, finding.sampled_one_in
    return f"about {finding.count} in the window (an estimate: {seen} were looked at, one in {of})"


def _who(finding: Finding, decision: Decision) -> Iterator[str]:
    facts = {
        "user (sub)": decision.user,
        "user pool": decision.pool,
        "session": finding.session,
        "app client": finding.client,
        "from address": finding.source_ip,
        "API": finding.api_id,
        "route": finding.route,
    }
    yield f"Scope {decision.scope}: {_quoted(decision.value)}"
    if decision.username:
        yield f"  username, chosen by the user: {_unlinked(decision.username)}"
    for name, value in facts.items():
        if value:
            yield f"  {name}: {_quoted(value)}"


def _what_was_done(alert: Alert) -> Iterator[str]:
    decision = alert.enforcement.decision
    actions = [action for action in decision.actions if action != "alert"]
    if decision.simulated and decision.withheld:
        yield f"NOTHING was done, because {_why_withheld(decision, decision.withheld)}."
        yield f"  Otherwise: {', '.join(actions)}."
        return
    if not actions:
        yield "Nothing was done: the rule only alerts."
        return
    yield from _how_far(alert.finding, decision)
    yield f"Decision {printable(decision.id, limit=TEXT_LIMIT)}:"
    for result in alert.enforcement.results:
        yield f"  {result.action}: {_outcome(result)}"
    for action, error in alert.pending:
        yield f"  {action}: not yet, {_text(error.code)}; it is tried again"
    if decision.deny_until is not None:
        yield f"  {_what_is_refused(decision)} until {_time(decision.deny_until * 1000)}."


def _how_far(finding: Finding, decision: Decision) -> Iterator[str]:
    """Why less, or more, was done than the rule asks for."""
    requested = ", ".join(action for action in finding.response.actions if action != "alert")
    asked = f"  The rule asks for: {requested} (scope {finding.response.scope})."
    if decision.reduced:
        yield f"REDUCED to {_what_is_left(decision)}, because this hour's enforcement budget is spent."
        yield f"{asked} Other sessions go on{' afterwards' if decision.scope == 'user' else ''}."
    if decision.narrowed:
        yield "NARROWED to a deny of this one session, which made nearly all of the requests."
        yield f"{asked} It follows if the abuse goes on."
    if decision.repeats:
        times = "once" if decision.repeats == 1 else f"{decision.repeats} times"
        yield f"REPEATED: within a day there had been an act {times}, and the abuse went on after it."
        yield f"{asked} This deny is wider or longer."


def _what_is_left(decision: Decision) -> str:
    if decision.scope == "user":
        return "a short deny of the user"
    sessions = 1 + len(decision.more_sessions)
    return (
        "a deny of this one session" if sessions == 1 else f"a deny of the {sessions} sessions that took part"
    )


def _why_withheld(decision: Decision, withheld: Withheld) -> str:
    if withheld == "covered" and decision.covered_by:
        covered_by = printable(decision.covered_by, limit=TEXT_LIMIT)
        return f"{WHY_WITHHELD[withheld]} (decision {covered_by})"
    if withheld == "budget" and decision.scope in BROAD_SCOPES:
        return f"this hour's limits.broad_denies_per_hour is spent for scope {decision.scope}"
    return WHY_WITHHELD[withheld]


def _what_is_refused(decision: Decision) -> str:
    if decision.scope not in BROAD_SCOPES:
        return "New sign-ins are refused"
    return f"All requests of {_quoted(decision.value)} are refused, within 5 seconds,"


def _undo(decision: Decision, name: DeploymentName) -> Iterator[str]:
    if not decision.enforced:
        return
    yield "To undo it:"
    yield (
        f"  sessionwarden decisions delete {shlex.quote(printable(decision.id, limit=TEXT_LIMIT))}"
        f" {name.options}"
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


def _unlinked(value: str) -> str:
    return _quoted(value).translate(UNLINKED)


def _time(epoch_ms: int) -> str:
    try:
        return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"epoch ms {epoch_ms}"
