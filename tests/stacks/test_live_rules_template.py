"""How rules go live, as the template says it."""

from __future__ import annotations

import json

from sessionwarden.policy.compiled import policy_digest
from sessionwarden.ruleset.compiler.compile import check_rules
from tests.support.templates import ROOT, Synthesized


def test_every_set_is_judged_by_the_validator_first(aws: Synthesized) -> None:
    profile = aws.one("AWS::AppConfig::ConfigurationProfile").properties
    validator = aws.one("AWS::Lambda::Function", "RulesValidator").logical_id

    assert (profile["Type"], profile["LocationUri"]) == ("AWS.Freeform", "hosted")
    assert profile["Validators"] == [{"Type": "LAMBDA", "Content": {"Fn::GetAtt": [validator, "Arn"]}}]


def test_what_was_published_outlives_the_stack(aws: Synthesized) -> None:
    # AppConfig deletes no profile that holds versions: a stack that tried would never be gone
    for kind in ("Application", "ConfigurationProfile"):
        assert aws.one(f"AWS::AppConfig::{kind}").attributes["DeletionPolicy"] == "RetainExceptOnCreate"


def test_a_rollout_goes_in_steps_and_a_rollback_does_not(aws: Synthesized) -> None:
    def of(name: str) -> tuple[int, int, int]:
        properties = aws.one("AWS::AppConfig::DeploymentStrategy", name).properties
        return (
            properties["DeploymentDurationInMinutes"],
            properties["GrowthFactor"],
            properties["FinalBakeTimeInMinutes"],
        )

    assert of("RulesStaged") == (4, 25, 10)
    assert of("RulesAtOnce") == (0, 100, 0)


def test_only_what_no_client_can_cause_takes_a_set_back(aws: Synthesized) -> None:
    alarms = {item.logical_id: item.properties for item in aws.of_type("AWS::CloudWatch::Alarm")}
    monitors = aws.one("AWS::AppConfig::Environment").properties["Monitors"]
    watching = [alarms[item["AlarmArn"]["Fn::GetAtt"][0]] for item in monitors]

    assert {alarm["MetricName"] for alarm in watching} == {"RulesetRefused", "RulesFailed"}
    for alarm in watching:
        assert alarm["Namespace"] == "Sessionwarden"
        assert alarm["Dimensions"] == [{"Name": "service", "Value": "sessionwarden-detect"}]
        # AppConfig takes INSUFFICIENT_DATA for a reason to roll back, and a quiet night has no data
        assert alarm["TreatMissingData"] == "notBreaching"


def test_detect_alone_is_told_where_rules_are_published_and_by_ids(aws: Synthesized) -> None:
    told = [
        item.logical_id
        for item in aws.of_type("AWS::Lambda::Function")
        if "SESSIONWARDEN_LIVE_RULES" in json.dumps(item.properties)
    ]
    place = aws.environment("DetectionDetect")["SESSIONWARDEN_LIVE_RULES"]["Fn::Join"][1]

    assert len(told) == 1
    assert [part["Ref"][:-8] for part in place if part != "/"] == [
        "RulesApplication",
        "RulesEnvironment",
        "RulesProfile",
    ]


def test_the_outputs_name_the_rules_and_the_policy_that_were_deployed(aws: Synthesized) -> None:
    shipped = check_rules([ROOT / "rules"])
    outputs = aws.template["Outputs"]

    assert outputs["ShippedRulesetDigest"]["Value"] == shipped.ruleset.digest
    assert outputs["PolicyDigest"]["Value"] == policy_digest(shipped.policy)
