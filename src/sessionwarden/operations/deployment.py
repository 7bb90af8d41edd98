"""Finds a deployment of Sessionwarden by its CloudFormation stack, and opens what the stack made.

Operators name a stack; its outputs name the tables and user pools, so that no name is copied by hand. Nothing
is created and nothing is remembered between commands: an operator who lifts a decision must not act on
another deployment than the one named.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from sessionwarden.adapters.aws.clients import client
from sessionwarden.adapters.aws.cognito import CognitoUserPool
from sessionwarden.adapters.clock import system_clock
from sessionwarden.adapters.dynamodb.control import DynamoDBControlStore
from sessionwarden.adapters.dynamodb.coverage import DynamoDBCoverageStore
from sessionwarden.adapters.dynamodb.decisions import DynamoDBDecisionStore
from sessionwarden.adapters.dynamodb.denylist import DynamoDBDenylistStore
from sessionwarden.enforcement.acted import Acted
from sessionwarden.enforcement.actions import Actions
from sessionwarden.enforcement.lift import Lift
from sessionwarden.errors import SessionwardenError
from sessionwarden.policy.deployment import DEFAULT_SESSION_LIFETIME_SECONDS


class DeploymentError(SessionwardenError):
    """The deployment cannot be found or reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A deployment as the operator names it; `None` means what every AWS tool would choose."""

    stack: str
    region: str | None
    profile: str | None
    endpoint_url: str | None

    @classmethod
    def named(cls, options: Mapping[str, str | None]) -> Target:
        """The target of the command line's options `stack`, `region`, `profile` and `endpoint_url`."""
        return cls(
            stack=options["stack"] or "",
            region=options["region"],
            profile=options["profile"],
            endpoint_url=options["endpoint_url"],
        )

    def client(self, service: str) -> Any:
        """A boto3 client of the service. Untyped, because boto3 has a type for each service.

        Raises `DeploymentError` for an unknown profile, a missing Region or an endpoint that is no URL.
        """
        try:
            return client(
                service, session=_session(self.profile, self.region), endpoint_url=self.endpoint_url
            )
        except (BotoCoreError, ValueError) as error:
            raise DeploymentError(str(error)) from error

    def outputs(self) -> Mapping[str, str]:
        """The stack's outputs by name. Raises `DeploymentError` if there is no such stack."""
        try:
            stacks = self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        except ClientError as error:
            raise DeploymentError(
                f"stack {self.stack}: {error.response['Error'].get('Message', 'unknown')}"
            ) from error
        except BotoCoreError as error:
            raise DeploymentError(f"stack {self.stack}: {error}") from error
        return {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])}

    def caller(self) -> str:
        """The operator's ARN as AWS sees it, for the audit record. Raises `DeploymentError`."""
        try:
            arn: str = self.client("sts").get_caller_identity()["Arn"]
        except (BotoCoreError, ClientError) as error:
            raise DeploymentError("AWS does not say who you are; check your credentials") from error
        return arn

    def open(self) -> Deployed:
        """The stores of the deployment. Raises `DeploymentError` if an output is missing."""
        outputs = self.outputs()

        def named(output: str) -> str:
            if output not in outputs:
                raise DeploymentError(f"stack {self.stack} has no output {output}: is it Sessionwarden's?")
            return outputs[output]

        dynamodb = self.client("dynamodb")
        return Deployed(
            decisions=DynamoDBDecisionStore(dynamodb, named("DecisionsTable")),
            denylist=DynamoDBDenylistStore(dynamodb, named("DenylistTable")),
            control=DynamoDBControlStore(dynamodb, named("ControlTable")),
            acted=Acted(DynamoDBCoverageStore(dynamodb, named("ControlTable"))),
            users=CognitoUserPool(self.client("cognito-idp")),
            pools=_pool_ids(named("UserPools")),
            session_lifetime_seconds=int(
                outputs.get("SessionLifetimeSeconds", DEFAULT_SESSION_LIFETIME_SECONDS)
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """The stores and user pools of a deployment that was found. `pools` are the ids of those it watches."""

    decisions: DynamoDBDecisionStore
    denylist: DynamoDBDenylistStore
    control: DynamoDBControlStore
    acted: Acted
    users: CognitoUserPool
    pools: tuple[str, ...]
    session_lifetime_seconds: int

    @property
    def actions(self) -> Actions:
        """What carries out an operator's decision."""
        return Actions(
            decisions=self.decisions,
            denylist=self.denylist,
            control=self.control,
            acted=self.acted,
            users=self.users,
            clock=system_clock,
        )

    @property
    def lift(self) -> Lift:
        """What undoes a decision."""
        return Lift(decisions=self.decisions, denylist=self.denylist, acted=self.acted, users=self.users)


@cache
def _session(profile: str | None, region: str | None) -> boto3.session.Session:
    """Credentials and Region, found once: that is slow."""
    return boto3.session.Session(profile_name=profile, region_name=region)


def _pool_ids(user_pools: str) -> tuple[str, ...]:
    try:
        return tuple(str(pool["pool_id"]) for pool in json.loads(user_pools))
    except (ValueError, TypeError, KeyError) as error:
        raise DeploymentError("the stack's output UserPools cannot be read") from error
