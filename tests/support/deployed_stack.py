"""A deployed stack in moto, as far as the command line reads it."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError

from sessionwarden.adapters.aws.clients import client
from sessionwarden.operations import deployment
from tests.support.tables import control_table, decisions_table, denylist_table, make_table


class DeployedStack:
    """Tables, a user pool with one user, and a stack whose outputs name them."""

    def __init__(self, *, name: str = "sessionwarden", pools: int = 1) -> None:
        self.dynamodb = boto3.client("dynamodb")
        self.cognito = boto3.client("cognito-idp")
        self.pools = [
            self.cognito.create_user_pool(PoolName=f"p-{uuid4().hex}")["UserPool"]["Id"] for _ in range(pools)
        ]
        user = self.cognito.admin_create_user(UserPoolId=self.pools[0], Username="bob")["User"]
        self.sub = next(str(pair["Value"]) for pair in user["Attributes"] if pair["Name"] == "sub")
        self.denylist = make_table(self.dynamodb, denylist_table)
        self.decisions = make_table(self.dynamodb, decisions_table)
        self.control = make_table(self.dynamodb, control_table)
        outputs = {
            "DenylistTable": self.denylist,
            "DecisionsTable": self.decisions,
            "ControlTable": self.control,
            "UserPools": json.dumps([{"pool_id": pool, "client_ids": None} for pool in self.pools]),
            "SessionLifetimeSeconds": "7200",
        }
        self.name = name
        self.outputs = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:  # noqa: N803 - the API's own name
        """CloudFormation's answer: moto's own needs packages that nothing else here needs."""
        if StackName != self.name:
            message = f"Stack with id {StackName} does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStacks")
        return {"Stacks": [{"StackName": self.name, "Outputs": self.outputs}]}

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the command line find this stack."""

        def made(service: str, **options: Any) -> Any:
            return self if service == "cloudformation" else client(service, **options)

        monkeypatch.setattr(deployment, "client", made)

    def enabled(self) -> bool:
        return self.cognito.admin_get_user(UserPoolId=self.pools[0], Username="bob")["Enabled"]
