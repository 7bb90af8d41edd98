"""Shelves over DynamoDB: for each shelf and epoch a log of items, numbered without a gap, never changed.

Enters: what a batch brings to all keys of a shelf, as one item. Leaves: all that was ever appended.
Invariant: number n is only written by somebody who knows that all before it exist, so whoever has read up
to n has read everything up to n, and only asks for what came later: this process keeps what it has read.
Reads are strongly consistent; they cost what is new. An epoch with `SHELF_LIMIT` members takes no more.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.ReadConsistency.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sessionwarden.adapters.dynamodb_errors import condition_failed, store_errors
from sessionwarden.errors import StoreError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SHELF_LIMIT = 500_000
"""Members of an epoch of a shelf: about 50 MB in this process."""

MEMBERS_KEPT = 1_000_000
"""Members of all epochs that this process keeps, before those used longest ago must be read again."""

CHUNK = 8_000
"""Members per item. Each has at most 26 bytes and a frame: about 224 KB, of DynamoDB's 400."""

ATTEMPTS = 20
"""How often a number is asked for that somebody else takes first, before the batch fails."""

AFTER = "$"
"""Sorts behind `#`, hence behind every item of an epoch."""

Place = tuple[str, int]


@dataclass(slots=True)
class _Known:
    """All members of the items below `next`."""

    next: int = 0
    members: set[bytes] = field(default_factory=set)


class DynamoDBShelfStore:
    """`ports.ShelfStore` in the windows table. Several threads may use it, each for other shelves.

    Costs: `append`, one Query for what is new and one write per `CHUNK` members that nobody has written
    yet; `read`, one Query per epoch for what is new.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        shelf_limit: int = SHELF_LIMIT,
        members_kept: int = MEMBERS_KEPT,
    ) -> None:
        self.shelf_limit = shelf_limit
        self._client = client
        self._table = table
        self._members_kept = members_kept
        self._known: dict[Place, _Known] = {}
        self._lock = Lock()

    def append(self, shelf: str, epoch: int, members: frozenset[bytes], *, expires_at: int) -> bool:
        for _ in range(ATTEMPTS):
            known, _ahead = self._catch_up(shelf, epoch)
            missing = sorted(members - known.members)
            if not missing:
                return True
            if len(known.members) >= self.shelf_limit:
                return False
            while missing and self._put(shelf, epoch, known, missing[:CHUNK], expires_at):
                missing = missing[CHUNK:]
            if not missing:
                return True
        raise StoreError(f"{self._table}: {ATTEMPTS} numbers of {shelf} were taken by others")

    def read(self, key: str, epochs: Iterable[int]) -> Mapping[int, Set[bytes]]:
        found: dict[int, Set[bytes]] = {}
        for epoch in epochs:
            known, ahead = self._catch_up(key, epoch)
            if known.members or ahead:
                found[epoch] = known.members | ahead if ahead else known.members
        return found

    def _put(self, shelf: str, epoch: int, known: _Known, chunk: list[bytes], expires_at: int) -> bool:
        """Write the next number; false if somebody else has."""
        item: dict[str, Any] = {
            "key": {"S": shelf},
            "slot": {"S": _item_name(epoch, known.next)},
            "members": {"BS": chunk},
            "expires_at": {"N": str(expires_at)},
        }
        with store_errors(self._table):
            try:
                self._client.put_item(
                    TableName=self._table, Item=item, ConditionExpression="attribute_not_exists(slot)"
                )
            except ClientError as error:
                if condition_failed(error):
                    return False
                raise
        known.next += 1
        known.members.update(chunk)
        return True

    def _catch_up(self, shelf: str, epoch: int) -> tuple[_Known, set[bytes]]:
        """What is known by now, and what lies beyond a number that this Query has not seen."""
        known = self._keep(shelf, epoch)
        ahead: set[bytes] = set()
        for item in self._query(shelf, epoch, known.next):
            members = item["members"]["BS"]
            if item["slot"]["S"] == _item_name(epoch, known.next):
                known.next += 1
                known.members.update(members)
            else:
                # two numbers were written while the Query passed: the first of them comes next time
                ahead.update(members)
        return known, ahead

    def _keep(self, shelf: str, epoch: int) -> _Known:
        with self._lock:
            # taken out and put back, so that the order is that of use
            known = self._known.pop((shelf, epoch), None) or _Known()
            kept = sum(len(other.members) for other in self._known.values())
            while kept + len(known.members) > self._members_kept and self._known:
                kept -= len(self._known.pop(next(iter(self._known))).members)
            self._known[shelf, epoch] = known
            return known

    def _query(self, shelf: str, epoch: int, number: int) -> Iterator[Mapping[str, Any]]:
        request: dict[str, Any] = {
            "TableName": self._table,
            "ConsistentRead": True,
            "KeyConditionExpression": "#key = :key AND slot BETWEEN :first AND :last",
            "ProjectionExpression": "slot, members",
            "ExpressionAttributeNames": {"#key": "key"},
            "ExpressionAttributeValues": {
                ":key": {"S": shelf},
                ":first": {"S": _item_name(epoch, number)},
                ":last": {"S": _epoch_name(epoch) + AFTER},
            },
        }
        while True:
            with store_errors(self._table):
                page = self._client.query(**request)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _epoch_name(epoch: int) -> str:
    return f"s#{epoch:014d}"


def _item_name(epoch: int, number: int) -> str:
    return f"{_epoch_name(epoch)}#{number:010d}"
