"""Which fields of a GraphQL API an allowed request may not read."""

from __future__ import annotations

import pytest

from sessionwarden.authorizer.authorizer import Authorizer
from sessionwarden.authorizer.request import Request
from sessionwarden.errors import StoreError
from sessionwarden.model.deny import Claims
from sessionwarden.routes.match import Routes
from sessionwarden.routes.policy import RoutePolicy
from tests.support.fixed_denylist import FixedDenylist
from tests.support.tokens import CLIENT, NOW, POOL, SUB

OPEN = RoutePolicy(denylist_open=True)


class Believing:
    def verify(self, token: str, *, uses: frozenset[str]) -> Claims:
        return Claims(POOL, "access", SUB, CLIENT, SUB, "alice", None, None, NOW, NOW, NOW + 60)


@pytest.mark.parametrize(("error", "denied"), [(None, ()), (StoreError("down"), ("Query.salaries",))])
def test_while_the_denylist_cannot_be_read_only_fields_that_fail_open_are_served(
    error: Exception | None, denied: tuple[str, ...]
) -> None:
    authorizer = Authorizer(
        verifier=Believing(),
        denylist=FixedDenylist(error=error),
        clock=lambda: float(NOW),
        report=lambda found: None,
        routes=Routes(OPEN, fields={"Query.news": OPEN, "Query.salaries": RoutePolicy()}),
    )
    found = authorizer.decide("Bearer x", Request(graphql=True))
    assert (found.status, found.denied_fields) == (200, denied)
