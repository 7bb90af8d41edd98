"""Any event at all is refused with a reason, or is a request with a token that we made."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.authorizer.answer import Unauthorized
from functions.authorizer.handler import Service
from sessionwarden.authorizer.authorizer import Authorizer
from sessionwarden.authorizer.operator_notes import note
from sessionwarden.model.deny import DenyEntry
from sessionwarden.sources.authorizer_log import parse_decision_line
from sessionwarden.tokens.cognito import CognitoVerifier, Pool
from tests.support.authorizer_events import (
    appsync_event,
    http_1_event,
    http_event,
    rest_event,
    token_event,
    websocket_event,
)
from tests.support.tokens import NOW, POOL, claims, jwks, token

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
API_KINDS = (http_event, http_1_event, rest_event, token_event, websocket_event, appsync_event)
names = st.sampled_from(sorted({name for make_event in API_KINDS for name in make_event()}))


class Unreadable:
    """A denylist that nobody may ask for an unverified token."""

    def entries(self, principal: str) -> tuple[DenyEntry, ...]:
        raise AssertionError("the denylist was read")


SERVICE = Service(
    Authorizer(
        verifier=CognitoVerifier([Pool(POOL, None)], fetch=lambda url: jwks(), clock=lambda: NOW),
        denylist=Unreadable(),
        clock=lambda: float(NOW),
        report=note,
    )
)


def refused(event: object, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    try:
        found: dict[str, Any] = SERVICE.answer(event, invocation_id="i")
    except Unauthorized:
        found = {"isAuthorized": False}
    if "policyDocument" in found:
        assert found["policyDocument"]["Statement"][0]["Effect"] == "Deny"
    else:
        assert found["isAuthorized"] is False
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    line = json.loads(out)
    assert line["decision"] == "deny"
    assert line["reason"]
    assert line["reason"] != "internal_error"
    assert "user" not in line


lenient = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@lenient
@given(event=values)
def test_any_json_value_is_refused(event: object, capsys: pytest.CaptureFixture[str]) -> None:
    refused(event, capsys)


@lenient
@given(base=st.sampled_from(API_KINDS), name=names, value=values)
def test_an_event_with_any_part_replaced_is_refused(
    base: Any, name: str, value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(base(token(claims(exp=NOW)), **{name: value}), capsys)


@lenient
@given(
    base=st.sampled_from([http_event, rest_event]),
    header=values | st.text() | st.lists(st.text(), max_size=3),
)
def test_any_authorization_header_is_refused(
    base: Any, header: object, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(base(headers={"Authorization": header}, multiValueHeaders={"Authorization": header}), capsys)


@lenient
@given(text=st.text(max_size=400))
def test_any_text_in_the_untrusted_fields_leaves_a_line_that_ingest_reads(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    event = http_event("x", rawPath=text)
    event["requestContext"]["http"]["userAgent"] = text
    event["requestContext"]["domainName"] = text
    capsys.readouterr()
    SERVICE.answer(event, invocation_id="i")
    assert parse_decision_line(capsys.readouterr().out.rstrip("\n"), now_ms=NOW * 1000) is not None
