"""Which deployment a command is about: `--stack` and friends, resolved through CloudFormation's outputs.

The tables are found by the stack's outputs, so that nobody copies names. Nothing is created and nothing
is cached: an operator who lifts a decision must not act on another deployment than the one named.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NoReturn

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError

from sessionwarden.adapters.aws.clients import client
from sessionwarden.adapters.aws.cognito import CognitoUserPool
from sessionwarden.adapters.dynamodb.control import DynamoDBControlStore
from sessionwarden.adapters.dynamodb.decisions import DynamoDBDecisionStore
from sessionwarden.adapters.dynamodb.denylist import DynamoDBDenylistStore
from sessionwarden.errors import SessionwardenError
from sessionwarden.policy.deployment import DEFAULT_SESSION_LIFETIME_SECONDS

Output = Literal["text", "json"]
ANSWER_IS_NO = 1


class DeploymentError(SessionwardenError):
    """The deployment cannot be found or reached."""


class AnswerIsNo(click.ClickException):
    """What was asked for cannot be, in one sentence; exit status 1."""

    exit_code = ANSWER_IS_NO

    def show(self, file: Any = None) -> None:
        click.echo(self.message, err=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A deployment as named on the command line."""

    stack: str
    region: str | None
    profile: str | None
    endpoint_url: str | None

    @classmethod
    def named(cls, options: Mapping[str, str | None]) -> Target:
        """From the values of `target_options`."""
        return cls(
            stack=options["stack"] or "",
            region=options["region"],
            profile=options["profile"],
            endpoint_url=options["endpoint_url"],
        )

    def client(self, service: str) -> Any:
        """A boto3 client; callers annotate it."""
        try:
            return client(
                service, session=_session(self.profile, self.region), endpoint_url=self.endpoint_url
            )
        except (BotoCoreError, ValueError) as error:
            raise DeploymentError(str(error)) from error

    def outputs(self) -> Mapping[str, str]:
        """The stack's outputs by name. Raises `DeploymentError`."""
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
        """Who is asking, for the audit record: the caller's ARN as AWS sees it."""
        try:
            arn: str = self.client("sts").get_caller_identity()["Arn"]
        except (BotoCoreError, ClientError) as error:
            raise DeploymentError("AWS does not say who you are; check your credentials") from error
        return arn

    def open(self) -> Deployed:
        """The stores of the deployment."""
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
            users=CognitoUserPool(self.client("cognito-idp")),
            pools=_pool_ids(named("UserPools")),
            session_lifetime_seconds=int(
                outputs.get("SessionLifetimeSeconds", DEFAULT_SESSION_LIFETIME_SECONDS)
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """A deployment that was found."""

    decisions: DynamoDBDecisionStore
    denylist: DynamoDBDenylistStore
    control: DynamoDBControlStore
    users: CognitoUserPool
    pools: tuple[str, ...]
    session_lifetime_seconds: int


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that every command against a deployment takes."""
    options = (
        click.option("--stack", default="sessionwarden", show_default=True, help="CloudFormation stack."),
        click.option("--region", help="AWS Region."),
        click.option("--profile", help="AWS profile."),
        click.option("--endpoint-url", help="Another endpoint than AWS's own, such as an emulator."),
        click.option(
            "--output",
            type=click.Choice(["text", "json"]),
            default="text",
            show_default=True,
            help="Form of output.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def refuse(message: str) -> NoReturn:
    """End the command with exit status 1 and one sentence."""
    raise AnswerIsNo(message)


@cache
def _session(profile: str | None, region: str | None) -> boto3.session.Session:
    """Credentials and Region, from the options or as every AWS tool finds them; slow to make."""
    return boto3.session.Session(profile_name=profile, region_name=region)


def _pool_ids(user_pools: str) -> tuple[str, ...]:
    try:
        return tuple(str(pool["pool_id"]) for pool in json.loads(user_pools))
    except (ValueError, TypeError, KeyError) as error:
        raise DeploymentError("the stack's output UserPools cannot be read") from error
