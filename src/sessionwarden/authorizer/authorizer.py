"""Makes the authorizer's decision: verify the token, check the route, read the denylist, maybe ask Cognito.

Invariants: the denylist is read only for a verified token, so an unauthenticated client cannot cause reads;
every failure refuses unless the route says otherwise; no input raises an exception.
Failure directions: docs/explanation/failure-directions.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from sessionwarden.authorizer.decision import Decision
from sessionwarden.authorizer.request import Request, bearer_token
from sessionwarden.denylist.broad import NOTHING_BROAD, BroadDenies
from sessionwarden.denylist.verdict import judge
from sessionwarden.errors import DamagedItemError, StoreError, TokenError
from sessionwarden.model.deny import Claims, DenyEntry, Verdict
from sessionwarden.model.principal import principal
from sessionwarden.routes.match import NO_ROUTES, Routes
from sessionwarden.routes.policy import INSUFFICIENT_SCOPE, RoutePolicy
from sessionwarden.tokens.jws import claimed_subject

PREFLIGHT = "preflight"
UNAVAILABLE = "denylist_unavailable"
DAMAGED = "denylist_damaged"
REVOKED_ONLINE = "revoked_online"
ONLINE_UNAVAILABLE = "online_unavailable"
UNNAMEABLE = "unnameable_method"

# The scope without which GetUser accepts no token.
# https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_GetUser.html
ONLINE_SCOPE = "aws.cognito.signin.user.admin"

# When keys are unavailable the token may still be good: a 401 would make every client refresh at once.
_NOT_THE_TOKENS_FAULT = frozenset({"keys_unavailable"})


class Verifier(Protocol):
    """Verifies tokens whose `token_use` is one of `uses`; raises `TokenError`."""

    def verify(self, token: str, *, uses: frozenset[str]) -> Claims: ...


class DenylistReader(Protocol):
    """Reads all entries of a principal, strongly consistent; raises `StoreError`."""

    def entries(self, principal: str) -> Iterable[DenyEntry]: ...


class OnlineCheck(Protocol):
    """Asks Cognito whether a token is still accepted; raises `StoreError`.

    An answer may be reused for `max_age_seconds`.
    """

    def confirms(self, claims: Claims, token: str, *, max_age_seconds: int) -> bool: ...


def _nothing_broad() -> BroadDenies:
    return NOTHING_BROAD


class Authorizer(NamedTuple):
    """Decides on requests. `clock` is epoch seconds; `report` receives errors that operators must repair.

    `broad` returns the denied clients and networks, a few seconds old at most; it raises `StoreError`.
    Safe for threads if its parts are, as those of `assemble` are.
    """

    verifier: Verifier
    denylist: DenylistReader
    clock: Callable[[], float]
    report: Callable[[Exception], None]
    routes: Routes = NO_ROUTES
    online: OnlineCheck | None = None
    broad: Callable[[], BroadDenies] = _nothing_broad

    def decide(self, authorization: str | tuple[str, ...] | None, request: Request) -> Decision:
        """Whether `request` may pass with the Authorization header's value or values; never raises.

        Costs one round trip to the denylist for a verified token that satisfies its route, otherwise none.
        """
        try:
            return self._decide(authorization, request)
        except Exception as error:  # an unforeseen error must refuse the request, and be reported
            self.report(error)
            return Decision(403, "internal_error")

    def _decide(self, authorization: str | tuple[str, ...] | None, request: Request) -> Decision:
        policy = self.routes.policy(request.asked)
        if request.preflight and policy.preflight_open:
            return Decision(200, PREFLIGHT) if request.nameable else Decision(403, UNNAMEABLE)
        token = ""
        try:
            token = bearer_token(authorization)
            claims = self.verifier.verify(token, uses=policy.uses)
        except TokenError as error:
            status = 403 if error.reason in _NOT_THE_TOKENS_FAULT else 401
            return Decision(status, error.reason, claimed_user=claimed_subject(token))
        refused = policy.refusal(claims)
        if refused is not None:
            return Decision(403, refused, claims)
        if not request.nameable:
            return Decision(403, UNNAMEABLE, claims)
        verdict = self._read(claims, policy, request)
        unread = verdict.reason == UNAVAILABLE
        if verdict.allowed and policy.online_seconds is not None:
            verdict = self._ask_cognito(claims, token, policy, verdict)
        if not verdict.allowed:
            return Decision(403, verdict.reason, claims)
        denied = self._denied_fields(claims, unread=unread) if request.graphql else ()
        return Decision(200, verdict.reason, claims, denied_fields=denied)

    def _read(self, claims: Claims, policy: RoutePolicy, request: Request) -> Verdict:
        try:
            now = int(self.clock())
            verdict = judge(self.denylist.entries(principal(claims.pool, claims.sub)), claims, now=now)
            if not verdict.allowed:
                return verdict
            return self.broad().refusal(claims, request.fields.get("source_ip"), now=now) or verdict
        except DamagedItemError as error:
            # the item is a deny whose details cannot be read, so it refuses whatever the route says
            self.report(error)
            return Verdict(False, DAMAGED)
        except StoreError as error:
            self.report(error)
            return Verdict(policy.denylist_open, UNAVAILABLE)

    def _ask_cognito(self, claims: Claims, token: str, policy: RoutePolicy, so_far: Verdict) -> Verdict:
        if ONLINE_SCOPE not in claims.scope:
            # Cognito always refuses such a token, and each call would cost quota
            return Verdict(False, INSUFFICIENT_SCOPE)
        try:
            if self.online is None:
                raise StoreError("no online check is configured")
            confirmed = self.online.confirms(claims, token, max_age_seconds=policy.online_seconds or 0)
        except StoreError as error:
            self.report(error)
            return Verdict(policy.online_open, ONLINE_UNAVAILABLE)
        return so_far if confirmed else Verdict(False, REVOKED_ONLINE)

    def _denied_fields(self, claims: Claims, *, unread: bool) -> tuple[str, ...]:
        return tuple(
            sorted(
                name
                for name, policy in self.routes.fields.items()
                if policy.refusal(claims) is not None or (unread and not policy.denylist_open)
            )
        )
