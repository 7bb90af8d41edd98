"""The shipped rules that benchmarks run, by their files below `rules/`."""

from __future__ import annotations

FIVE = (
    "abuse/request-rate-per-user",
    "credentials/unauthorized-per-address",
    "reconnaissance/probing-paths",
    "sessions/refused-token-keeps-coming",
    "sessions/session-from-many-addresses",
)
TEN = (
    "abuse/request-rate-per-user",
    "abuse/slow-requests-per-user",
    "credentials/unauthorized-per-address",
    "exfiltration/response-bytes-per-user",
    "reconnaissance/probing-paths",
    "reconnaissance/routes-walked-per-user",
    "sessions/many-users-from-one-address",
    "sessions/session-from-many-addresses",
    "sessions/session-from-many-user-agents",
    "sessions/user-from-many-addresses",
)
