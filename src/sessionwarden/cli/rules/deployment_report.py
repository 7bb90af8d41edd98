"""Shows deployments of published rules, on a line of a terminal or as JSON.

Invariant: a digest is a version's label, which may be any text, so it is made printable.
"""

from __future__ import annotations

from datetime import UTC

from sessionwarden.adapters.aws.appconfig_publishing import Deployment
from sessionwarden.printable import printable

DIGEST_SHOWN = 12
"""Characters: enough to tell sets apart, and what detect's metric carries."""


def described(deployment: Deployment) -> dict[str, object]:
    """A deployment for JSON; times are epoch ms."""
    started = deployment.started_at
    return {
        **deployment._asdict(),
        "started_at": int(started.timestamp() * 1000) if started is not None else None,
    }


def in_words(deployment: Deployment) -> str:
    """A deployment on a line."""
    started = deployment.started_at
    since = f", since {started.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}" if started is not None else ""
    return f"{short(deployment.digest)} (version {deployment.version}{since})"


def short(digest: str) -> str:
    """The beginning of a digest, as operators compare it."""
    return printable(digest, limit=64)[:DIGEST_SHOWN] or "of unknown origin"
