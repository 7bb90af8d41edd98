"""`policy.json`: the policy of a deployment, as it lies beside the code of `enforce`.

`make bundles` writes it from `policy.yml`; `enforce` reads it, and the synthesis of a stack for its digest.
It is apart from the rule set so that enforcement loads no rule, and so that no published rule set can change
who is protected. Invariant: what is loaded is what was compiled; format, types, limits, networks and the
digest are checked again. Direction: with a file that cannot be loaded nothing is enforced. Findings stay in
the queue and then go to the dead-letter queue, which has an alarm.
"""

from __future__ import annotations

import hashlib
from inspect import cleandoc
from ipaddress import ip_network
from typing import Any, Final, Literal

import msgspec

from sessionwarden.errors import PolicyError
from sessionwarden.model.policy import Policy

FORMAT: Final = 1


class CompiledPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of the file. `digest` is the policy's, in hex."""

    format: Literal[1]
    digest: str
    policy: Policy


_decoder = msgspec.json.Decoder(CompiledPolicy, strict=True)


def policy_digest(policy: Policy) -> str:
    """SHA-256, in hex, over the canonical JSON of the policy; the stack's output `PolicyDigest`."""
    return hashlib.sha256(_canonical_json(policy)).hexdigest()


def dump_policy(policy: Policy) -> bytes:
    """The bytes of the file; the same policy always has the same."""
    return _canonical_json(CompiledPolicy(format=FORMAT, digest=policy_digest(policy), policy=policy))


def load_policy(data: bytes) -> Policy:
    """The policy that `dump_policy` wrote.

    Raises `PolicyError` if the bytes are not a policy of this format, are damaged, or name as protected what
    is not a network.
    """
    try:
        compiled = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PolicyError(f"not a compiled policy of format {FORMAT}: {error}") from error
    if compiled.digest != policy_digest(compiled.policy):
        raise PolicyError("the policy's digest does not match its content")
    try:
        for network in compiled.policy.protected.source_ips:
            ip_network(network)
    except ValueError as error:
        raise PolicyError(f"a protected network cannot be read: {error}") from error
    return compiled.policy


def policy_schema() -> dict[str, Any]:
    """The JSON Schema of the file, which docs/reference/compiled-policy.schema.json repeats."""
    schema = msgspec.json.schema(CompiledPolicy)
    for definition in schema["$defs"].values():
        # from Python 3.13 on, the compiler takes the indentation from docstrings
        if "description" in definition:
            definition["description"] = cleandoc(definition["description"])
    return schema


def _canonical_json(value: object) -> bytes:
    return msgspec.json.encode(value, order="sorted")
