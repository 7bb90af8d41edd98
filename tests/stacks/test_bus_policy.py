"""Who may put what on the bus, by the bus's own policy.

The emulator does not look at such policies, so these tests evaluate it themselves, by the rules of
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html and
.../reference_policies_condition-single-vs-multi-valued-context-keys.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from tests.support.templates import Assembly, Synthesized

ACCOUNT, OTHER_ACCOUNT = "111122223333", "444455556666"
INGEST, DETECT, ENFORCE = "sessionwarden.ingest", "sessionwarden.detect", "sessionwarden.enforce"
ROLES = {INGEST: "Ingest", DETECT: "DetectionDetect", ENFORCE: "EnforcementEnforce"}
"""Of each source, the start of its role's logical id."""


def role_arn(name: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:iam::{account}:role/{name}"


STRANGERS = {
    "another role": {"aws:PrincipalArn": role_arn("shop")},
    "a role whose name begins alike": {"aws:PrincipalArn": role_arn("IngestX")},
    "a role of that name in another account": {"aws:PrincipalArn": role_arn("Ingest", OTHER_ACCOUNT)},
    "the account's root": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:root"},
    "a user": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:user/admin"},
    "another account's root": {"aws:PrincipalArn": f"arn:aws:iam::{OTHER_ACCOUNT}:root"},
    "an AWS service": {},
}


def denied(template: Synthesized, principal: Mapping[str, str], sources: Sequence[str]) -> bool:
    """Whether the bus denies a call of several entries with these sources."""
    return any(_holds(statement["Condition"], principal, sources) for statement in _statements(template))


def _statements(template: Synthesized) -> Iterator[dict[str, Any]]:
    for statement in template.one("AWS::Events::EventBus").properties["Policy"]["Statement"]:
        assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
        assert statement["Action"] == "events:PutEvents"
        assert statement["Condition"].keys() == {"ForAnyValue:StringEquals", "ArnNotEquals"}
        yield statement


def _holds(condition: Mapping[str, Any], principal: Mapping[str, str], sources: Sequence[str]) -> bool:
    (wanted,) = condition["ForAnyValue:StringEquals"].values()
    (allowed,) = condition["ArnNotEquals"].values()
    role = re.sub(r"Role[0-9A-F]{8}$", "", allowed["Fn::GetAtt"][0])
    # a negated operator holds where the key is missing
    return wanted in sources and principal.get("aws:PrincipalArn") != role_arn(role)


@pytest.mark.parametrize("source", ROLES)
def test_a_role_may_put_events_of_its_own_source_only(aws: Synthesized, source: str) -> None:
    # a session of the role has the role's ARN in `aws:PrincipalArn`
    own = {"aws:PrincipalArn": role_arn(ROLES[source])}
    assert not denied(aws, own, [source, source])
    assert all(denied(aws, own, [source, other]) for other in ROLES if other != source)


@pytest.mark.parametrize("source", ROLES)
@pytest.mark.parametrize("principal", STRANGERS.values(), ids=STRANGERS)
def test_no_one_else_may(aws: Synthesized, principal: Mapping[str, str], source: str) -> None:
    assert denied(aws, principal, [source])
    assert denied(aws, principal, ["com.example.shop", source, "com.example.shop"])


@pytest.mark.parametrize("principal", STRANGERS.values(), ids=STRANGERS)
def test_the_policy_leaves_other_sources_alone(aws: Synthesized, principal: Mapping[str, str]) -> None:
    assert not denied(aws, principal, ["com.example.shop"])


def test_the_policy_is_that_of_this_bus_and_part_of_every_deployment(assembly: Assembly) -> None:
    for template in (assembly.aws, assembly.varied, assembly.local, assembly.empty):
        name = template.one("AWS::Events::EventBus").properties["Name"]
        for statement in _statements(template):
            assert statement["Resource"]["Fn::Join"][1][-1] == f":event-bus/{name}"
