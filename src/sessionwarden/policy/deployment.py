"""What one deployment allows: its mode, its user pools, and how long their sessions can live."""

from __future__ import annotations

from dataclasses import dataclass

from sessionwarden.model.finding import Mode

DEFAULT_SESSION_LIFETIME_SECONDS = 2_592_000
"""30 days, Cognito's default life of a refresh token: refresh keeps `auth_time` and `origin_jti`, so a
deny that ended earlier would let the same session back in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """`pools` are the ids of the user pools whose tokens the authorizer verifies."""

    mode: Mode
    pools: tuple[str, ...]
    session_lifetime_seconds: int = DEFAULT_SESSION_LIFETIME_SECONDS
