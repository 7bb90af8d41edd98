"""The window store over DynamoDB: one item per key and epoch, members in a binary set.

Invariant: every operation is safe to repeat. `ADD` to a set commutes with itself, so retries,
duplicates and parallel evaluators need neither locks nor batch ids, and a 500 after a write that
happened is harmless. The one condition keeps an item under DynamoDB's 400 KB. Reads are strongly
consistent. Table layout: docs/reference/data.md; operations:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sessionwarden.adapters.dynamodb_errors import condition_failed, store_errors
from sessionwarden.ports import MEMBER_LIMIT

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CHUNK = 1_000
"""Members per write. A set just under `MEMBER_LIMIT` plus one chunk, of 16 bytes each, is about 340 KB."""

DIGITS = 14
"""Of an epoch or a slot in the sort key: as text, they must sort like numbers."""


class DynamoDBWindowStore:
    """`ports.WindowStore` over the low-level client. Safe in several threads, as boto3's clients are.

    Costs: `add`, one write per set and `CHUNK`, billed for the whole item; `read`, one Query per run
    of neighbouring epochs; `burnt`, one Query per run of neighbouring slots; `burn`, one write.
    """

    def __init__(self, client: DynamoDBClient, table: str, *, member_limit: int = MEMBER_LIMIT) -> None:
        self._client = client
        self.member_limit = member_limit
        self._table = table

    def add(
        self,
        additions: Mapping[tuple[str, int], frozenset[bytes]],
        *,
        expires_at: Mapping[tuple[str, int], int],
    ) -> None:
        for place, members in additions.items():
            # sorted, so that the same batch makes the same requests
            for chunk in _chunks(sorted(members)):
                self._add_chunk(place, chunk, expires_at[place])

    def _add_chunk(self, place: tuple[str, int], members: list[bytes], expires_at: int) -> None:
        key, epoch = place
        with store_errors(self._table):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key={"key": {"S": key}, "slot": {"S": _epoch_name(epoch)}},
                    UpdateExpression="ADD members :members SET expires_at = :expires_at",
                    ConditionExpression="attribute_not_exists(members) OR size(members) < :limit",
                    ExpressionAttributeValues={
                        ":members": {"BS": members},
                        ":expires_at": {"N": str(expires_at)},
                        ":limit": {"N": str(self.member_limit)},
                    },
                )
            except ClientError as error:
                if not condition_failed(error):
                    raise

    def read(self, key: str, epochs: Iterable[int]) -> Mapping[int, frozenset[bytes]]:
        wanted = set(epochs)
        found: dict[int, frozenset[bytes]] = {}
        for first, last in _runs(wanted):
            for item in self._query(key, _epoch_name(first), _epoch_name(last), "slot, members"):
                found[_number(item)] = frozenset(item["members"]["BS"])
        return found

    def burnt(self, key: str, slots: Iterable[int]) -> frozenset[int]:
        return frozenset(
            _number(item)
            for first, last in _runs(set(slots))
            for item in self._query(key, _mark_name(first), _mark_name(last), "slot")
        )

    def burn(self, key: str, slot: int, *, expires_at: int) -> None:
        item = {"key": {"S": key}, "slot": {"S": _mark_name(slot)}, "expires_at": {"N": str(expires_at)}}
        with store_errors(self._table):
            self._client.put_item(TableName=self._table, Item=item)

    def _query(self, key: str, first: str, last: str, projection: str) -> Iterator[Mapping[str, Any]]:
        request: dict[str, Any] = {
            "TableName": self._table,
            "ConsistentRead": True,
            "KeyConditionExpression": "#key = :key AND slot BETWEEN :first AND :last",
            "ProjectionExpression": projection,
            "ExpressionAttributeNames": {"#key": "key"},
            "ExpressionAttributeValues": {":key": {"S": key}, ":first": {"S": first}, ":last": {"S": last}},
        }
        while True:
            with store_errors(self._table):
                page = self._client.query(**request)
            yield from page["Items"]
            # a page ends at 1 MB, which four full sets exceed
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _chunks(members: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(members), CHUNK):
        yield members[start : start + CHUNK]


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of neighbours: a Query must not wade through what lies between."""
    first = last = None
    for number in sorted(numbers):
        if first is not None and last is not None and number != last + 1:
            yield first, last
            first = number
        first = number if first is None else first
        last = number
    if first is not None and last is not None:
        yield first, last


def _epoch_name(epoch: int) -> str:
    return f"e#{epoch:0{DIGITS}d}"


def _mark_name(slot: int) -> str:
    return f"c#{slot:0{DIGITS}d}"


def _number(item: Mapping[str, Any]) -> int:
    return int(item["slot"]["S"][2:])
