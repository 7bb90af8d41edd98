"""Stores the sets of windows in DynamoDB: the set of one key and epoch lies in segments of one item each.

Invariants: every operation is safe to repeat. `ADD` to a set commutes with itself, so retries, duplicates
and parallel processes need neither locks nor batch ids. A process writes a member to segment n + 1 only after
it has read segments 0 to n, all full and all without that member. So no member lies in two segments, and a
set holds exactly as many as `ports.WindowStore` says. Reads are strongly consistent.
Table layout: docs/reference/data.md; why segments: docs/explanation/scale.md#hot-keys; operations:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sessionwarden.adapters.dynamodb.errors import condition_held, store_errors
from sessionwarden.adapters.dynamodb.query import items_between
from sessionwarden.adapters.dynamodb.segments import FullSegments, Prefix, SetAddress
from sessionwarden.errors import StoreError
from sessionwarden.ports import MEMBER_LIMIT

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SEGMENT_LIMIT = 500
"""Members of a segment. DynamoDB bills and throttles each write by its whole item. Ten processes that count
1,000 events a second of one key write 461 units a second with segments of 4,000, 164 with 1,000, 100 with
500, 71 with 250 (`benchmarks/write_pattern.py --segments`). Smaller segments cost more items than they
save."""

CHUNK = 1_000
"""Members per write. A segment with room for one member, and one chunk, hold 1,500 of 16 bytes: 27 KB."""

MEMBERS_KEPT = 200_000
"""Members of full segments that a process remembers: ten full sets, about 25 MB."""

ITEMS_AT_ONCE = 100
"""Items that one `BatchGetItem` may ask for:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html"""

DIGITS = 14
"""Digits of an epoch or a suppressed period in the sort key: as text, they must sort like numbers."""

SEGMENT_DIGITS = 3
"""Digits of the number of a segment: the largest set has 40 segments."""

AFTER = "$"
"""Ends the sort key behind all segments of an epoch: it sorts behind `#`."""


class DynamoDBWindowStore:
    """Implements `ports.WindowStore` with the low-level client. Several threads may call it.

    Costs: `add` makes one write per set and `CHUNK`, billed by one segment; each time that another process
    has filled the segment meanwhile, it makes a Query and another write. `read` makes one Query per run of
    neighbouring epochs, for the segments that are not known to be full. `existing` makes one call per 100
    sets, eventually consistent: half a read unit for each that is small or not there. `suppressed` makes one
    Query per run of neighbouring periods, `suppress` one write.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        member_limit: int = MEMBER_LIMIT,
        segment_limit: int = SEGMENT_LIMIT,
        members_kept: int = MEMBERS_KEPT,
    ) -> None:
        self._client = client
        self.member_limit = member_limit
        self._table = table
        self._full = FullSegments(segment_limit=segment_limit, members_kept=members_kept)

    def add(
        self,
        additions: Mapping[tuple[str, int], frozenset[bytes]],
        *,
        expires_at: Mapping[tuple[str, int], int],
        limit: int | None = None,
    ) -> Mapping[tuple[str, int], frozenset[bytes]]:
        limit = limit or self.member_limit
        left = {}
        for address, members in additions.items():
            missing: list[bytes] = []
            # sorted, so that the same batch makes the same requests
            for chunk in _chunks(sorted(members), size=min(CHUNK, limit)):
                missing += self._add_chunk(address, chunk, expires_at[address], limit)
            if missing:
                left[address] = frozenset(missing)
        return left

    def _add_chunk(
        self, address: SetAddress, chunk: list[bytes], expires_at: int, limit: int
    ) -> Sequence[bytes]:
        """Make sure that the set holds the members or is full; returns those that a full set lacks."""
        known = self._full.of(address)
        while (missing := known.lacks(chunk)) and (room := self._full.room(known, limit)):
            if self._write(address, known, missing, expires_at, room):
                return ()
            before, known = known, self._read_behind(address, known, limit)
            if known.held == before.held:
                raise StoreError(f"{self._table}: a full segment was not there when it was read")
        return missing

    def _write(
        self, address: SetAddress, known: Prefix, members: list[bytes], expires_at: int, room: int
    ) -> bool:
        """Add members to the first segment that is not known to be full; false if it is full by now."""
        key, epoch = address
        return condition_held(
            self._table,
            lambda: self._client.update_item(
                TableName=self._table,
                Key={"key": {"S": key}, "slot": {"S": _segment_name(epoch, len(known.segments))}},
                UpdateExpression="ADD members :members SET expires_at = :expires_at",
                ConditionExpression="attribute_not_exists(members) OR size(members) < :limit",
                ExpressionAttributeValues={
                    ":members": {"BS": members},
                    ":expires_at": {"N": str(expires_at)},
                    ":limit": {"N": str(room)},
                },
            ),
        )

    def _read_behind(self, address: SetAddress, known: Prefix, limit: int) -> Prefix:
        """Read the segments behind those that are known to be full; returns all that are known then."""
        key, epoch = address
        first, last = _segment_name(epoch, len(known.segments)), _after(epoch)
        items = self._query(key, first, last, "slot, members")
        found = {_segment(item): _members(item) for item in items}
        return self._full.learn(address, known, found, limit)

    def read(self, key: str, epochs: Iterable[int]) -> Mapping[int, frozenset[bytes]]:
        known = {epoch: self._full.of((key, epoch)) for epoch in epochs}
        found: dict[int, dict[int, frozenset[bytes]]] = {epoch: {} for epoch in known}
        for first, last in self._runs_to_read(known):
            begin = _segment_name(first, len(known[first].segments))
            for item in self._query(key, begin, _after(last), "slot, members"):
                found[_number(item)][_segment(item)] = _members(item)
        sets: dict[int, frozenset[bytes]] = {}
        for epoch, segments in found.items():
            # of sets with a smaller limit, this takes too few segments for full, and never too many
            self._full.learn((key, epoch), known[epoch], segments, self.member_limit)
            if parts := [*known[epoch].segments, *segments.values()]:
                sets[epoch] = parts[0].union(*parts[1:])
        return sets

    def _runs_to_read(self, known: Mapping[int, Prefix]) -> Iterator[tuple[int, int]]:
        """The runs of epochs to query: full sets are left out, known segments begin a run behind them."""
        unknown = [epoch for epoch, prefix in known.items() if self._full.room(prefix, self.member_limit)]
        return _runs(unknown, beginning={epoch for epoch in unknown if known[epoch].segments})

    def existing(self, sets: Collection[SetAddress]) -> frozenset[SetAddress]:
        asked = [
            {"key": {"S": key}, "slot": {"S": _segment_name(epoch, 0)}} for key, epoch in sorted(set(sets))
        ]
        found: set[SetAddress] = set()
        for start in range(0, len(asked), ITEMS_AT_ONCE):
            with store_errors(self._table):
                # what DynamoDB leaves unprocessed counts as not there: no message waits for it
                answer = self._client.batch_get_item(
                    RequestItems={
                        self._table: {
                            "Keys": asked[start : start + ITEMS_AT_ONCE],
                            "ProjectionExpression": "#key, slot",
                            "ExpressionAttributeNames": {"#key": "key"},
                        }
                    }
                )
            for item in answer["Responses"].get(self._table, ()):
                found.add((item["key"]["S"], _number(item)))
        return frozenset(found)

    def suppressed(self, key: str, periods: Iterable[int]) -> frozenset[int]:
        return frozenset(
            _number(item)
            for first, last in _runs(periods)
            for item in self._query(key, _marker_name(first), _marker_name(last), "slot")
        )

    def suppress(self, key: str, period: int, *, expires_at: int) -> None:
        item = {"key": {"S": key}, "slot": {"S": _marker_name(period)}, "expires_at": {"N": str(expires_at)}}
        with store_errors(self._table):
            self._client.put_item(TableName=self._table, Item=item)

    def _query(self, key: str, first: str, last: str, projection: str) -> Iterator[Mapping[str, Any]]:
        return items_between(self._client, self._table, key, first, last, attributes=projection)


