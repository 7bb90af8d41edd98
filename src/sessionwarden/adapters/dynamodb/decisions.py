"""Keeps the audit record in DynamoDB: one item per decision, with its results and its lift as attributes.

Results are single attributes, `result_<action>`, each written only if absent: two deliveries of one finding,
or a delivery and a lift, can write at the same time and lose nothing of each other. The index `by_day` serves
lists. It lags, so whether a decision exists is always read from the table itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from sessionwarden.adapters.clock import system_clock
from sessionwarden.adapters.dynamodb.errors import condition_held, store_errors
from sessionwarden.errors import StoreError
from sessionwarden.model.decision import ActionResult, Decision, Enforcement
from sessionwarden.model.finding import Action
from sessionwarden.ports import Clock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

INDEX = "by_day"
RETENTION_SECONDS = 400 * 86_400
"""A year of audit and a month to read it; always longer than any deny or redelivery can live."""
MAX_DAYS = RETENTION_SECONDS // 86_400

_decisions = msgspec.json.Decoder(Decision)
_results = msgspec.json.Decoder(ActionResult)


class DynamoDBDecisionStore:
    """`ports.DecisionStore` over the low-level client."""

    def __init__(self, client: DynamoDBClient, table: str, *, clock: Clock = system_clock) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def record(self, decision: Decision) -> Enforcement:
        is_new = condition_held(
            self._table,
            lambda: self._client.put_item(
                TableName=self._table,
                Item=_to_item(decision),
                ConditionExpression="attribute_not_exists(decision_id)",
            ),
        )
        if is_new:
            return Enforcement(decision=decision, results=(), time=decision.created_at)
        recorded = self.get(decision.id)
        if recorded is None:
            raise StoreError(f"{self._table}: a recorded decision has vanished")
        return recorded

    def attempt(self, decision_id: str, action: Action) -> None:
        self._update(decision_id, "ADD attempted :actions", names={}, values={":actions": {"SS": [action]}})

    def note(self, decision_id: str, result: ActionResult) -> None:
        self._update(
            decision_id,
            "SET #result = if_not_exists(#result, :result)",
            names={"#result": f"result_{result.action}"},
            values={":result": {"S": msgspec.json.encode(result).decode()}},
        )

    def lift(self, decision_id: str, *, lifted_at: int, by: str) -> bool:
        # who and when belong together: a second lift finds both and changes neither
        return self._update(
            decision_id,
            "SET lifted_at = if_not_exists(lifted_at, :at), lifted_by = if_not_exists(lifted_by, :by)",
            names={},
            values={":at": {"N": str(lifted_at)}, ":by": {"S": by}},
        )

    def get(self, decision_id: str) -> Enforcement | None:
        with store_errors(self._table):
            answer = self._client.get_item(
                TableName=self._table, Key={"decision_id": {"S": decision_id}}, ConsistentRead=True
            )
        item = answer.get("Item")
        return None if item is None else self._from_item(item)

    def list(self, *, since_ms: int, limit: int) -> Sequence[Enforcement]:
        with store_errors(self._table):
            return [self._from_item(item) for item in islice(self._items_since(since_ms, limit), limit)]

    def _items_since(self, since_ms: int, limit: int) -> Iterator[Mapping[str, Any]]:
        pages = self._client.get_paginator("query")
        for day in _days(since_ms, self._clock()):
            for page in pages.paginate(
                TableName=self._table,
                IndexName=INDEX,
                KeyConditionExpression="#day = :day AND created_at >= :since",
                ExpressionAttributeNames={"#day": "day"},
                ExpressionAttributeValues={":day": {"S": day}, ":since": {"N": str(since_ms)}},
                ScanIndexForward=False,
                PaginationConfig={"PageSize": limit},
            ):
                yield from page["Items"]

    def _update(
        self, decision_id: str, expression: str, *, names: Mapping[str, str], values: Mapping[str, Any]
    ) -> bool:
        optional: dict[str, Any] = {"ExpressionAttributeNames": names} if names else {}
        return condition_held(
            self._table,
            lambda: self._client.update_item(
                TableName=self._table,
                Key={"decision_id": {"S": decision_id}},
                UpdateExpression=expression,
                ConditionExpression="attribute_exists(decision_id)",
                ExpressionAttributeValues=values,
                **optional,
            ),
        )

    def _from_item(self, item: Mapping[str, Any]) -> Enforcement:
        try:
            return _from_item(item)
        except (msgspec.MsgspecError, KeyError, ValueError) as error:
            raise StoreError(f"{self._table}: a decision cannot be read") from error


def _to_item(decision: Decision) -> dict[str, Any]:
    return {
        "decision_id": {"S": decision.id},
        "day": {"S": _day(decision.created_at)},
        "created_at": {"N": str(decision.created_at)},
        "record": {"S": msgspec.json.encode(decision).decode()},
        "expires_at": {"N": str(decision.created_at // 1000 + RETENTION_SECONDS)},
    }


def _from_item(item: Mapping[str, Any]) -> Enforcement:
    decision = _decisions.decode(item["record"]["S"])
    columns = [f"result_{action}" for action in get_args(Action)]
    results = [_results.decode(item[column]["S"]) for column in columns if column in item]
    results.sort(key=lambda result: result.time)
    return Enforcement(
        decision=decision,
        results=tuple(results),
        time=results[-1].time if results else decision.created_at,
        attempted=tuple(sorted(item["attempted"]["SS"])) if "attempted" in item else (),
        lifted_at=int(item["lifted_at"]["N"]) if "lifted_at" in item else None,
        lifted_by=item["lifted_by"]["S"] if "lifted_by" in item else None,
    )


def _day(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%d")


def _days(since_ms: int, now_ms: int) -> Iterator[str]:
    """From tomorrow (clocks differ) back to the day of `since_ms`, as far as records are kept."""
    first = datetime.fromtimestamp(now_ms / 1000, UTC).date() + timedelta(days=1)
    last = datetime.fromtimestamp(max(since_ms, 0) / 1000, UTC).date()
    for back in range(min((first - last).days, MAX_DAYS) + 1):
        yield (first - timedelta(days=back)).isoformat()
