"""The denylist in DynamoDB, for those who write it: one item per decision under `pool#sub`.

    put          first ─ entry ─ lift ─ tombstone
    put again     └ refused: the item is there ┘      (a redelivered finding changes nothing)

Invariant: a write that was acknowledged is seen by every consistent Query that starts later. The
authorizer reads the same items through a leaner client.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sessionwarden.adapters.dynamodb_errors import condition_failed, store_errors
from sessionwarden.denylist.item import from_item, to_item
from sessionwarden.model.deny import DenyEntry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoDBDenylistStore:
    """`ports.DenylistStore` over the low-level client, so that the item codec is the one shared."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def put(self, principal: str, entry: DenyEntry) -> None:
        with store_errors(self._table):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=to_item(principal, entry),
                    ConditionExpression="attribute_not_exists(decision_id)",
                )
            except ClientError as error:
                if not condition_failed(error):
                    raise

    def lift(self, principal: str, decision_id: str, *, lifted_at: int, revive_tokens: bool) -> bool:
        values: dict[str, Any] = {":lifted_at": {"N": str(lifted_at)}}
        update = "SET lifted_at = if_not_exists(lifted_at, :lifted_at)"
        if revive_tokens:
            values[":revived"] = {"BOOL": True}
            update += ", tokens_revived = :revived"
        with store_errors(self._table):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key={"principal": {"S": principal}, "decision_id": {"S": decision_id}},
                    UpdateExpression=update,
                    ConditionExpression="attribute_exists(decision_id)",
                    ExpressionAttributeValues=values,
                )
            except ClientError as error:
                if condition_failed(error):
                    return False
                raise
        return True

    def entries(self, principal: str) -> Sequence[DenyEntry]:
        found: list[DenyEntry] = []
        with store_errors(self._table):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="principal = :principal",
                ExpressionAttributeValues={":principal": {"S": principal}},
                ConsistentRead=True,
            )
            for page in pages:
                found += [from_item(item)[1] for item in page["Items"]]
        return found
