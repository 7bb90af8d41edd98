"""One finding becomes one decision.

Enters: a finding, the published policy, the deployment, now. Leaves: a `Decision` that says what is to
be done, or, `simulated`, what would have been done and which brake withheld it. Invariants: only a
verified user or machine of a configured pool, or one address, is ever acted upon; times are fixed here,
once, so that a retry cannot move them; a finding that comes too late cuts nobody. Identities are reported
and not denied.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from sessionwarden.model.decision import Decision, Withheld
from sessionwarden.model.deny import MAX_BROAD_DENY_SECONDS
from sessionwarden.model.finding import BROAD_SCOPES, Action, Finding
from sessionwarden.model.policy import Policy
from sessionwarden.policy.deployment import Deployment
from sessionwarden.policy.networks import Network, grouped_network
from sessionwarden.policy.protected import is_protected, is_protected_network, lacks_facts

STALE_MS = 6 * 3_600_000
"""Six hours: more than the queue's own retries take, less than a night in the dead-letter queue. A deny
cuts sign-ins up to now; redriven a day later it would end the sessions of a user who has long changed
the password, and a person has seen the dead-letter queue's alarm in between."""
PRINCIPAL_SCOPES = frozenset({"user", "session"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """The policy of one rule set in one deployment."""

    policy: Policy
    deployment: Deployment

    @property
    def hourly_limit(self) -> int:
        """How many decisions of user scope, or harsher than a session deny, may act per hour."""
        return self.policy.enforcements_per_hour

    @property
    def alert_limit(self) -> int:
        """How many alerts one rule may send per hour, apart from those of harsh decisions."""
        return self.policy.alerts_per_hour

    @property
    def broad_limit(self) -> int:
        """How many clients, and how many networks, may be denied per hour."""
        return self.policy.broad_denies_per_hour

    def lacks_facts(self, finding: Finding) -> bool:
        """Whether the user pool must be asked for name and groups before this finding may act."""
        return finding.response.scope in PRINCIPAL_SCOPES and lacks_facts(finding, self.policy.protected)

    def decide(self, finding: Finding, *, now_ms: int) -> Decision:
        """What to do about the finding. `now_ms` is epoch milliseconds.

        `sign_out` and `disable_user` imply `deny`: without it the access tokens in the abuser's hand
        would go on working at every API.
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
        )
        if not _acts(decision):
            return decision
        withheld = self._withheld(finding, now_ms=now_ms)
        if withheld not in ("no_principal", "unknown_pool"):
            decision = self._with_times(decision, finding, now_s=now_ms // 1000)
        return replace(decision, simulated=withheld is not None, withheld=withheld)

    def over_budget(self, decision: Decision, *, session: str | None) -> Decision:
        """What is left of a harsh decision when the hour's budget is spent.

        The deny of the one session that crossed the threshold: whoever empties the budget with
        accounts they can spare must not thereby keep the session that was caught. `session` is the
        finding's; without one, the decision is withheld, as is that of a client or an address: a session
        of theirs is no smaller part of it, but somebody's who happened to come last.
        """
        if not session or decision.scope in BROAD_SCOPES:
            return replace(decision, simulated=True, withheld="budget")
        return replace(
            decision,
            scope="session",
            value=session,
            actions=("deny", "alert"),
            not_before=None,
            deny_until=None,
            session=session,
            reduced="budget",
        )

    def _withheld(self, finding: Finding, *, now_ms: int) -> Withheld | None:
        network = _network(finding)
        if network is None and not _names_principal(finding):
            return "no_principal"
        if network is None and finding.pool not in self.deployment.pools:
            return "unknown_pool"
        if finding.response.scope == "client" and (finding.user or finding.username or finding.session):
            # one user of an application could have it denied to all the others; a machine has none of these
            return "shared_client"
        if is_protected(finding, self.policy.protected) or (
            network is not None and is_protected_network(network, self.policy.protected)
        ):
            return "protected"
        if "observe" in (self.deployment.mode, finding.response.mode):
            return "observe"
        if now_ms - finding.time > STALE_MS:
            return "stale"
        return None

    def _with_times(self, decision: Decision, finding: Finding, *, now_s: int) -> Decision:
        if decision.scope in BROAD_SCOPES:
            return _with_end(decision, finding, now_s=now_s)
        by_user = decision.scope == "user"
        deny_seconds = finding.response.deny_seconds if by_user else None
        lifetime = max(self.deployment.session_lifetime_seconds, deny_seconds or 0)
        return replace(
            decision,
            # a disabled account's other sessions end too, whatever the scope of the rule
            not_before=now_s if by_user or "disable_user" in decision.actions else None,
            deny_until=None if deny_seconds is None else now_s + deny_seconds,
            session=None if by_user else decision.value,
            expires_at=now_s + lifetime,
        )


def _with_end(decision: Decision, finding: Finding, *, now_s: int) -> Decision:
    # published rules always say how long; a finding that does not may deny for no time at all
    until = now_s + min(finding.response.deny_seconds or 0, MAX_BROAD_DENY_SECONDS)
    network = _network(finding)
    value = decision.value if network is None else str(network)
    return replace(decision, value=value, deny_until=until, expires_at=until)


def _acts(decision: Decision) -> bool:
    return "deny" in decision.actions


def _actions(finding: Finding) -> tuple[Action, ...]:
    """Each action once, `deny` first whenever anything is to be enforced.

    Of a client or an address, what only an account can suffer is dropped: the user whose event came last
    from an address is not whom the rule means.
    """
    asked = tuple(dict.fromkeys(finding.response.actions))
    if finding.response.scope in BROAD_SCOPES:
        return tuple(action for action in ("deny", "alert") if action in asked)
    if asked in ((), ("alert",)):
        return asked
    return ("deny", *(action for action in asked if action != "deny"))


def _value(finding: Finding) -> str:
    scope = finding.response.scope
    return finding.key.get(scope) or getattr(finding, scope) or ""


def _names_principal(finding: Finding) -> bool:
    """Whether the scope's value and its user are known, and the key does not contradict the event.

    A user without a pool is nobody: our authorizer always names the pool whose key verified the token,
    so such an identity came from elsewhere, and a sub is only unique within its pool.
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
    """The network that a finding of scope `source_ip` is about; `None` if it is about none."""
    if finding.response.scope != "source_ip":
        return None
    return grouped_network(_value(finding), finding.source_ip)