def _chunks(members: list[bytes], *, size: int) -> Iterator[list[bytes]]:
    for start in range(0, len(members), size):
        yield members[start : start + size]


def _runs(numbers: Iterable[int], *, beginning: Collection[int] = ()) -> Iterator[tuple[int, int]]:
    """The first and last number of each run of neighbours, so that no Query reads what lies between runs.

    A number in `beginning` is the first of its run.
    """
    first = last = None
    for number in sorted(set(numbers)):
        if first is not None and last is not None and (number != last + 1 or number in beginning):
            yield first, last
            first = number
        first = number if first is None else first
        last = number
    if first is not None and last is not None:
        yield first, last


def _segment_name(epoch: int, segment: int) -> str:
    # the first segment has no number: most sets have no other, and DynamoDB bills names as well
    number = f"#{segment:0{SEGMENT_DIGITS}d}" if segment else ""
    return f"e#{epoch:0{DIGITS}d}{number}"


def _after(epoch: int) -> str:
    return _segment_name(epoch, 0) + AFTER


def _marker_name(period: int) -> str:
    return f"c#{period:0{DIGITS}d}"


def _number(item: Mapping[str, Any]) -> int:
    return int(item["slot"]["S"].split("#")[1])


def _segment(item: Mapping[str, Any]) -> int:
    _, _, *segment = item["slot"]["S"].split("#")
    return int(segment[0]) if segment else 0


def _members(item: Mapping[str, Any]) -> frozenset[bytes]:
    return frozenset(item["members"]["BS"])
