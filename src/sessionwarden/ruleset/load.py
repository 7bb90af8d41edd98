"""Compiled bytes in, a checked rule set out: all of `ruleset` that a Lambda needs besides predicates.

Invariant: what is loaded is what was compiled. The format version, every type, the digest and the
rules that safety rests on (`validation`) are checked again, for the bytes came through a store and a
network. Leaves out: expressions, which `predicates.compile_expression` checks when the engine builds
its functions.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from sessionwarden.errors import RulesetError
from sessionwarden.ruleset.compiled import CompiledRuleset, Policy
from sessionwarden.ruleset.validation import refuse_unsafe

FORMAT: Final = 1

_decoder = msgspec.json.Decoder(CompiledRuleset, strict=True)


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no white space: equal values give equal bytes."""
    return msgspec.json.encode(value, order="sorted")


def digest_of(ruleset: CompiledRuleset) -> str:
    """SHA-256, in hex, over the canonical JSON of the rule set without its digest."""
    content = msgspec.to_builtins(ruleset)
    del content["digest"]
    return hashlib.sha256(canonical_json(content)).hexdigest()


def policy_digest(policy: Policy) -> str:
    """SHA-256, in hex, of what a deployment alone decides: who is protected, how much may happen."""
    return hashlib.sha256(canonical_json(policy)).hexdigest()


def load_ruleset(data: bytes) -> CompiledRuleset:
    """The rule set that `compile.dump_ruleset` wrote.

    Raises `RulesetError` if the bytes are not a rule set of this format version, are damaged, or
    hold a rule that the engine must not run.
    """
    try:
        ruleset = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RulesetError(f"not a compiled rule set of format {FORMAT}: {error}") from error
    if ruleset.digest != digest_of(ruleset):
        raise RulesetError("the rule set's digest does not match its content")
    refuse_unsafe(ruleset)
    return ruleset
