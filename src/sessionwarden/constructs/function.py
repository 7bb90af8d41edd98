"""One Lambda function of Sessionwarden, with its own log group and a role that at first allows nothing.

Permissions are added with `allow`. Invariant: each names exact actions on exact resources. CDK's `grant_*`
methods are not used on tables and buses, since they allow more than a function calls (`Scan`,
`BatchWriteItem`). The log group's name is fixed, because ingest recognizes log groups by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import Acknowledgment, CfnResource, Duration, RemovalPolicy, Validations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

RUNTIME = lambda_.Runtime.PYTHON_3_13
ARCHITECTURE = lambda_.Architecture.ARM_64
METRICS_NAMESPACE = "Sessionwarden"


class WardenFunction(Construct):
    """One Lambda function; `name` is its folder in `functions/` and its Powertools service.

    Without `reserved_concurrency` it shares the account's concurrency; without `snap_start`, Lambda takes no
    snapshots of its versions.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        stack_name: str,
        description: str,
        code: lambda_.Code,
        environment: Mapping[str, str],
        timeout_seconds: int,
        memory_mb: int,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH,
        reserved_concurrency: int | None = None,
        snap_start: lambda_.SnapStartConf | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.timeout_seconds = timeout_seconds
        self.service = f"{stack_name}-{name}"
        self.log_group_name = f"/sessionwarden/functions/{stack_name}/{name}"
        self.log_group = logs.LogGroup(
            self,
            "Log",
            log_group_name=self.log_group_name,
            retention=log_retention,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"What {name} of {stack_name} may do",
        )
        self.allow("logs:CreateLogStream", "logs:PutLogEvents", on=[self.log_group.log_group_arn])
        self.function = lambda_.Function(
            self,
            "Function",
            description=description,
            runtime=RUNTIME,
            architecture=ARCHITECTURE,
            handler=f"functions.{name}.handler.lambda_handler",
            code=code,
            role=self.role,
            log_group=self.log_group,
            timeout=Duration.seconds(timeout_seconds),
            memory_size=memory_mb,
            reserved_concurrent_executions=reserved_concurrency,
            snap_start=snap_start,
            environment={
                **environment,
                "POWERTOOLS_SERVICE_NAME": self.service,
                "POWERTOOLS_METRICS_NAMESPACE": METRICS_NAMESPACE,
            },
        )

        resource = self.function.node.default_child
        assert isinstance(resource, CfnResource)
        # CDK also declares that the function depends on its role, which cfn-lint calls needless (W3005)
        resource.add_metadata("cfn-lint", {"config": {"ignore_checks": ["W3005"]}})
        Validations.of(self.function).acknowledge(
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-L1",
                reason="The bundle's wheels are for this runtime; both are raised together, with the pins",
            )
        )

    def metric(self, name: str, **dimensions: str) -> cloudwatch.Metric:
        """A metric that the function's code writes. Powertools' `service` is a dimension of each."""
        return cloudwatch.Metric(
            namespace=METRICS_NAMESPACE,
            metric_name=name,
            dimensions_map={"service": self.service, **dimensions},
        )

    def allow(self, *actions: str, on: list[str], conditions: Mapping[str, Any] | None = None) -> None:
        """Let the function call `actions` on the resources with the ARNs `on`."""
        self.role.add_to_policy(iam.PolicyStatement(actions=[*actions], resources=on, conditions=conditions))

    def allow_put_events(self, *, bus_arn: str, source: str, detail_type: str) -> None:
        """Let it put events of one source and detail-type on the bus, and no others.

        A call has several entries, so both keys hold several values, and `ForAllValues` requires each of them
        to match (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html). It would
        also allow an absent key, but EventBridge refuses an entry without source or detail-type.
        """
        self.allow(
            "events:PutEvents",
            on=[bus_arn],
            conditions={
                "ForAllValues:StringEquals": {"events:source": source, "events:detail-type": detail_type}
            },
        )
