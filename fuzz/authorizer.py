"""Fuzzes the authorizer: arbitrary bytes as event, token or header must be refused, each with a reason.

    make fuzz            a minute; a longer run: make fuzz FUZZ_SECONDS=3600

libFuzzer makes the bytes, guided by coverage; the first byte chooses how the rest is used. A failure leaves a
file `crash-...`: add it to `fuzz/corpus`, from which each run starts.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from typing import Any

import atheris

with atheris.instrument_imports(include=["functions", "sessionwarden"]):
    from functions.authorizer.answer import Unauthorized
    from functions.authorizer.handler import Service
    from sessionwarden.authorizer.authorizer import Authorizer
    from sessionwarden.model.deny import DenyEntry
    from sessionwarden.tokens.cognito import CognitoVerifier, Pool
    from sessionwarden.tokens.verified import VerifiedTokens

from tests.support.authorizer_events import (
    appsync_event,
    http_1_event,
    http_event,
    rest_event,
    token_event,
    websocket_event,
)
from tests.support.tokens import NOW, POOL, claims, jwks, sign

API_KINDS = (http_event, http_1_event, rest_event, token_event, websocket_event, appsync_event)
HEADER = b'{"kid":"key-1=","alg":"RS256"}'


class Unreadable:
    """A denylist that must never be read, since no token here is both signed and valid."""

    def entries(self, principal: str) -> tuple[DenyEntry, ...]:
        raise AssertionError("the denylist was read")


SERVICE = Service(
    Authorizer(
        verifier=CognitoVerifier(
            [Pool(POOL, None)], fetch=lambda url: jwks(), clock=lambda: NOW, cache=VerifiedTokens()
        ),
        denylist=Unreadable(),
        clock=lambda: float(NOW),
        report=lambda error: None,
    )
)


def event_of(data: bytes) -> Any:
    """The event that the bytes stand for: raw, with a made-up token, or with a really signed payload."""
    choice, rest = data[:1], data[1:]
    number = choice[0] if choice else 0
    make_event = API_KINDS[number % len(API_KINDS)]
    kind = number // len(API_KINDS) % 3
    if kind == 0:
        try:
            return json.loads(rest)
        except (ValueError, RecursionError):
            return rest.decode("utf-8", "replace")
    if kind == 1:
        return make_event(rest.decode("utf-8", "surrogateescape"))
    # an expired token with the fuzzer's text inside, signed so that every claim is read
    return make_event(sign(HEADER, json.dumps(claims(exp=NOW)).encode()[:-1] + b"," + rest + b"}"))


def test_one(data: bytes) -> None:
    """Check that the event is refused, with one decision line and no internal error."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            answer = SERVICE.answer(event_of(data), invocation_id="fuzz")
        except Unauthorized:
            answer = {"isAuthorized": False}
    statement = answer.get("policyDocument", {}).get("Statement", [{"Effect": "Deny"}])
    assert statement[0]["Effect"] == "Deny"
    assert not answer.get("isAuthorized")
    line = json.loads(out.getvalue())
    assert line["decision"] == "deny"
    assert line["reason"] != "internal_error"


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one)
    atheris.Fuzz()
