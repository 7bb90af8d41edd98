"""Shelves over DynamoDB: for each shelf and epoch a log of items, numbered without a gap, never changed.

Enters: what a batch brings to all keys of a shelf, as one item. Leaves: all that was ever appended.
Invariant: number n is only written by somebody who knows that all before it exist, so whoever has read up
to n has read everything up to n, and only asks for what came later: this process keeps what it has read.
Reads are strongly consistent; they cost what is new. An epoch with `shelf_limit` members takes no more.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.ReadConsistency.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from sessionwarden.adapters.dynamodb.errors import condition_failed, store_errors
from sessionwarden.adapters.dynamodb.query import items_between
from sessionwarden.detection.storage.shared_log import ShelfEpoch, pack
from sessionwarden.detection.storage.shared_log_size import FULL_EPOCHS_KEPT, SHELF_LIMIT
from sessionwarden.errors import StoreError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

EPOCHS_KEPT = 8
"""Of a shelf. A batch needs the one that goes on and both neighbours; a member of a small epoch takes more
memory than one of a full epoch."""

CHUNK = 8_000
"""Members per item. Each has at most 26 bytes: about 208 KB, of DynamoDB's 400."""

ATTEMPTS = 30
"""How often a number is asked for that somebody else takes first, before the batch fails."""

AT_ONCE = 2
"""Of these, those after which the next number is tried without a pause."""

FIRST_PAUSE_SECONDS = 0.010
LONGEST_PAUSE_SECONDS = 0.200
"""A pause is a random part of what doubles from the first to the longest. Fifty writers who do not wait
lose 18 numbers for each that they get, and pay for all: `benchmarks/shared_log_writers.py`."""

AFTER = "$"
"""Sorts behind `#`, hence behind every item of an epoch."""

Place = tuple[str, int]


@dataclass(slots=True)
class _Known:
    """All members of the items below `next`."""

    next: int = 0
    members: ShelfEpoch = field(default_factory=ShelfEpoch)

    def learn(self, item: Mapping[str, Any], wanted: str) -> bool:
        """Take in the item if it is the next one, whose sort key is `wanted`."""
        if item.get("slot", {}).get("S") != wanted:
            return False
        self.members.add_packed(item["members"]["B"])
        self.next += 1
        return True


class DynamoDBShelfStore:
    """`ports.ShelfStore` in the windows table. Several threads may use it, each for other shelves.

    Costs: `append`, one Query for what is new and one write per `CHUNK` members that nobody has written
    yet; `read_shelf`, one Query per epoch for what is new. Keeps the members of `FULL_EPOCHS_KEPT` full
    epochs, before those used longest ago must be read again.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        shelf_limit: int = SHELF_LIMIT,
        pause: Callable[[float], None] = time.sleep,
        random: Random | None = None,
    ) -> None:
        self.shelf_limit = shelf_limit
        self._client = client
        self._table = table
        self._members_kept = FULL_EPOCHS_KEPT * shelf_limit
        self._pause = pause
        self._random = random or Random()  # noqa: S311  spreads writers out, guards nothing
        self._known: dict[Place, _Known] = {}
        self._lock = Lock()

    def append(self, shelf: str, epoch: int, members: frozenset[bytes], *, expires_at: int) -> bool:
        known, _torn = self._catch_up(shelf, epoch)
        for lost in range(ATTEMPTS):
            if lost > AT_ONCE:
                self._pause(self._random.uniform(0, _longest_pause(lost)))
                self._catch_up(shelf, epoch)
            missing = sorted(member for member in members if member not in known.members)
            if missing and known.members.count >= self.shelf_limit:
                return False
            while missing and self._put(shelf, epoch, known, missing[:CHUNK], expires_at):
                missing = missing[CHUNK:]
            if not missing:
                return True
        raise StoreError(f"{self._table}: {ATTEMPTS} numbers of {shelf} were taken by others")

    def read_shelf(self, shelf: str, epochs: Iterable[int]) -> Mapping[int, ShelfEpoch]:
        found: dict[int, ShelfEpoch] = {}
        for epoch in epochs:
            known = self._complete(shelf, epoch)
            if known.members.count:
                found[epoch] = known.members
        return found

    def _complete(self, shelf: str, epoch: int) -> _Known:
        """What is known once a Query has seen no number behind one that it has not seen."""
        for _ in range(ATTEMPTS):
            known, torn = self._catch_up(shelf, epoch)
            if not torn:
                return known
        raise StoreError(f"{self._table}: {shelf} was read in pieces {ATTEMPTS} times")

    def _put(self, shelf: str, epoch: int, known: _Known, chunk: list[bytes], expires_at: int) -> bool:
        """Write the next number; false if somebody else has."""
        item: dict[str, Any] = {
            "key": {"S": shelf},
            "slot": {"S": _item_name(epoch, known.next)},
            "members": {"B": pack(chunk)},
            "expires_at": {"N": str(expires_at)},
        }
        with store_errors(self._table):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression="attribute_not_exists(slot)",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if not condition_failed(error):
                    raise
                # what took the number comes with the refusal, so that no Query is needed for the next one
                known.learn(cast(Any, error.response).get("Item", {}), _item_name(epoch, known.next))
                return False
        known.next += 1
        known.members.add(chunk)
        return True

    def _catch_up(self, shelf: str, epoch: int) -> tuple[_Known, bool]:
        """What is known by now, and whether a later number was seen than the next one."""
        known = self._keep(shelf, epoch)
        torn = False
        for item in self._query(shelf, epoch, known.next):
            # two numbers were written while the Query passed: both are there for the next one
            torn |= not known.learn(item, _item_name(epoch, known.next))
        return known, torn

    def _keep(self, shelf: str, epoch: int) -> _Known:
        with self._lock:
            # taken out and put back, so that the order is that of use
            known = self._known.pop((shelf, epoch), None) or _Known()
            others = [place for place in self._known if place[0] == shelf]
            if len(others) >= EPOCHS_KEPT:
                del self._known[others[0]]
            kept = sum(other.members.count for other in self._known.values())
            while kept + known.members.count > self._members_kept and self._known:
                kept -= self._known.pop(next(iter(self._known))).members.count
            self._known[shelf, epoch] = known
            return known

    def _query(self, shelf: str, epoch: int, number: int) -> Iterator[Mapping[str, Any]]:
        first, last = _item_name(epoch, number), _epoch_name(epoch) + AFTER
        return items_between(self._client, self._table, shelf, first, last, attributes="slot, members")


def _longest_pause(lost: int) -> float:
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** (lost - AT_ONCE - 1))


def _epoch_name(epoch: int) -> str:
    return f"s#{epoch:014d}"


def _item_name(epoch: int, number: int) -> str:
    return f"{_epoch_name(epoch)}#{number:010d}"
