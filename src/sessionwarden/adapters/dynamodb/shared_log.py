"""Stores shared logs in DynamoDB: each epoch of one is a log of items that never change.

The members that a batch brings to all keys of a shared log become one item. Items are numbered without a gap.
Invariant: a process writes number n only when it knows that all numbers before it exist. So a process that
has read number n has read all before it; it keeps them, and queries only for later numbers.
Reads are strongly consistent and cost only what is new. An epoch with `shared_log_limit` members is full.
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
from sessionwarden.detection.storage.shared_log import SharedLogEpoch, pack
from sessionwarden.detection.storage.shared_log_size import FULL_EPOCHS_KEPT, SHARED_LOG_LIMIT
from sessionwarden.errors import StoreError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

EPOCHS_KEPT = 8
"""Epochs that a process keeps of one shared log. A batch needs the current one and both neighbours; a member
of a small epoch takes more memory than one of a full epoch."""

CHUNK = 8_000
"""Members per item. Each has at most 26 bytes: an item has about 208 KB, and DynamoDB allows 400."""

ATTEMPTS = 30
"""Attempts to append before the batch is returned to the queue."""

AT_ONCE = 2
"""Failed attempts after which a process tries the next number without a pause."""

FIRST_PAUSE_SECONDS = 0.010
LONGEST_PAUSE_SECONDS = 0.200
"""A pause is a random part of a bound that doubles from the first to the longest. Fifty processes that do not
pause lose 18 numbers for each that they get, and pay for all: `benchmarks/shared_log_writers.py`."""

AFTER = "$"
"""Ends the sort key behind all items of an epoch: it sorts behind `#`."""

EpochAddress = tuple[str, int]
"""A shared log and one of its epochs."""


@dataclass(slots=True)
class _Known:
    """What a process has read of an epoch: all members of the items below number `next`."""

    next: int = 0
    members: SharedLogEpoch = field(default_factory=SharedLogEpoch)

    def learn(self, item: Mapping[str, Any], name: str) -> bool:
        """Add the members of the item if it is the next one, whose sort key is `name`; false if it is not."""
        if item.get("slot", {}).get("S") != name:
            return False
        self.members.add_packed(item["members"]["B"])
        self.next += 1
        return True


class DynamoDBSharedLogStore:
    """Implements `ports.SharedLogStore` in the windows table.

    Several threads may call it, each for other shared logs.

    Costs: `append` makes one Query for new items, and one write per `CHUNK` members that no process has
    written yet. `read_shared_log` makes one Query per epoch for new items. It keeps as many members as
    `FULL_EPOCHS_KEPT` full epochs hold; beyond that, the epochs used longest ago must be read again.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        shared_log_limit: int = SHARED_LOG_LIMIT,
        pause: Callable[[float], None] = time.sleep,
        random: Random | None = None,
    ) -> None:
        self.shared_log_limit = shared_log_limit
        self._client = client
        self._table = table
        self._members_kept = FULL_EPOCHS_KEPT * shared_log_limit
        self._pause = pause
        self._random = random or Random()  # noqa: S311  spreads writers out, protects no secret
        self._known: dict[EpochAddress, _Known] = {}
        self._lock = Lock()

    def append(self, shared_log: str, epoch: int, members: frozenset[bytes], *, expires_at: int) -> bool:
        known, _torn = self._catch_up(shared_log, epoch)
        for lost in range(ATTEMPTS):
            if lost > AT_ONCE:
                self._pause(self._random.uniform(0, _longest_pause(lost)))
                self._catch_up(shared_log, epoch)
            missing = sorted(member for member in members if member not in known.members)
            if missing and known.members.count >= self.shared_log_limit:
                return False
            while missing and self._put(shared_log, epoch, known, missing[:CHUNK], expires_at):
                missing = missing[CHUNK:]
            if not missing:
                return True
        raise StoreError(f"{self._table}: {ATTEMPTS} numbers of {shared_log} were taken by others")

    def read_shared_log(self, shared_log: str, epochs: Iterable[int]) -> Mapping[int, SharedLogEpoch]:
        found: dict[int, SharedLogEpoch] = {}
        for epoch in epochs:
            known = self._complete(shared_log, epoch)
            if known.members.count:
                found[epoch] = known.members
        return found

    def _complete(self, shared_log: str, epoch: int) -> _Known:
        """What is known of the epoch after a Query that found its numbers without a gap."""
        for _ in range(ATTEMPTS):
            known, torn = self._catch_up(shared_log, epoch)
            if not torn:
                return known
        raise StoreError(f"{self._table}: {shared_log} was read in pieces {ATTEMPTS} times")

    def _put(self, shared_log: str, epoch: int, known: _Known, chunk: list[bytes], expires_at: int) -> bool:
        """Write the next number; false if another process has written it."""
        item: dict[str, Any] = {
            "key": {"S": shared_log},
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
                # the refusal carries the item that has the number, so the next one needs no Query
                known.learn(cast(Any, error.response).get("Item", {}), _item_name(epoch, known.next))
                return False
        known.next += 1
        known.members.add(chunk)
        return True

    def _catch_up(self, shared_log: str, epoch: int) -> tuple[_Known, bool]:
        """What is known after a Query for new items, and whether that Query found a gap."""
        known = self._keep(shared_log, epoch)
        torn = False
        for item in self._query(shared_log, epoch, known.next):
            # two numbers were written while the Query ran: the next Query finds both
            torn |= not known.learn(item, _item_name(epoch, known.next))
        return known, torn

    def _keep(self, shared_log: str, epoch: int) -> _Known:
        with self._lock:
            # removed and added again, so that the order is that of use
            known = self._known.pop((shared_log, epoch), None) or _Known()
            others = [address for address in self._known if address[0] == shared_log]
            if len(others) >= EPOCHS_KEPT:
                del self._known[others[0]]
            kept = sum(other.members.count for other in self._known.values())
            while kept + known.members.count > self._members_kept and self._known:
                kept -= self._known.pop(next(iter(self._known))).members.count
            self._known[shared_log, epoch] = known
            return known

    def _query(self, shared_log: str, epoch: int, number: int) -> Iterator[Mapping[str, Any]]:
        first, last = _item_name(epoch, number), _epoch_name(epoch) + AFTER
        return items_between(self._client, self._table, shared_log, first, last, attributes="slot, members")


def _longest_pause(lost: int) -> float:
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** (lost - AT_ONCE - 1))


def _epoch_name(epoch: int) -> str:
    return f"s#{epoch:014d}"


def _item_name(epoch: int, number: int) -> str:
    return f"{_epoch_name(epoch)}#{number:010d}"
