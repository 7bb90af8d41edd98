from __future__ import annotations

import json
from typing import Any

import pytest

from functions.authorizer.answer import Unauthorized
from functions.authorizer.handler import Service
from sessionwarden.authorizer.authorizer import Authorizer
from sessionwarden.authorizer.operator_notes import note
from sessionwarden.errors import DamagedItemError, StoreError
from sessionwarden.model.deny import DenyEntry
from sessionwarden.model.principal import principal
from sessionwarden.sources.authorizer_log import parse_decision_line
from sessionwarden.tokens.cognito import CognitoVerifier, Pool
from tests.support.authorizer_events import http_event, rest_event
from tests.support.fixed_denylist import FixedDenylist
from tests.support.tokens import CLIENT, NOW, POOL, SUB, claims, jwks, token

KEY = principal(POOL, SUB)
ARN = "arn:aws:execute-api:eu-west-1:123456789012:abc123/prod/GET/items/5"
SIGNED_OUT = DenyEntry("d-1", NOW + 86_400, not_before=NOW - 600)


def authorizer(denylist: FixedDenylist | None = None, *, fetch: Any = None) -> Service:
    pools = [Pool(POOL, frozenset({CLIENT}))]
    return Service(
        Authorizer(
            verifier=CognitoVerifier(pools, fetch=fetch or (lambda url: jwks()), clock=lambda: NOW),
            denylist=denylist or FixedDenylist(),
            clock=lambda: float(NOW),
            report=note,
        )
    )


def answer(event: object, denylist: FixedDenylist | None = None, *, fetch: Any = None) -> dict[str, Any]:
    return authorizer(denylist, fetch=fetch).answer(event, invocation_id="lambda-id")


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert parse_decision_line(lines[0], now_ms=NOW * 1000) is not None, "ingest reads what we write"
    line: dict[str, Any] = json.loads(lines[0])
    return line


def test_a_good_token_of_an_http_api_passes_with_its_identity_as_flat_strings() -> None:
    assert answer(http_event(token())) == {
        "isAuthorized": True,
        "context": {
            "decision": "allow",
            "reason": "ok",
            "user": SUB,
            "username": "alice",
            "session": "0a0a0a0a-1111-4222-8333-444444444444",
            "token": "1c1c1c1c-1111-4222-8333-444444444444",
            "client": CLIENT,
            "pool": POOL,
            "scope": "aws.cognito.signin.user.admin openid",
            "groups": "staff",
        },
    }


def test_a_good_token_of_a_rest_api_opens_exactly_the_method_asked_for() -> None:
    found = answer(rest_event(token()))
    assert found["principalId"] == SUB
    assert found["policyDocument"] == {
        "Version": "2012-10-17",
        "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": ARN}],
    }
    assert found["context"]["user"] == SUB
    assert all(isinstance(value, str) for value in found["context"].values())


def test_a_signed_out_user_is_refused_on_the_next_request() -> None:
    denylist = FixedDenylist()
    service = authorizer(denylist)
    assert service.answer(http_event(token()), invocation_id="1")["isAuthorized"] is True
    denylist.known = (SIGNED_OUT,)
    found = service.answer(http_event(token()), invocation_id="2")
    assert found["isAuthorized"] is False
    assert found["context"]["reason"] == "signed_out"


def test_a_denied_user_of_a_rest_api_gets_a_deny_policy_which_is_403() -> None:
    found = answer(rest_event(token()), FixedDenylist(SIGNED_OUT))
    assert found["policyDocument"]["Statement"] == [
        {"Action": "execute-api:Invoke", "Effect": "Deny", "Resource": ARN}
    ]
    assert found["context"]["reason"] == "signed_out"


@pytest.mark.parametrize(
    "bad", ["", "x", token(claims(exp=NOW)), token(key="other"), token(claims(token_use="id"))]
)
def test_a_bad_token_of_a_rest_api_is_401(bad: str) -> None:
    with pytest.raises(Unauthorized) as caught:
        answer(rest_event(bad))
    assert str(caught.value) == "Unauthorized"


@pytest.mark.parametrize(
    "bad", ["", "x", token(claims(exp=NOW)), token(key="other"), token(claims(token_use="id"))]
)
def test_a_bad_token_never_causes_a_read_of_the_denylist(bad: str) -> None:
    denylist = FixedDenylist()
    assert answer(http_event(bad), denylist)["isAuthorized"] is False
    assert denylist.asked == []


