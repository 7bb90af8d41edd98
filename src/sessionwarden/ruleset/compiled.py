"""The compiled form of a rule set: what is published, and what a Lambda loads.

Enters: versioned JSON written by the compiler. Leaves: immutable rules (`model.rules`) and the policy beside
them. Invariant: the same rules make the same bytes, so `digest` names a rule set.
"""

from __future__ import annotations

import msgspec

from sessionwarden.model.rules import CompiledRule


class CompiledRuleset(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="format", tag=2
):
    """All rules that a deployment runs on. `digest` is SHA-256 over the canonical JSON of the rest."""

    digest: str
    rules: tuple[CompiledRule, ...]
