"""Checks the options of `decisions add` and makes the decision that they ask for.

Invariants: exactly one of a user, an app client and a network is meant; a client and a network are denied for
a day at most; a pool is one that the deployment watches. Nothing is read or written here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import click
from pydantic_core import PydanticCustomError

from sessionwarden.documents.durations import UNIT_SECONDS, parse_duration
from sessionwarden.model.decision import Decision
from sessionwarden.model.deny import MAX_BROAD_DENY_SECONDS
from sessionwarden.policy.networks import operators_network
from sessionwarden.policy.operator_decisions import (
    BroadOrder,
    UserOrder,
    decide_broad_order,
    decide_user_order,
)

MAX_SECONDS = 3650 * UNIT_SECONDS["d"]


class Signature(NamedTuple):
    """The id of an operator's decision, the operator, and the time of the order (epoch ms)."""

    decision_id: str
    by: str
    now_ms: int


class AddOptions(NamedTuple):
    """The options of `decisions add`, by name."""

    user: str | None
    app_client: str | None
    source_ip: str | None
    pool: str | None
    session: str | None
    deny_seconds: int | None
    reason: str
    sign_out: bool

    @property
    def broad(self) -> bool:
        """Whether a client or a network is meant."""
        return self.user is None

    def check(self) -> None:
        """Raises `click.UsageError` for options that contradict each other or are missing."""
        if len([one for one in (self.user, self.app_client, self.source_ip) if one is not None]) != 1:
            raise click.UsageError("exactly one of --user, --client and --source-ip is needed.")
        self._check_no_empty()
        if self.broad:
            self._check_broad()
        elif self.session is not None and self.deny_seconds is not None:
            raise click.UsageError(
                "--duration is for a whole user: a denied session stays denied for its whole life."
            )

    def decide(
        self, signature: Signature, *, pools: Sequence[str], session_lifetime_seconds: int
    ) -> Decision:
        """The decision; raises `click.UsageError` if the pool is unclear or not in `pools`."""
        if self.user is None:
            order = BroadOrder(
                scope="source_ip" if self.app_client is None else "client",
                value=self.app_client or self.source_ip or "",
                deny_seconds=self.deny_seconds or 0,
                reason=self.reason,
                by=signature.by,
                pool=None if self.app_client is None else self._chosen(pools),
            )
            return decide_broad_order(order, decision_id=signature.decision_id, now_ms=signature.now_ms)
        return decide_user_order(
            UserOrder(
                pool=self._chosen(pools),
                user=self.user,
                reason=self.reason,
                by=signature.by,
                sign_out=self.sign_out,
                session=self.session,
                deny_seconds=self.deny_seconds,
            ),
            decision_id=signature.decision_id,
            now_ms=signature.now_ms,
            session_lifetime_seconds=session_lifetime_seconds,
        )

    def _check_no_empty(self) -> None:
        given = {"--user": self.user, "--session": self.session, "--reason": self.reason}
        for name, value in given.items():
            if value is not None and not value.strip():
                raise click.UsageError(f"{name} must not be empty.")

    def _check_broad(self) -> None:
        if self.session is not None or self.sign_out:
            raise click.UsageError("--session and --sign-out are for a user.")
        if self.source_ip is not None and self.pool is not None:
            raise click.UsageError("--pool is for a user or a client: a network is denied at every API.")
        hours = MAX_BROAD_DENY_SECONDS // UNIT_SECONDS["h"]
        if self.deny_seconds is None or self.deny_seconds > MAX_BROAD_DENY_SECONDS:
            raise click.UsageError(f"a client or a network needs a --duration of at most {hours}h.")

    def _chosen(self, pools: Sequence[str]) -> str:
        watched = ", ".join(pools) or "none"
        if self.pool is None and len(pools) != 1:
            raise click.UsageError(f"--pool is needed; watched are: {watched}.")
        if self.pool is not None and self.pool not in pools:
            raise click.UsageError(f"user pool {self.pool!r} is not watched; watched are: {watched}.")
        return self.pool or pools[0]


def duration(text: str) -> int:
    """`90s`, `30m`, `1h` or `7d`, as seconds."""
    try:
        return parse_duration(text, max_seconds=MAX_SECONDS)
    except PydanticCustomError as error:
        raise click.BadParameter(f"{error}; write it like 90s, 30m, 1h or 7d.") from error


def client_id(text: str) -> str:
    """An app client's id; its name, which the console shows first, would deny no client.

    https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UserPoolClientType.html
    """
    if not re.fullmatch(r"[\w+]{1,128}", text, re.ASCII):
        raise click.BadParameter(f"{text!r} is not the id of an app client (letters and digits).")
    return text


def network(text: str) -> str:
    """An address or a CIDR block, as the block to deny; an IPv6 address as its /64."""
    try:
        return str(operators_network(text))
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None
