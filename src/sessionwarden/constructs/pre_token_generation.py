"""Deploys the Cognito trigger that refuses new tokens to denied users.

It exposes `trigger`, but does not attach it: a pool has one function per trigger, and this stack does not
change pools, so an operator attaches it. Invariant: only the listed pools may invoke it.
"""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from sessionwarden.constructs.function import WardenFunction

# Cognito waits 5 seconds for a trigger.
TIMEOUT_SECONDS = 5
MEMORY_MB = 512


class PreTokenGeneration(Construct):
    """The trigger function. `user_pool_arns` are ARNs by pool id, in plain text."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stack_name: str,
        code: lambda_.Code,
        denylist: dynamodb.ITable,
        user_pools_json: str,
        user_pool_arns: Mapping[str, str],
    ) -> None:
        super().__init__(scope, construct_id)
        self.trigger = WardenFunction(
            self,
            "Trigger",
            name="pre_token_generation",
            stack_name=stack_name,
            description="Refuses new tokens to a denied user",
            code=code,
            timeout_seconds=TIMEOUT_SECONDS,
            memory_mb=MEMORY_MB,
            environment={
                "SESSIONWARDEN_DENYLIST_TABLE": denylist.table_name,
                "SESSIONWARDEN_USER_POOLS": user_pools_json,
            },
        )
        self.trigger.allow("dynamodb:Query", on=[denylist.table_arn])
        for pool_id, arn in user_pool_arns.items():
            self.trigger.function.add_permission(
                f"InvokeFor{pool_id}",
                principal=iam.ServicePrincipal("cognito-idp.amazonaws.com"),
                source_arn=arn,
                source_account=Stack.of(self).account,
            )
