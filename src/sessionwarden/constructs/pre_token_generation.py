"""The Cognito trigger that gives a denied user no new tokens.

Enters: the denylist and the pools. Leaves: `trigger`. It only exists here: a pool takes one function per
trigger, and the pools are not ours to change, so attaching it is the operator's step. Invariant: only the
listed pools may invoke it.
"""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from sessionwarden.constructs.function import WardenFunction

# Cognito waits for a trigger for 5 seconds
TIMEOUT_SECONDS = 5
MEMORY_MB = 512


class PreTokenGeneration(Construct):
    """`user_pool_arns` are ARNs by pool id, in plain text."""

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
