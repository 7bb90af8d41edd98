"""Makes one decision of one finding.

The decision says what is to be done, or, if it is `simulated`, what would have been done and which brake
withheld it. Invariants: only a verified user or machine of a watched pool, or one address, is ever acted
upon; times are fixed here, once, so that a retry cannot move them; a finding that comes too late ends no
session; an identity is reported and not denied.
"""

from __future__ import annotations

from msgspec.structs import replace

from sessionwarden.model.decision import Decision, Withheld
from sessionwarden.model.deny import CLOCK_SKEW_SECONDS, MAX_BROAD_DENY_SECONDS
from sessionwarden.model.finding import BROAD_SCOPES, Action, Finding
from sessionwarden.model.policy import Policy
from sessionwarden.policy.deployment import Deployment
from sessionwarden.policy.ladder import kept_out, only_sessions
from sessionwarden.policy.networks import Network, grouped_network
from sessionwarden.policy.protected import is_protected, is_protected_network, lacks_facts

STALE_MS = 6 * 3_600_000
"""Six hours: longer than the queue's own retries take, shorter than a night in the dead-letter queue. A deny
ends sign-ins up to now. Redriven a day later, it would end the sessions of a user who has long changed the
password, and an operator has seen the dead-letter queue's alarm in between."""

PRINCIPAL_SCOPES = frozenset({"user", "session"})
"""Scopes whose decisions concern one user of a pool."""


def decide(finding: Finding, deployment: Deployment, *, now_ms: int) -> Decision:
    """What to do about the finding. `now_ms` is epoch milliseconds.

    `sign_out` and `disable_user` imply `deny`: without it the access tokens that the attacker holds would go
    on working at every API.
    """
    decision = Decision(
        id=finding.id,
        created_at=now_ms,
        origin="rule",
        scope=finding.response.scope,
        value=_value(finding),
        actions=_actions(finding),
        simulated=False,
        rule=finding.rule,
        title=finding.title,
        level=finding.level,
        pool=finding.pool,
        user=finding.user,
        username=finding.username,
        series=finding.series,
    )
    if not decision.enforced:
        return decision
    withheld = _withheld(finding, deployment, now_ms=now_ms)
    if withheld not in ("no_principal", "unknown_pool"):
        decision = _with_times(decision, finding, deployment, now_s=now_ms // 1000)
    return replace(decision, simulated=withheld is not None, withheld=withheld)


def needs_user_facts(finding: Finding, deployment: Deployment) -> bool:
    """Whether the user pool must be asked for the user's name and groups before this finding may act."""
    return finding.response.scope in PRINCIPAL_SCOPES and lacks_facts(finding, deployment.policy.protected)


def sessions_of(finding: Finding) -> tuple[str, ...]:
    """The sessions that took part, as far as the finding names them; else that of its event."""
    named = tuple(session for session, _ in finding.sessions)
    return named or (() if finding.session is None else (finding.session,))


def reduce_for_budget(decision: Decision, policy: Policy, *, sessions: tuple[str, ...]) -> Decision:
    """What remains of a decision when the limit of its hour is spent: what is short, and can be taken back.

    The denies of `sessions`, which took part and are not denied yet: an attacker who spends the limit with
    accounts that they can spare must not thereby keep the sessions that were caught. A user who was acted
    upon and goes on is kept out for the shortest time, and keeps their other sessions. Without a session the
    decision is withheld. So is that of a client or an address: the session is no smaller part of it, but that
    of the user whose event happened to come last.
    """
    if decision.repeats and decision.scope not in BROAD_SCOPES:
        return kept_out(decision, policy)
    if not sessions or decision.scope in BROAD_SCOPES:
        return replace(decision, simulated=True, withheld="budget")
    return replace(only_sessions(decision, sessions), actions=("deny", "alert"), reduced="budget")


def _withheld(finding: Finding, deployment: Deployment, *, now_ms: int) -> Withheld | None:
    """The first brake that holds, in the order of docs/reference/decisions.md."""
    protected, network = deployment.policy.protected, _network(finding)
    if network is None and not _names_principal(finding):
        return "no_principal"
    if network is None and finding.pool not in deployment.pools:
        return "unknown_pool"
    if finding.response.scope == "client" and (finding.user or finding.username or finding.session):
        # one user of an application could have it denied to all the others; a machine has none of these
        return "shared_client"
    if is_protected(finding, protected) or (network is not None and is_protected_network(network, protected)):
        return "protected"
    if "observe" in (deployment.mode, finding.response.mode):
        return "observe"
    if now_ms - finding.time > STALE_MS:
        return "stale"
    return None


def _with_times(decision: Decision, finding: Finding, deployment: Deployment, *, now_s: int) -> Decision:
    if decision.scope in BROAD_SCOPES:
        return _with_end(decision, finding, now_s=now_s)
    by_user = decision.scope == "user"
    deny_seconds = finding.response.deny_seconds if by_user else None
    lifetime = max(deployment.session_lifetime_seconds, deny_seconds or 0)
    return replace(
        decision,
        # a disabled account's other sessions end too, whatever the scope of the rule
        not_before=now_s + CLOCK_SKEW_SECONDS if by_user or "disable_user" in decision.actions else None,
        deny_until=None if deny_seconds is None else now_s + deny_seconds,
        session=None if by_user else decision.value,
        expires_at=now_s + lifetime,
    )


def _with_end(decision: Decision, finding: Finding, *, now_s: int) -> Decision:
    # compiled rules always say how long; a finding that does not say so denies for no time at all
    until = now_s + min(finding.response.deny_seconds or 0, MAX_BROAD_DENY_SECONDS)
    network = _network(finding)
    value = decision.value if network is None else str(network)
    return replace(decision, value=value, deny_until=until, expires_at=until)


def _actions(finding: Finding) -> tuple[Action, ...]:
    """Each action once, `deny` first whenever anything is to be enforced.

    What only an account can suffer is dropped for a client or an address: the user whose event came last from
    an address is not the one that the rule means.
    """
    requested = tuple(dict.fromkeys(finding.response.actions))
    if finding.response.scope in BROAD_SCOPES:
        return tuple(action for action in ("deny", "alert") if action in requested)
    if requested in ((), ("alert",)):
        return requested
    return ("deny", *(action for action in requested if action != "deny"))


def _value(finding: Finding) -> str:
    scope = finding.response.scope
    return finding.key.get(scope) or getattr(finding, scope) or ""


def _names_principal(finding: Finding) -> bool:
    """Whether the scope's value and its user are known, and the key does not contradict the event.

    A user without a pool is not a principal: the authorizer always names the pool whose key verified the
    token, so such an identity came from elsewhere, and a sub is only unique within its pool.
    """
    scope = finding.response.scope
    if not finding.pool or not _value(finding):
        return False
    if scope == "client":
        # a client's id without its pool in the key may have been counted over several pools
        return (finding.key.get("pool"), finding.key.get("client")) == (finding.pool, finding.client)
    if scope not in PRINCIPAL_SCOPES or not finding.user:
        return False
    named = {"user": finding.user, "session": finding.session}
    return all(finding.key.get(field, value) == value for field, value in named.items())


def _network(finding: Finding) -> Network | None:
    """The network that a finding of scope `source_ip` is about; `None` for any other finding."""
    if finding.response.scope != "source_ip":
        return None
    return grouped_network(_value(finding), finding.source_ip)
