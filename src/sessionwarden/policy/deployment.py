"""What decisions depend on besides the finding: how one deployment was set up.

All of it changes with a deployment only. What can change at any moment, the kill switch and what is left of
an hour's limits, is read by `enforcement` right before it acts.
"""

from __future__ import annotations

from dataclasses import dataclass

from sessionwarden.model.finding import Mode
from sessionwarden.model.policy import Policy

DEFAULT_SESSION_LIFETIME_SECONDS = 2_592_000
"""30 days, Cognito's default life of a refresh token. Refresh keeps `auth_time` and `origin_jti`, so a deny
that ended earlier would let the same session back in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The settings that decisions are made by. `pools` are the ids of the user pools that are watched.

    In the mode `observe` every decision is recorded as simulated. `session_lifetime_seconds` is the longest
    time that a session can live through refresh.
    """

    mode: Mode
    pools: tuple[str, ...]
    policy: Policy
    session_lifetime_seconds: int = DEFAULT_SESSION_LIFETIME_SECONDS
