"""Lets operators put rules live without a deployment: an AppConfig configuration and its validator.

The detect Lambda polls the configuration that `configuration_ids` names (application, environment, profile);
`publishers` is the IAM policy for operators who may publish. Invariants: only functions given to
`allow_reading` may read it; `validator` checks every set before it is live; no alarm that a client can raise
is a monitor, or a flood of requests could keep operators from publishing the rule against it.
https://docs.aws.amazon.com/appconfig/latest/userguide/monitoring-deployments.html
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Acknowledgment, RemovalPolicy, Stack, Validations
from aws_cdk import aws_appconfig as appconfig
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from sessionwarden.constructs.function import WardenFunction

PROFILE = "ruleset"
TIMEOUT_SECONDS = 15
MEMORY_MB = 512
STEP_PERCENT = 25


class LiveRules(Construct):
    """The configuration, its rollout, its validator, and the rights of publishers.

    A new set reaches every process within `rollout_minutes`, and AppConfig watches it for `bake_minutes`
    after that: it takes the set back if one of `monitors` is in alarm.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stack_name: str,
        code: lambda_.Code,
        monitors: Sequence[cloudwatch.IAlarm],
        rollout_minutes: int = 4,
        bake_minutes: int = 10,
    ) -> None:
        super().__init__(scope, construct_id)
        self._name = stack_name
        self.validator = WardenFunction(
            self,
            "Validator",
            name="validate_rules",
            stack_name=stack_name,
            description="Refuses rule sets that detect could not run",
            code=code,
            timeout_seconds=TIMEOUT_SECONDS,
            memory_mb=MEMORY_MB,
            environment={},
        )
        self.application = appconfig.CfnApplication(
            self,
            "Application",
            name=stack_name,
            description="What operators publish for Sessionwarden without a deployment",
        )
        self.environment = appconfig.CfnEnvironment(
            self,
            "Environment",
            application_id=self.application.ref,
            name="live",
            monitors=self._monitors(monitors),
        )
        self.profile = appconfig.CfnConfigurationProfile(
            self,
            "Profile",
            application_id=self.application.ref,
            name=PROFILE,
            description="The compiled rule set; see sessionwarden rules publish",
            location_uri="hosted",
            type="AWS.Freeform",
            validators=[
                appconfig.CfnConfigurationProfile.ValidatorsProperty(
                    type="LAMBDA", content=self.validator.function.function_arn
                )
            ],
        )
        for kept in (self.application, self.profile):
            # AppConfig deletes no profile with versions, and they record which rules were live when
            kept.apply_removal_policy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
        self.staged = self._strategy("Staged", rollout_minutes, STEP_PERCENT, bake_minutes)
        # for a rollback: the set has been live before, and there is no time for steps
        self.at_once = self._strategy("AtOnce", 0, 100, 0)
        self._let_appconfig_validate()
        stack = Stack.of(self)
        within = f"application/{self.application.ref}"
        self.configuration_ids = f"{self.application.ref}/{self.environment.ref}/{self.profile.ref}"
        self.configuration_arn = stack.format_arn(
            service="appconfig",
            resource=f"{within}/environment/{self.environment.ref}/configuration/{self.profile.ref}",
        )
        self.publishers = self._publishers(stack, within)

    def allow_reading(self, function: WardenFunction) -> None:
        """Let the function poll this configuration, and no other."""
        function.allow(
            "appconfig:GetLatestConfiguration",
            "appconfig:StartConfigurationSession",
            on=[self.configuration_arn],
        )

    def _strategy(
        self, construct_id: str, minutes: int, step_percent: int, bake_minutes: int
    ) -> appconfig.CfnDeploymentStrategy:
        return appconfig.CfnDeploymentStrategy(
            self,
            construct_id,
            name=f"{self._name}-{construct_id}",
            deployment_duration_in_minutes=minutes,
            growth_factor=step_percent,
            growth_type="LINEAR",
            final_bake_time_in_minutes=bake_minutes,
            replicate_to="NONE",
        )

    def _monitors(
        self, alarms: Sequence[cloudwatch.IAlarm]
    ) -> list[appconfig.CfnEnvironment.MonitorsProperty]:
        role = iam.Role(
            self,
            "MonitorRole",
            assumed_by=iam.ServicePrincipal("appconfig.amazonaws.com"),
            description=f"Lets AppConfig see the alarms of {self._name} while rules are rolled out",
        )
        policy = iam.ManagedPolicy(
            self,
            "Monitoring",
            roles=[role],
            # AppConfig's guide asks for all alarms; a narrower permission might fail during a rollout:
            # https://docs.aws.amazon.com/appconfig/latest/userguide/setting-up-appconfig.html
            statements=[iam.PolicyStatement(actions=["cloudwatch:DescribeAlarms"], resources=["*"])],
        )
        _acknowledge_wildcard(
            policy, "*", reason="AppConfig describes alarms as its guide asks; it reads states, no data"
        )
        return [
            appconfig.CfnEnvironment.MonitorsProperty(alarm_arn=alarm.alarm_arn, alarm_role_arn=role.role_arn)
            for alarm in alarms
        ]

    def _let_appconfig_validate(self) -> None:
        # as in CDK's own LambdaValidator: AWS documents no source for this call, and a condition that it
        # does not meet would refuse every set; another account could only have a text checked
        self.validator.function.add_permission(
            "AppConfig", principal=iam.ServicePrincipal("appconfig.amazonaws.com")
        )

    def _publishers(self, stack: Stack, within: str) -> iam.ManagedPolicy:
        """A policy that allows `sessionwarden rules publish`, `rollback`, `status` and `diff` only."""

        def arn(resource: str) -> str:
            return stack.format_arn(service="appconfig", resource=resource)

        application, environment, profile = (
            arn(within),
            arn(f"{within}/environment/{self.environment.ref}"),
            arn(f"{within}/configurationprofile/{self.profile.ref}"),
        )
        versions = f"{profile}/hostedconfigurationversion/*"
        deployments = f"{environment}/deployment/*"
        strategies = [arn(f"deploymentstrategy/{one.ref}") for one in (self.staged, self.at_once)]
        policy = iam.ManagedPolicy(
            self,
            "Publishers",
            description=f"May put rules of {self._name} live. Attach it to the few who may.",
            statements=[
                iam.PolicyStatement(actions=["cloudformation:DescribeStacks"], resources=[stack.stack_id]),
                iam.PolicyStatement(
                    actions=["appconfig:CreateHostedConfigurationVersion"], resources=[application, profile]
                ),
                iam.PolicyStatement(
                    actions=[
                        "appconfig:GetHostedConfigurationVersion",
                        "appconfig:ListHostedConfigurationVersions",
                    ],
                    resources=[application, profile, versions],
                ),
                iam.PolicyStatement(
                    actions=["appconfig:StartDeployment"],
                    resources=[application, environment, profile, *strategies],
                ),
                iam.PolicyStatement(
                    actions=[
                        "appconfig:GetDeployment",
                        "appconfig:ListDeployments",
                        "appconfig:StopDeployment",
                    ],
                    resources=[application, environment, deployments],
                ),
            ],
        )
        # cdk-nag writes an ARN with the parts that are known later in angle brackets
        ids = [stack.get_logical_id(one) for one in (self.application, self.environment, self.profile)]
        prefix = f"arn:<AWS::Partition>:appconfig:<AWS::Region>:<AWS::AccountId>:application/<{ids[0]}>"
        for resource in (
            f"{prefix}/environment/<{ids[1]}>/deployment/*",
            f"{prefix}/configurationprofile/<{ids[2]}>/hostedconfigurationversion/*",
        ):
            _acknowledge_wildcard(policy, resource, reason="Of this one profile; their numbers come later")
        return policy


def _acknowledge_wildcard(policy: iam.ManagedPolicy, resource: str, *, reason: str) -> None:
    Validations.of(policy).acknowledge(
        Acknowledgment(id=f"AwsSolutions::AwsSolutions-IAM5[Resource::{resource}]", reason=reason)
    )
