"""What each function may do: exactly this list. A new permission is a change of the threat model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.templates import ROOT, Assembly, Synthesized

OWN_LOG = {"logs:CreateLogStream", "logs:PutLogEvents"}
CONSUME = {
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:ReceiveMessage",
}
# role → resource (its logical id without CDK's hash, or `userpool`) → actions
GRANTS: dict[str, dict[str, set[str]]] = {
    "Ingest": {
        "IngestLog": OWN_LOG,
        "Bus": {"events:PutEvents"},
        # CDK's destination asks for the attributes too
        "IngestFailures": {"sqs:SendMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl"},
    },
    "DetectionDetect": {
        "DetectionDetectLog": OWN_LOG,
        "StateWindows": {
            "dynamodb:BatchGetItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
            "dynamodb:UpdateItem",
        },
        "FindingsQueue": {"sqs:SendMessage"},
        "Bus": {"events:PutEvents"},
        "DetectionEventsQueue": CONSUME,
        "configuration": {"appconfig:GetLatestConfiguration", "appconfig:StartConfigurationSession"},
    },
    "EnforcementEnforce": {
        "EnforcementEnforceLog": OWN_LOG,
        "StateDenylist": {"dynamodb:PutItem", "dynamodb:Query"},
        "StateDecisions": {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
        "StateControl": {"dynamodb:GetItem", "dynamodb:UpdateItem"},
        "AlertsTopic": {"sns:Publish"},
        "Bus": {"events:PutEvents"},
        "userpool": {
            "cognito-idp:AdminDisableUser",
            "cognito-idp:AdminEnableUser",
            "cognito-idp:AdminGetUser",
            "cognito-idp:AdminListGroupsForUser",
            "cognito-idp:AdminUserGlobalSignOut",
            "cognito-idp:ListUsers",
            "cognito-idp:ListUsersInGroup",
        },
        "FindingsQueue": CONSUME,
        "GroupedAlertsWaitingQueue": {"sqs:SendMessage"},
    },
    "GroupedAlertsFunction": {
        "GroupedAlertsFunctionLog": OWN_LOG,
        "AlertsTopic": {"sns:Publish"},
        "GroupedAlertsWaitingQueue": CONSUME,
    },
    "Authorizer": {"AuthorizerLog": OWN_LOG, "StateDenylist": {"dynamodb:Query"}},
    "RulesValidator": {"RulesValidatorLog": OWN_LOG},
    "PreTokenGenerationTrigger": {
        "PreTokenGenerationTriggerLog": OWN_LOG,
        "StateDenylist": {"dynamodb:Query"},
    },
}
EVENTS = {
    "Ingest": ("sessionwarden.ingest", "Events"),
    "DetectionDetect": ("sessionwarden.detect", "Finding"),
    "EnforcementEnforce": ("sessionwarden.enforce", "Enforcement"),
}


@pytest.mark.parametrize("role", GRANTS)
def test_a_function_may_do_exactly_what_is_listed(aws: Synthesized, role: str) -> None:
    granted: dict[str, set[str]] = {}
    for statement in _statements(aws, role):
        assert statement["Effect"] == "Allow"
        for resource in _many(statement["Resource"]):
            granted.setdefault(_name(resource), set()).update(_many(statement["Action"]))

    assert granted == GRANTS[role]


@pytest.mark.parametrize("role", EVENTS)
def test_a_function_puts_only_its_own_kind_of_event(aws: Synthesized, role: str) -> None:
    (statement,) = [item for item in _statements(aws, role) if item["Action"] == "events:PutEvents"]

    source, detail_type = EVENTS[role]
    assert statement["Condition"] == {
        "ForAllValues:StringEquals": {"events:source": source, "events:detail-type": detail_type}
    }


def test_pools_are_named_one_by_one(aws: Synthesized) -> None:
    (statement,) = [
        item for item in _statements(aws, "EnforcementEnforce") if "cognito-idp" in json.dumps(item)
    ]

    pools = sorted(resource["Fn::Join"][1][-1] for resource in statement["Resource"])
    assert pools == [":userpool/eu-west-1_AbCdEf123", ":userpool/eu-west-1_Second456"]


def test_no_role_has_a_wildcard_or_a_managed_policy(assembly: Assembly) -> None:
    for synthesized in (assembly.aws, assembly.local, assembly.empty):
        for policy in synthesized.of_type("AWS::IAM::Policy"):
            assert "*" not in json.dumps(policy.properties["PolicyDocument"])
        for role in synthesized.of_type("AWS::IAM::Role"):
            assert "ManagedPolicyArns" not in role.properties
            assert "Policies" not in role.properties


def test_there_are_no_other_roles(aws: Synthesized) -> None:
    roles = {re.sub(r"Role[0-9A-F]{8}$", "", item.logical_id) for item in aws.of_type("AWS::IAM::Role")}

    # the one that AppConfig takes to look at alarms, which is no function's
    assert roles == {*GRANTS, "RulesMonitor"}


def test_only_the_monitoring_and_the_publishers_policies_are_managed_and_both_name_their_actions(
    aws: Synthesized,
) -> None:
    granted = {
        re.sub(r"[0-9A-F]{8}$", "", item.logical_id): {
            action
            for statement in item.properties["PolicyDocument"]["Statement"]
            for action in _many(statement["Action"])
        }
        for item in aws.of_type("AWS::IAM::ManagedPolicy")
    }

    assert granted == {
        "RulesMonitoring": {"cloudwatch:DescribeAlarms"},
        "RulesPublishers": {
            "appconfig:CreateHostedConfigurationVersion",
            "appconfig:GetDeployment",
            "appconfig:GetHostedConfigurationVersion",
            "appconfig:ListDeployments",
            "appconfig:ListHostedConfigurationVersions",
            "appconfig:StartDeployment",
            "appconfig:StopDeployment",
            "cloudformation:DescribeStacks",
        },
    }


def test_publishers_reach_this_one_profile_and_nobody_gets_their_policy_from_us(aws: Synthesized) -> None:
    policy = aws.one("AWS::IAM::ManagedPolicy", "RulesPublishers").properties
    resources = [
        json.dumps(resource)
        for statement in policy["PolicyDocument"]["Statement"]
        for resource in _many(statement["Resource"])
    ]

    assert not {"Roles", "Users", "Groups"} & set(policy)
    for resource in resources:
        own = ("RulesApplication", "RulesStaged", "RulesAtOnce", "AWS::StackId")
        assert any(name in resource for name in own), resource
        assert resource.count("*") == (
            1 if re.search(r"(hostedconfigurationversion|deployment)/\*", resource) else 0
        )


def test_the_reference_lists_exactly_these_grants() -> None:
    page = (ROOT / "docs/reference/stack.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (`\w[^|]*:[^|]*`) \|$", page, re.MULTILINE)
    documented: dict[str, dict[str, set[str]]] = {}
    for role, resource, actions in rows:
        documented.setdefault(role, {})[resource] = set(re.findall(r"`([^`]+)`", actions))

    assert documented == GRANTS


def _statements(synthesized: Synthesized, role: str) -> Iterator[dict[str, Any]]:
    (policy,) = [
        item
        for item in synthesized.of_type("AWS::IAM::Policy")
        if item.logical_id.startswith(f"{role}RoleDefaultPolicy")
    ]
    yield from policy.properties["PolicyDocument"]["Statement"]


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _name(resource: dict[str, Any]) -> str:
    if "Fn::Join" in resource:
        parts = resource["Fn::Join"][1]
        if ":appconfig:" in "".join(part for part in parts if isinstance(part, str)):
            ids = [part["Ref"] for part in parts if isinstance(part, dict)][-3:]
            expected = ["RulesApplication", "RulesEnvironment", "RulesProfile"]
            assert [re.sub(r"[0-9A-F]{8}$", "", one) for one in ids] == expected
            return "configuration"
        assert parts[-1].startswith(":userpool/")
        return "userpool"
    logical_id: str = resource["Ref"] if "Ref" in resource else resource["Fn::GetAtt"][0]
    return re.sub(r"[0-9A-F]{8}$", "", logical_id)
