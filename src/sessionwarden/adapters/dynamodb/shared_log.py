"""Shared logs over DynamoDB: for each shared log and epoch a log of items, numbered without a gap, never
changed.

Enters: what a batch brings to all keys of a shared log, as one item. Leaves: all that was ever appended.
Invariant: number n is only written by somebody who knows that all before it exist, so whoever has read up
to n has read everything up to n, and only asks for what came later: this process keeps what it has read.
Reads are strongly consistent; they cost what is new. An epoch with `shared_log_limit` members takes no more.
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
"""Of a shared log. A batch needs the one that goes on and both neighbours; a member of a small epoch takes
more memory than one of a full epoch."""

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
    members: SharedLogEpoch = field(default_factory=SharedLogEpoch)

    def learn(self, item: Mapping[str, Any], wanted: str) -> bool:
        """Take in the item if it is the next one, whose sort key is `wanted`."""
        if item.get("slot", {}).get("S") != wanted:
            return False
        self.members.add_packed(item["members"]["B"])
        self.next += 1
        return True


class DynamoDBSharedLogStore:
    """`ports.SharedLogStore` in the windows table. Several threads may use it, each for other shared logs.

    Costs: `append`, one Query for what is new and one write per `CHUNK` members that nobody has written
    yet; `read_shared_log`, one Query per epoch for what is new. Keeps the members of `FULL_EPOCHS_KEPT` full
    epochs, before those used longest ago must be read again.
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
        self._random = random or Random()  # noqa: S311  spreads writers out, guards nothing
        self._known: dict[Place, _Known] = {}
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
        """What is known once a Query has seen no number behind one that it has not seen."""
        for _ in range(ATTEMPTS):
            known, torn = self._catch_up(shared_log, epoch)
            if not torn:
                return known
        raise StoreError(f"{self._table}: {shared_log} was read in pieces {ATTEMPTS} times")

    def _put(self, shared_log: str, epoch: int, known: _Known, chunk: list[bytes], expires_at: int) -> bool:
        """Write the next number; false if somebody else has."""
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
                # what took the number comes with the refusal, so that no Query is needed for the next one
                known.learn(cast(Any, error.response).get("Item", {}), _item_name(epoch, known.next))
                return False
        known.next += 1
        known.members.add(chunk)
        return True

    def _catch_up(self, shared_log: str, epoch: int) -> tuple[_Known, bool]:
        """What is known by now, and whether a later number was seen than the next one."""
        known = self._keep(shared_log, epoch)
        torn = False
        for item in self._query(shared_log, epoch, known.next):
            # two numbers were written while the Query passed: both are there for the next one
            torn |= not known.learn(item, _item_name(epoch, known.next))
        return known, torn

    def _keep(self, shared_log: str, epoch: int) -> _Known:
        with self._lock:
            # taken out and put back, so that the order is that of use
            known = self._known.pop((shared_log, epoch), None) or _Known()
            others = [place for place in self._known if place[0] == shared_log]
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
