"""Reads a range of the windows table, for the window store and the shared log store.

The items of one key come in order of the sort key and strongly consistent, from as many pages as there are:
DynamoDB ends a page at 1 MB.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sessionwarden.adapters.dynamodb.errors import store_errors

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def items_between(
    client: DynamoDBClient, table: str, key: str, first: str, last: str, *, attributes: str
) -> Iterator[Mapping[str, Any]]:
    """The items of `key` from `first` to `last`, both included, with `attributes` (a projection expression).

    Raises `StoreError`, perhaps after it has returned some of the items.
    """
    request: dict[str, Any] = {
        "TableName": table,
        "ConsistentRead": True,
        "KeyConditionExpression": "#key = :key AND slot BETWEEN :first AND :last",
        "ProjectionExpression": attributes,
        "ExpressionAttributeNames": {"#key": "key"},
        "ExpressionAttributeValues": {":key": {"S": key}, ":first": {"S": first}, ":last": {"S": last}},
    }
    while True:
        with store_errors(table):
            page = client.query(**request)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
