"""Stops and resumes enforcement, and tells what it was kept from meanwhile."""

from __future__ import annotations

from typing import NamedTuple

from sessionwarden.model.decision import Enforcement
from sessionwarden.operations.deployment import Deployed

MOST_WITHHELD = 1_000
"""Decisions that are looked through for those that were withheld."""


class Resumed(NamedTuple):
    """Since when enforcement had been stopped (epoch ms), and the decisions withheld for it, newest first."""

    since_ms: int
    withheld: tuple[Enforcement, ...]


def resume(deployed: Deployed) -> Resumed | None:
    """Let enforcement run again; `None` if it had not been stopped. Raises `StoreError`."""
    stop = deployed.control.switch()
    deployed.control.resume()
    if stop is None:
        return None
    found = deployed.decisions.list(since_ms=stop.at_ms, limit=MOST_WITHHELD)
    return Resumed(stop.at_ms, tuple(known for known in found if known.decision.withheld == "stopped"))
