"""No attack is allowed, and the docs count them as they are."""

from __future__ import annotations

from typing import Any

import pytest

from functions.authorizer.events import EventOptions
from tests.support.attacks.cases import ASKING, GUARDED, LAX, PREFLIGHTS, Attack, attacks, decide, table
from tests.support.attacks.events import ARN, PREFLIGHT, options_event
from tests.support.attacks.tokens import GOOD
from tests.support.authorizer_events import (
    appsync_event,
    http_1_event,
    http_event,
    rest_event,
    token_event,
    websocket_event,
)
from tests.support.paths import PROJECT
from tests.support.tokens import NOW, claims, token

DOC = PROJECT / "docs/explanation/attack-cases.md"


def test_every_attack_is_refused_with_a_reason_that_is_ours() -> None:
    for name, cases in attacks():
        for number, case in enumerate(cases):
            decision = decide(case)
            assert decision.status in (401, 403), (name, number)
            # a mistake of ours refuses too, but nobody should need it: except where one is injected
            assert decision.reason != "internal_error" or isinstance(case.entries, Exception), (name, number)


RIGHT = token(claims(scope="x orders", **{"cognito:groups": ["staff", "admin"]}))
PARAMETER: dict[str, Any] = {
    "headers": {},
    "multiValueHeaders": {},
    "multiValueQueryStringParameters": {"t": [GOOD]},
}


@pytest.mark.parametrize(
    "honest",
    [
        *(Attack(make_event(GOOD)) for make_event in (http_event, http_1_event, rest_event, token_event)),
        Attack(websocket_event(**PARAMETER), options=EventOptions(token_parameter="t")),
        Attack(appsync_event(GOOD)),
        Attack(http_event(RIGHT), routes=ASKING),
        Attack(http_event(token(claims(nbf=NOW)))),
        Attack(http_event(RIGHT, routeKey="$default", rawPath="/admin"), routes=GUARDED),
        Attack(http_event(GOOD, routeKey="$default", rawPath="/else"), routes=GUARDED),
        Attack(token_event(GOOD, methodArn=f"{ARN}open"), routes=LAX),
        Attack(options_event(PREFLIGHT, method="OPTIONS"), routes=PREFLIGHTS),
    ],
)
def test_the_same_requests_without_the_lie_are_allowed(honest: Attack) -> None:
    assert decide(honest).status == 200


def test_the_docs_show_this_table() -> None:
    assert table() in DOC.read_text(encoding="utf-8"), "run python -m tests.support.attacks.cases"
