"""The DynamoDB tables that hold Sessionwarden's state: windows, denylist, decisions and control.

Invariant: deleting the stack loses nothing that refuses a request or explains a decision: denylist, decisions
and control are retained, and protected from accidental deletion; windows can be counted again from the logs.
Keys and attributes: docs/reference/data.md.
"""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

DECISIONS_BY_DAY = "by_day"
TTL_ATTRIBUTE = "expires_at"


class State(Construct):
    """The tables: `windows`, `denylist`, `decisions` (with index `by_day`), `control`."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.windows = _table(
            self, "Windows", partition_key="key", sort_key="slot", removal_policy=RemovalPolicy.DESTROY
        )
        self.denylist = _table(self, "Denylist", partition_key="principal", sort_key="decision_id")
        self.decisions = _table(self, "Decisions", partition_key="decision_id")
        self.control = _table(self, "Control", partition_key="control")
        self.decisions.add_global_secondary_index(
            index_name=DECISIONS_BY_DAY,
            partition_key=dynamodb.Attribute(name="day", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="created_at", type=dynamodb.AttributeType.NUMBER),
            projection_type=dynamodb.ProjectionType.ALL,
        )


def _table(
    scope: Construct,
    construct_id: str,
    *,
    partition_key: str,
    sort_key: str | None = None,
    removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
) -> dynamodb.Table:
    return dynamodb.Table(
        scope,
        construct_id,
        partition_key=dynamodb.Attribute(name=partition_key, type=dynamodb.AttributeType.STRING),
        sort_key=(
            dynamodb.Attribute(name=sort_key, type=dynamodb.AttributeType.STRING)
            if sort_key is not None
            else None
        ),
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        # encrypted at rest in any case; a key owned by AWS adds no call and no latency to requests
        encryption=dynamodb.TableEncryption.DEFAULT,
        time_to_live_attribute=TTL_ATTRIBUTE,
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=True
        ),
        removal_policy=removal_policy,
        # without its denylist the authorizer refuses every request, and the denies are lost for good
        deletion_protection=removal_policy is RemovalPolicy.RETAIN,
    )
