"""Keeps the brakes in DynamoDB: the kill switch, and one set of decision ids per budget and hour.

Invariants: a decision takes at most one unit of a budget's hour, however often it is delivered, because the
set holds its id; the set never exceeds the limit, because the condition is checked with the write. The set is
bounded because DynamoDB bills the whole item on every write, and refuses it at 400 KB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessionwarden.adapters.dynamodb.errors import condition_held, store_errors
from sessionwarden.ports import Stop

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SWITCH = "switch"
SECONDS_PER_HOUR = 3600
BUDGET_KEPT_SECONDS = 86_400
MAX_LIMIT = 1_000
"""The most that a budget allows in an hour, whatever the policy says. At 64 characters an id, the item stays
near 64 KB."""


class DynamoDBControlStore:
    """`ports.ControlStore` over the low-level client."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def stopped(self) -> bool:
        return self.switch() is not None

    def switch(self) -> Stop | None:
        with store_errors(self._table):
            answer = self._client.get_item(
                TableName=self._table, Key={"control": {"S": SWITCH}}, ConsistentRead=True
            )
        item = answer.get("Item")
        if item is None:
            return None
        # an item that an operator wrote by hand in an emergency stops too, whatever it lacks
        at_ms = item.get("stopped_at", {}).get("N", "0")
        return Stop(by=item.get("stopped_by", {}).get("S", ""), at_ms=int(float(at_ms)))

    def spend(self, *, budget: str, hour: int, decision_id: str, limit: int) -> bool:
        bounded = min(limit, MAX_LIMIT)
        if bounded < 1:
            return False
        return condition_held(
            self._table,
            lambda: self._client.update_item(
                TableName=self._table,
                Key={"control": {"S": f"budget#{budget}#{hour}"}},
                UpdateExpression="ADD decisions :ids SET expires_at = :expires_at",
                ConditionExpression=(
                    "attribute_not_exists(decisions) OR size(decisions) < :limit OR contains(decisions, :id)"
                ),
                ExpressionAttributeValues={
                    ":ids": {"SS": [decision_id]},
                    ":id": {"S": decision_id},
                    ":limit": {"N": str(bounded)},
                    ":expires_at": {"N": str((hour + 1) * SECONDS_PER_HOUR + BUDGET_KEPT_SECONDS)},
                },
            ),
        )

    def stop(self, *, by: str, at_ms: int) -> None:
        with store_errors(self._table):
            self._client.put_item(
                TableName=self._table,
                Item={"control": {"S": SWITCH}, "stopped_by": {"S": by}, "stopped_at": {"N": str(at_ms)}},
            )

    def resume(self) -> None:
        with store_errors(self._table):
            self._client.delete_item(TableName=self._table, Key={"control": {"S": SWITCH}})
