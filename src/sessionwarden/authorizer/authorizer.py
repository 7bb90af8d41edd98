"""One token and one request in, one decision out: verify, ask the route, the denylist, maybe Cognito.

Invariants: the denylist is asked only about a verified token, so a stranger cannot make us read;
whatever fails, fails closed unless the route says otherwise; no input escapes as an exception.
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

# GetUser takes no token without it
# https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_GetUser.html
ONLINE_SCOPE = "aws.cognito.signin.user.admin"

# a token that cannot be judged now is not a bad one: 401 would send every client to refresh at once
_NOT_THE_TOKENS_FAULT = frozenset({"keys_unavailable"})


class Verifier(Protocol):
    """Verifies tokens of the uses named; raises `TokenError`."""

    def verify(self, token: str, *, uses: frozenset[str]) -> Claims: ...


class DenylistReader(Protocol):
    """Reads all entries of a principal, strongly consistent; raises `StoreError`."""

    def entries(self, principal: str) -> Iterable[DenyEntry]: ...


class OnlineCheck(Protocol):
    """Asks Cognito whether it still takes a token, `max_age_seconds` ago at most; raises `StoreError`."""

    def confirms(self, claims: Claims, token: str, *, max_age_seconds: int) -> bool: ...


def _nothing_broad() -> BroadDenies:
    return NOTHING_BROAD


class Authorizer(NamedTuple):
    """`clock` is epoch seconds; `report` hears what operators must repair.

    `broad` gives the denied clients and networks, a few seconds old at most; raises `StoreError`.

    As safe for threads as its parts: the denylist's reader keeps one connection.
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

        One round trip to the denylist for a verified token that satisfies its route, else none.
        """
        try:
            return self._decide(authorization, request)
        except Exception as error:  # an unforeseen mistake must refuse, never pass and never hide
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
            # somebody was denied, and only how cannot be read: never open
            self.report(error)
            return Verdict(False, DAMAGED)
        except StoreError as error:
            self.report(error)
            return Verdict(policy.denylist_open, UNAVAILABLE)

    def _ask_cognito(self, claims: Claims, token: str, policy: RoutePolicy, so_far: Verdict) -> Verdict:
        if ONLINE_SCOPE not in claims.scope:
            # Cognito would say no to it for ever, and each question would cost quota
            return Verdict(False, INSUFFICIENT_SCOPE)
        try:
            if self.online is None:
                raise StoreError("there is nobody to ask Cognito")
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
