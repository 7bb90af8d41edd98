"""How far a decision goes: the narrowest act that stops it first, and a wider one if it comes again.

    first, and one session did it     that session is denied
    first, otherwise                  what the rule asks for
    again within a day                the user, and new sign-ins too, for longer each time
    again, a client or an address     the same deny, twice as long each time

Invariants: an act is answered for once. A finding that needs events from before an act to meet its rule is
covered by that act, so a person who signs in after it is not taken for the one who was cut off. Nothing that
was only recorded covers anything.
"""

from __future__ import annotations

from msgspec.structs import replace

from sessionwarden.model.coverage import Coverage
from sessionwarden.model.decision import Decision
from sessionwarden.model.deny import CLOCK_SKEW_SECONDS, MAX_BROAD_DENY_SECONDS
from sessionwarden.model.finding import BROAD_SCOPES, Finding, Response
from sessionwarden.model.policy import Policy

DAY_MS = 24 * 3_600_000
"""Acts that are further apart are no repetition."""

ONE_SESSION_SHARE = (4, 5)
"""A session with so much of what was counted did it: a thief is beside the owner, who is reading mail."""

NARROWED_FROM = frozenset({"deny", "sign_out", "alert"})
"""Actions that stand for ending sessions. A rule that asks for more means the account."""


def proved_since(finding: Finding) -> int:
    """The events after this time (epoch ms) meet the rule by themselves."""
    # a finding that an earlier version sent does not say; its first event is early enough
    return finding.first_time - 1 if finding.proved_since is None else finding.proved_since


def is_lockout(response: Response) -> bool:
    """Whether a rule means the account, and not what is signed in now."""
    return response.deny_seconds is not None or "disable_user" in response.actions


def is_covered(finding: Finding, coverage: Coverage) -> bool:
    """Whether an act of another finding has answered for this one."""
    if coverage.by in ("", finding.id) or proved_since(finding) >= coverage.until:
        return False
    return coverage.lockout or finding.response.scope in BROAD_SCOPES or not is_lockout(finding.response)


def repeats(finding: Finding, coverage: Coverage) -> int:
    """How often, within a day, the principal had been acted upon before the events behind the finding."""
    since = proved_since(finding)
    return sum(since - DAY_MS < at <= since for by, at in coverage.enforced.items() if by != finding.id)


def climb(decision: Decision, finding: Finding, policy: Policy, *, repeats: int) -> Decision:
    """The decision at its step of the ladder."""
    if decision.scope in BROAD_SCOPES:
        return _doubled(decision, repeats) if repeats else decision
    if repeats:
        return _longer(decision, policy, repeats)
    session = one_session(finding)
    if decision.scope == "user" and session and _means_sessions(finding.response):
        return replace(only_sessions(decision, (session,)), narrowed=True)
    return decision


def one_session(finding: Finding) -> str | None:
    """The session that nearly all of what was counted came from."""
    part, whole = ONE_SESSION_SHARE
    for session, events in finding.sessions[:1]:
        if events * whole >= finding.session_events * part:
            return session
    return None


def only_sessions(decision: Decision, sessions: tuple[str, ...]) -> Decision:
    """What remains of a decision about a user if only these sessions are denied."""
    return replace(
        decision,
        scope="session",
        value=sessions[0],
        actions=tuple(action for action in decision.actions if action in ("deny", "alert")),
        not_before=None,
        deny_until=None,
        session=sessions[0],
        more_sessions=sessions[1:],
    )


def kept_out(decision: Decision, policy: Policy) -> Decision:
    """What remains of a repeated decision if it may only be short: it denies all, and ends no session."""
    until = decision.created_at // 1000 + policy.repeat_deny_seconds[0]
    return replace(
        decision,
        actions=("deny", "alert"),
        not_before=None,
        deny_until=until,
        expires_at=until,
        reduced="budget",
    )


def _means_sessions(response: Response) -> bool:
    return response.deny_seconds is None and NARROWED_FROM.issuperset(response.actions)


def _longer(decision: Decision, policy: Policy, repeats: int) -> Decision:
    assert decision.expires_at is not None
    now_s, steps = decision.created_at // 1000, policy.repeat_deny_seconds
    until = max(now_s + steps[min(repeats, len(steps)) - 1], decision.deny_until or 0)
    return replace(
        decision,
        scope="user",
        value=decision.user or "",
        not_before=now_s + CLOCK_SKEW_SECONDS,
        deny_until=until,
        session=None,
        expires_at=max(decision.expires_at, until),
        repeats=repeats,
    )


def _doubled(decision: Decision, repeats: int) -> Decision:
    assert decision.deny_until is not None
    now_s = decision.created_at // 1000
    # a day of seconds has 17 bits: more doublings change nothing
    seconds = min((decision.deny_until - now_s) << min(repeats, 17), MAX_BROAD_DENY_SECONDS)
    return replace(decision, deny_until=now_s + seconds, expires_at=now_s + seconds, repeats=repeats)
