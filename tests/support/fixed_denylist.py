"""A denylist that always answers the same, for tests of the authorizer."""

from __future__ import annotations

from sessionwarden.model.deny import DenyEntry


class FixedDenylist:
    """Answers every principal with `known`, or raises `error`; keeps the principals in `asked`."""

    def __init__(self, *known: DenyEntry, error: Exception | None = None) -> None:
        self.known = known
        self.error = error
        self.asked: list[str] = []

    def entries(self, principal: str) -> tuple[DenyEntry, ...]:
        self.asked.append(principal)
        if self.error is not None:
            raise self.error
        return self.known
