"""One request in, one decision out: verify the token, then read the denylist, then answer.

Invariants: the denylist is asked only about a verified token, so a stranger cannot make us read;
whatever fails, fails closed; each request writes one decision line. Failure directions:
docs/explanation/failure-directions-authorizer.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

from functions.authorizer.answer import Outcome, shape_answer, shape_line
from functions.authorizer.request import Request, bearer_token, read_request
from sessionwarden.denylist.principal import principal
from sessionwarden.denylist.verdict import judge
from sessionwarden.errors import DamagedItemError, SettingsError, StoreError, TokenError
from sessionwarden.model.deny import Claims, DenyEntry
from sessionwarden.tokens.jws import claimed_subject

# a token that cannot be judged now is not a bad one: 401 would send every client to refresh at once
_NOT_THE_TOKENS_FAULT = frozenset({"keys_unavailable"})
_MAX_NOTE_LENGTH = 400


class Verifier(Protocol):
    """Verifies tokens; raises `TokenError`."""

    def verify(self, token: str) -> Claims: ...


class DenylistReader(Protocol):
    """Reads all entries of a principal, strongly consistent; raises `StoreError`."""

    def entries(self, principal: str) -> Iterable[DenyEntry]: ...


class Authorizer(NamedTuple):
    """`clock` is epoch seconds. Not for several threads at once: it keeps one connection."""

    verifier: Verifier
    denylist: DenylistReader
    clock: Callable[[], float]
    country_header: str | None = None

    def answer(self, event: object, *, invocation_id: str) -> dict[str, Any]:
        """The answer to API Gateway's `event`. Raises only `Unauthorized`, for a REST API's 401."""
        try:
            request = read_request(event, country_header=self.country_header)
        except Exception as error:  # no event may escape as an exception
            request = Request("unknown", "", (), {})
            note(error)
        outcome = self._decide(request)
        return conclude(request, outcome, invocation_id=invocation_id, now=self.clock())

    def _decide(self, request: Request) -> Outcome:
        if request.answer == "unknown":
            return Outcome(403, "unsupported_event")
        try:
            claims = self._verify(request)
            if isinstance(claims, Outcome):
                return claims
            return self._judge(request, claims)
        except Exception as error:  # an unforeseen mistake must refuse, never pass and never hide
            note(error)
            return Outcome(403, "internal_error")

    def _verify(self, request: Request) -> Claims | Outcome:
        token = ""
        try:
            token = bearer_token(request.authorization)
            return self.verifier.verify(token)
        except TokenError as error:
            status = 403 if error.reason in _NOT_THE_TOKENS_FAULT else 401
            return Outcome(status, error.reason, claimed_user=claimed_subject(token))

    def _judge(self, request: Request, claims: Claims) -> Outcome:
        if not _nameable(request.method_arn):
            return Outcome(403, "unnameable_method", claims)
        try:
            entries = self.denylist.entries(principal(claims.pool, claims.sub))
        except DamagedItemError as error:
            note(error)
            return Outcome(403, "denylist_damaged", claims)
        except StoreError as error:
            note(error)
            return Outcome(403, "denylist_unavailable", claims)
        verdict = judge(entries, claims, now=int(self.clock()))
        return Outcome(200 if verdict.allowed else 403, verdict.reason, claims)


def conclude(request: Request, outcome: Outcome, *, invocation_id: str, now: float) -> dict[str, Any]:
    """Write the decision line and return the answer; raises `Unauthorized` for a REST API's 401."""
    line = shape_line(request, outcome, fallback_id=invocation_id, now_ms=int(now * 1000))
    try:
        # one write: two processes of one log must not interleave a line and its end
        print(f"{line}\n", end="", flush=True)
    except (OSError, ValueError):
        # a broken log must not become a broken API; the answer stands
        note(None)
    return shape_answer(request, outcome)


def note(error: Exception | None) -> None:
    """One line on stderr for operators: what failed and where, bounded, never the event."""
    if error is None:
        text = "the decision line could not be written"
    else:
        frame = error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        place = f"{frame.tb_frame.f_code.co_name}:{frame.tb_lineno}" if frame is not None else ""
        text = f"{type(error).__name__} in {place}"
        if isinstance(error, StoreError | SettingsError):
            text += f": {error}"
    try:
        print(f"sessionwarden authorizer: {text[:_MAX_NOTE_LENGTH]!r}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        return


def _nameable(method_arn: str) -> bool:
    """Whether a policy can name this method and no other.

    The ARN ends in the path as the client wrote it; `*` and `?` there are wildcards to IAM, `${` a
    variable. An Allow for them, kept in a result cache, would open other methods.
    """
    return not any(sign in method_arn for sign in ("*", "?", "${"))
