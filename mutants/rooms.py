"""Which tests answer for which folder of `src/sessionwarden`: the ones beside it first, being the fastest."""

from __future__ import annotations

ROOMS: dict[str, tuple[str, ...]] = {
    "tokens": ("unit/tokens", "property/test_tokens_agreement.py"),
    "denylist": ("unit/denylist", "property/test_denylist.py", "property/test_broad_denies.py"),
    "authorizer": (
        "unit/authorizer",
        "unit/functions/test_authorizer_answers.py",
        "unit/functions/test_authorizer_api_kinds.py",
        "unit/functions/test_authorizer_events.py",
        "property/test_authorizer.py",
    ),
    "routes": (
        "unit/routes",
        "unit/cli/test_routes.py",
        "unit/functions/test_authorizer_api_kinds.py",
        "property/test_route_readings.py",
    ),
    "policy": (
        "unit/policy",
        "unit/enforcement",
        "unit/functions/test_enforce_handler.py",
        "unit/cli/test_decisions.py",
        "property/test_enforcement.py",
    ),
    "detection/windows": ("unit/detection", "property/test_replayer.py"),
    "detection/storage": ("unit/detection", "property/test_replayer.py"),
    "enforcement": (
        "unit/enforcement",
        "unit/functions/test_enforce_handler.py",
        "unit/cli/test_decisions.py",
        "property/test_enforcement.py",
    ),
}
"""Tests by folder, under `tests`. Ten thousand histories of detection would take an hour here."""
