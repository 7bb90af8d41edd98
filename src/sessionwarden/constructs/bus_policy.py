"""Keeps a source on the bus to the one role that writes under it.

Detection believes what ingest writes, and other programs believe copies of findings and enforcements. Without
this policy, a principal of the account with an unconditioned `events:PutEvents` could write them as well, and
have any user signed out. The bus itself therefore denies each of our sources to all principals but one role:
an explicit deny in a resource's policy holds within an account too, whatever the principal's own policies
allow
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html).
It allows nothing. Left out: principals that may change the bus, its policy or the roles.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam


def keep_sources(bus: events.EventBus, *, name: str, writers: Mapping[str, iam.IRole]) -> None:
    """Deny each source of `writers` to all but its role, on the bus called `name`."""
    resource = bus.node.default_child
    assert isinstance(resource, events.CfnEventBus)
    # the bus cannot refer to itself
    arn = Stack.of(bus).format_arn(service="events", resource="event-bus", resource_name=name)
    resource.policy = {
        "Version": "2012-10-17",
        "Statement": [_kept(arn, source, role) for source, role in writers.items()],
    }


def _kept(bus_arn: str, source: str, role: iam.IRole) -> dict[str, Any]:
    return {
        "Sid": "Only" + "".join(part.capitalize() for part in source.split(".")),
        "Effect": "Deny",
        "Principal": "*",
        "Action": "events:PutEvents",
        "Resource": bus_arn,
        "Condition": {
            # a call has several entries, and one that pretends is enough
            "ForAnyValue:StringEquals": {"events:source": source},
            # of a session it is the role's ARN; a caller without one, like an AWS service, is denied as well
            "ArnNotEquals": {"aws:PrincipalArn": role.role_arn},
        },
    }
