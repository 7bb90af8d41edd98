"""Loads a compiled rule set and checks it: all of `ruleset` that a Lambda needs besides predicates.

Invariant: what is loaded is what was compiled. The format version, every type, the digest and the rules that
safety rests on (`validation`) are checked again, for the bytes came through a store and a network. Not
checked here: expressions, which `predicates.compile_expression` checks when the engine builds its functions.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from sessionwarden.errors import RulesetError
from sessionwarden.model.rules import CompiledRule
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.validation import refuse_unsafe


class RulesetWithPolicy(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="format", tag=1
):
    """A rule set of format 1, from before the policy had a file of its own.

    Such sets stay published until the next `rules publish`, and `rules rollback` can bring them back. Their
    policy has no effect: what holds is the one that was deployed with the code.
    """

    digest: str
    rules: tuple[CompiledRule, ...]
    policy: dict[str, Any]


_decoder = msgspec.json.Decoder(CompiledRuleset | RulesetWithPolicy, strict=True)


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no white space: equal values give equal bytes."""
    return msgspec.json.encode(value, order="sorted")


def digest_of(ruleset: CompiledRuleset | RulesetWithPolicy) -> str:
    """SHA-256, in hex, over the canonical JSON of the rule set without its digest."""
    content = msgspec.to_builtins(ruleset)
    del content["digest"]
    return hashlib.sha256(canonical_json(content)).hexdigest()


def load_ruleset(data: bytes) -> CompiledRuleset:
    """The rule set that `compile.dump_ruleset` wrote, or one of format 1, which keeps its digest.

    Raises `RulesetError` if the bytes are not a rule set of a known format, are damaged, or hold a rule
    that the engine must not run.
    """
    try:
        stored = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RulesetError(f"not a compiled rule set of format 1 or 2: {error}") from error
    if stored.digest != digest_of(stored):
        raise RulesetError("the rule set's digest does not match its content")
    ruleset = CompiledRuleset(digest=stored.digest, rules=stored.rules)
    refuse_unsafe(ruleset)
    return ruleset
