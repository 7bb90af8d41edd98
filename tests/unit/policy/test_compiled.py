"""`policy.json`: what is written is what is loaded, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from sessionwarden.errors import PolicyError
from sessionwarden.model.policy import Policy, Protected
from sessionwarden.policy.compiled import dump_policy, load_policy, policy_digest, policy_schema
from tests.support.paths import PROJECT

POLICY = Policy(
    protected=Protected(users=("root",), source_ips=("198.51.100.0/24", "2001:db8::/48")),
    enforcements_per_hour=20,
    alerts_per_hour=60,
    broad_denies_per_hour=20,
)


def changed(**changes: Any) -> bytes:
    """The file of a policy with other content, whose digest is right."""
    return dump_policy(msgspec.structs.replace(POLICY, **changes))


def test_what_is_dumped_is_what_is_loaded() -> None:
    assert load_policy(dump_policy(POLICY)) == POLICY
    assert json.loads(dump_policy(POLICY))["digest"] == policy_digest(POLICY)


def test_every_change_of_a_policy_changes_its_digest() -> None:
    others = [
        msgspec.structs.replace(POLICY, protected=Protected()),
        msgspec.structs.replace(POLICY, enforcements_per_hour=21),
        msgspec.structs.replace(POLICY, alerts_per_hour=61),
        msgspec.structs.replace(POLICY, broad_denies_per_hour=21),
    ]
    assert len({policy_digest(policy) for policy in (POLICY, *others)}) == 5


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"null",
        b"[" * 100_000,
        dump_policy(POLICY).replace(b'"format":1', b'"format":2'),
        dump_policy(POLICY).replace(b'"format":1', b'"format":1,"rules":[]'),
        dump_policy(POLICY).replace(b'"users":', b'"user":'),
        dump_policy(POLICY).replace(b"root", b"r00t"),
        changed(enforcements_per_hour=0),
        changed(alerts_per_hour=-1),
        changed(broad_denies_per_hour=True),
        changed(protected=Protected(source_ips=("198.51.100.7/24",))),
        changed(protected=Protected(source_ips=("office",))),
    ],
)
def test_bytes_that_are_no_policy_are_refused(data: bytes) -> None:
    with pytest.raises(PolicyError):
        load_policy(data)


def test_the_schema_in_the_reference_is_that_of_the_file() -> None:
    published = PROJECT / "docs" / "reference" / "compiled-policy.schema.json"
    assert published.read_text(encoding="utf-8") == json.dumps(policy_schema(), indent=2) + "\n"
