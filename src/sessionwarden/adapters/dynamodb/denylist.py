"""Writes the denylist in DynamoDB: one item per decision, under `pool#sub` or `#polled`.

    put          first ─ entry ─ lift ─ tombstone
    put again     └ refused: the item is there ┘      (a redelivered finding changes nothing)

Invariant: a write that was acknowledged is seen by every consistent Query that starts later. The
authorizer reads the same items through a leaner client.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sessionwarden.adapters.dynamodb.errors import condition_held, store_errors
from sessionwarden.denylist.broad import PARTITION, end_key, from_broad_item, sort_key, to_broad_item
from sessionwarden.denylist.item import Item, entry_of, to_item
from sessionwarden.model.deny import BroadDeny, DenyEntry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


LIFT = "SET lifted_at = if_not_exists(lifted_at, :lifted_at)"


class DynamoDBDenylistStore:
    """`ports.DenylistStore` over the low-level client, so that the item codec is the one shared."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def put(self, principal: str, entry: DenyEntry) -> None:
        self._put(to_item(principal, entry))

    def put_broad(self, entry: BroadDeny) -> None:
        self._put(to_broad_item(entry))

    def _put(self, item: Item) -> None:
        # an item that is there already stays, whether this process or another wrote it
        condition_held(
            self._table,
            lambda: self._client.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(decision_id)",
            ),
        )

    def lift(self, principal: str, decision_id: str, *, lifted_at: int, revive_tokens: bool) -> bool:
        values: Item = {":lifted_at": {"N": str(lifted_at)}}
        update = LIFT
        if revive_tokens:
            values[":revived"] = {"BOOL": True}
            update += ", tokens_revived = :revived"
        return self._update(principal, decision_id, update, values)

    def lift_broad(self, entry: BroadDeny, *, lifted_at: int) -> bool:
        return self._update(PARTITION, sort_key(entry), LIFT, {":lifted_at": {"N": str(lifted_at)}})

    def _update(self, partition: str, key: str, expression: str, values: Item) -> bool:
        return condition_held(
            self._table,
            lambda: self._client.update_item(
                TableName=self._table,
                Key={"principal": {"S": partition}, "decision_id": {"S": key}},
                UpdateExpression=expression,
                ConditionExpression="attribute_exists(decision_id)",
                ExpressionAttributeValues=values,
            ),
        )

    def entries(self, principal: str) -> Sequence[DenyEntry]:
        items = self._items("principal = :principal", {":principal": {"S": principal}})
        return [entry_of(principal, item) for item in items]

    def broad(self, *, now: int) -> Sequence[BroadDeny]:
        items = self._items(
            "principal = :principal AND decision_id >= :now",
            {":principal": {"S": PARTITION}, ":now": {"S": end_key(now)}},
        )
        return [from_broad_item(item) for item in items]

    def _items(self, condition: str, values: Item) -> list[Any]:
        found: list[Any] = []
        with store_errors(self._table):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression=condition,
                ExpressionAttributeValues=values,
                ConsistentRead=True,
            )
            for page in pages:
                found += page["Items"]
        return found
