"""Stand-ins for AWS clients that count what AWS would bill, and keep what DynamoDB would keep.

Enters: the requests that the real adapters make. Leaves: units by service. Invariants: a write costs 1 KB
steps of the whole item after the update (or of the item whose condition failed), a Query 4 KB steps of what
it matched, whatever the projection; a request's payload counts in steps of 64 KB.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from botocore.exceptions import ClientError

KB = 1024
PAYLOAD_STEP = 64 * KB


class TableMeter(Protocol):
    """What a table's calls are told to; sizes in bytes."""

    def wrote(self, call: str, key: str, size: int) -> None:
        """An item of a partition key was written, or refused to be; its size afterwards."""
        ...

    def read(self, key: str, size: int) -> None:
        """A Query of a partition key matched items of this size together."""
        ...


class Bill:
    """Units by name, as `prices.toml` prices them, and calls by name, for people."""

    def __init__(self) -> None:
        self.units: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()

    def payload(self, name: str, size: int) -> None:
        """A request or event billed by its payload (bytes)."""
        self.units[name] += steps(size, PAYLOAD_STEP)

    def wrote(self, call: str, key: str, size: int) -> None:
        """As of `TableMeter`."""
        self.calls[call] += 1
        self.units["dynamodb_write"] += steps(size, KB)

    def read(self, key: str, size: int) -> None:
        """As of `TableMeter`; a page ends at 1 MB."""
        self.calls["Query"] += steps(size, KB * KB)
        self.units["dynamodb_read"] += steps(size, 4 * KB)


def steps(size: int, step: int) -> int:
    """How many steps are begun; at least one."""
    return max(1, -(-size // step))


class _Partition:
    """The items of one partition key, in the order of their sort keys, with what each weighs."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self.sizes: dict[str, int] = {}
        self._periods: list[str] = []

    def put(self, period: str, item: dict[str, Any], size: int) -> None:
        """Keep an item, new or changed."""
        if period not in self.items:
            insort(self._periods, period)
        self.items[period] = item
        self.sizes[period] = size

    def between(self, first: str, last: str) -> Sequence[str]:
        """The sort keys from `first` to `last`. To look at each would grow with the log."""
        return self._periods[bisect_left(self._periods, first) : bisect_right(self._periods, last)]


class MeteredTable:
    """The calls of the stores of the windows table, over items in this process."""

    def __init__(self, meter: TableMeter) -> None:
        self._meter = meter
        self._partitions: dict[str, _Partition] = {}

    def update_item(self, **request: Any) -> dict[str, Any]:
        key, period = (request["Key"][name]["S"] for name in ("key", "slot"))
        partition = self._partition(key)
        item = partition.items.get(period) or {"slot": {"S": period}, "members": {"BS": set()}}
        members, values = item["members"]["BS"], request["ExpressionAttributeValues"]
        size = partition.sizes.get(period) or _names(key, period) + len("members") + 3
        full = len(members) >= int(values[":limit"]["N"])
        if not full:
            fresh = set(values[":members"]["BS"]) - members
            members |= fresh
            size += sum(map(len, fresh)) + len(fresh)
            partition.put(period, item, size)
        self._meter.wrote("UpdateItem", key, size)
        if full:
            raise _condition_failed("UpdateItem")
        return {}

    def put_item(self, **request: Any) -> dict[str, Any]:
        item = request["Item"]
        key, period = item["key"]["S"], item["slot"]["S"]
        partition = self._partition(key)
        if "ConditionExpression" in request and period in partition.items:
            self._meter.wrote("PutItem", key, partition.sizes[period])
            raise _condition_failed("PutItem", partition.items[period])
        packed = item["members"]["B"] if "members" in item else b""
        size = _names(key, period) + len("members") + len(packed)
        partition.put(period, item, size)
        self._meter.wrote("PutItem", key, size)
        return {}

    def query(self, **request: Any) -> dict[str, Any]:
        values = {name: value["S"] for name, value in request["ExpressionAttributeValues"].items()}
        key = values[":key"]
        partition = self._partition(key)
        found = partition.between(values[":first"], values[":last"])
        self._meter.read(key, sum(map(partition.sizes.__getitem__, found)))
        return {"Items": [partition.items[period] for period in found]}

    def _partition(self, key: str) -> _Partition:
        return self._partitions.get(key) or self._partitions.setdefault(key, _Partition())


def _condition_failed(operation: str, item: Mapping[str, Any] | None = None) -> ClientError:
    """`item` is there if the request asks for what failed its condition."""
    answer: Any = {"Error": {"Code": "ConditionalCheckFailedException"}}
    return ClientError(answer | ({"Item": item} if item else {}), operation)


def _names(key: str, period: str) -> int:
    # names of the attributes, and a number of ten digits
    return len("key") + len(key) + len("slot") + len(period) + len("expires_at") + 6


class MeteredBus:
    """`put_events`; what ingest puts goes on to `delivered`, as details."""

    def __init__(self, bill: Bill) -> None:
        self._bill = bill
        self.delivered: list[str] = []

    def put_events(self, **request: Any) -> dict[str, Any]:
        self._bill.calls["PutEvents"] += 1
        entries = request["Entries"]
        for entry in entries:
            size = sum(len(entry[name].encode()) for name in ("Source", "DetailType", "Detail"))
            self._bill.payload("eventbridge_event", size)
            self.delivered.append(entry["Detail"])
        return {"FailedEntryCount": 0, "Entries": [{}] * len(entries)}


class MeteredQueue:
    """The findings queue: sends, and the receive and the delete that follow each."""

    def __init__(self, bill: Bill) -> None:
        self._bill = bill

    def send_message_batch(self, **request: Any) -> dict[str, Any]:
        entries = request["Entries"]
        size = sum(len(entry["MessageBody"].encode()) for entry in entries)
        self._bill.payload("sqs_request", size)
        self._bill.payload("sqs_request", size)
        self._bill.payload("sqs_request", 0)
        return {"Successful": [{"Id": entry["Id"]} for entry in entries], "Failed": []}