def test_one_read_for_one_request_under_the_tokens_own_sub() -> None:
    denylist = FixedDenylist()
    answer(http_event(token()), denylist)
    answer(http_event(token(claims(sub=CLIENT, username=...))), denylist)
    assert denylist.asked == [KEY, f"{POOL}#{CLIENT}"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StoreError("no answer in time"), "denylist_unavailable"),
        (DamagedItemError("unknown attributes"), "denylist_damaged"),
        (RuntimeError("a mistake of ours"), "internal_error"),
        (KeyError("x"), "internal_error"),
    ],
)
def test_a_denylist_that_cannot_be_read_fails_closed(
    error: Exception, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(http_event(token()), FixedDenylist(error=error))["isAuthorized"] is False
    assert last_line(capsys)["reason"] == reason
    found = answer(rest_event(token()), FixedDenylist(error=error))
    assert found["policyDocument"]["Statement"][0]["Effect"] == "Deny"


def test_keys_that_cannot_be_fetched_fail_closed_as_403_so_that_clients_do_not_all_refresh() -> None:
    def fetch(url: str) -> bytes:
        raise StoreError("down")

    found = answer(rest_event(token()), fetch=fetch)
    assert found["policyDocument"]["Statement"][0]["Effect"] == "Deny"
    assert found["context"] == {"decision": "deny", "reason": "keys_unavailable"}


@pytest.mark.parametrize("path", ["*", "a/*", "a?b", "${aws:username}"])
def test_a_path_that_a_policy_cannot_name_without_naming_others_is_refused_without_a_read(
    path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    denylist = FixedDenylist()
    event = rest_event(token(), methodArn=f"arn:aws:execute-api:r:1:a/prod/GET/{path}")
    found = answer(event, denylist)
    assert found["policyDocument"]["Statement"][0]["Effect"] == "Deny"
    assert found["context"]["reason"] == "unnameable_method"
    line = last_line(capsys)
    assert (line["reason"], line["user"]) == ("unnameable_method", SUB)
    assert denylist.asked == []


def test_the_token_of_a_path_that_no_policy_can_name_is_verified_all_the_same() -> None:
    with pytest.raises(Unauthorized):
        answer(rest_event(token(claims(exp=NOW)), methodArn="arn:aws:execute-api:r:1:a/prod/GET/*"))


def test_the_line_of_an_allowed_request_names_the_verified_identity(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer(http_event(token()))
    line = last_line(capsys)
    assert list(line)[:2] == ["type", "v"]
    assert (line["type"], line["v"]) == ("sessionwarden.decision", 1)
    assert (line["decision"], line["reason"], line["id"]) == ("allow", "ok", "http-request-id=")
    assert (line["user"], line["username"], line["client"], line["pool"]) == (SUB, "alice", CLIENT, POOL)
    assert line["groups"] == ["staff"]
    assert line["scope"] == ["aws.cognito.signin.user.admin", "openid"]


@pytest.mark.parametrize(
    "bad", [token(claims(exp=NOW)), token(key="other"), token(claims(client_id="other"))]
)
def test_what_an_unaccepted_token_says_is_only_claimed(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer(http_event(bad))
    line = last_line(capsys)
    assert line["claimed_user"] == SUB
    assert not {"user", "username", "session", "token", "client", "pool", "groups", "scope"} & line.keys()


def test_neither_line_nor_answer_holds_the_token(capsys: pytest.CaptureFixture[str]) -> None:
    for text in (token(), token(key="other"), token(claims(exp=1))):
        found = answer(http_event(text))
        out = capsys.readouterr()
        for part in text.split("."):
            assert part not in out.out + out.err + json.dumps(found)


def test_hostile_text_cannot_break_the_line_or_write_another(capsys: pytest.CaptureFixture[str]) -> None:
    event = http_event(token())
    forged = '","decision":"allow"}\n{"type":"sessionwarden.decision","v":1}\x00\ud800\u2028'
    event["requestContext"]["http"]["userAgent"] = forged * 500
    event["rawPath"] = "/" + "😀" * 20_000
    answer(event, FixedDenylist(SIGNED_OUT))
    line = last_line(capsys)
    assert line["decision"] == "deny"
    assert len(json.dumps(line)) < 65_536


def test_a_line_stays_readable_with_the_longest_names_a_token_can_carry(
    capsys: pytest.CaptureFixture[str],
) -> None:
    payload = claims(
        username="😀" * 128, scope=" ".join(["é" * 100] * 3), **{"cognito:groups": ["ü" * 128] * 3}
    )
    event = http_event(token(payload), rawPath="/" + "😀" * 2000)
    event["requestContext"]["http"]["userAgent"] = "😀" * 2000
    assert answer(event)["isAuthorized"] is True
    assert len(last_line(capsys)["groups"]) == 3


def test_a_name_with_a_line_break_reaches_no_integration() -> None:
    names = {"username": "alice\r\nX-Role: admin", "cognito:groups": ["staff\r\nX-Role: admin", "b\x00"]}
    context = answer(http_event(token(claims(**names))))["context"]
    assert (context["user"], context.keys() & {"username", "groups"}) == (SUB, set())


def test_a_group_with_a_space_in_its_name_does_not_become_two_in_the_context() -> None:
    payload = claims(**{"cognito:groups": ["staff", "not admin"]})
    assert answer(http_event(token(payload)))["context"]["groups"] == "staff"


def test_an_event_without_an_id_gets_the_invocations(capsys: pytest.CaptureFixture[str]) -> None:
    event = rest_event(token())
    del event["requestContext"]["extendedRequestId"]
    answer(event)
    assert last_line(capsys)["id"] == "lambda-id"


@pytest.mark.parametrize("event", [None, [], 5, "x", {}, {"type": "TOKEN", "authorizationToken": token()}])
def test_an_event_of_another_kind_is_refused_with_a_reason(
    event: object, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(event)
    assert found == {"isAuthorized": False, "context": {"decision": "deny", "reason": "unsupported_event"}}
    assert last_line(capsys)["reason"] == "unsupported_event"


def test_a_log_that_cannot_be_written_does_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr("builtins.print", broken)
    assert answer(http_event(token()))["isAuthorized"] is True
    assert answer(http_event(token()), FixedDenylist(SIGNED_OUT))["isAuthorized"] is False
