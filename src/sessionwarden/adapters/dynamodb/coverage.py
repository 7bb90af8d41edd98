"""Keeps what has been acted upon in DynamoDB, in the control table: one item for each principal or series.

Invariants: a claim is one conditional write, so of two processes that decide about the same events one acts;
an item keeps `MOST_REMEMBERED` acts, so no abuse that goes on for days can fill it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sessionwarden.adapters.dynamodb.errors import condition_held, store_errors
from sessionwarden.model.coverage import NOT_COVERED, Coverage
from sessionwarden.ports import MOST_REMEMBERED, Act

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PREFIX = "acted#"
ACT = "act#"
KEPT_SECONDS = 2 * 86_400
"""How long an item outlives what it covers: acts count for a day, and clocks differ."""

NOT_COVERED_SINCE = (
    "attribute_not_exists(covered_until) OR covered_until <= :since OR covered_by = :by"
    " OR (:lockout = :true AND NOT lockout = :true)"
)


class DynamoDBCoverageStore:
    """`ports.CoverageStore` over the low-level client."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def read(self, name: str) -> Coverage:
        with store_errors(self._table):
            answer = self._client.get_item(TableName=self._table, Key=_key(name), ConsistentRead=True)
        item = answer.get("Item")
        if item is None:
            return NOT_COVERED
        return Coverage(
            until=int(item["covered_until"]["N"]),
            by=item["covered_by"]["S"],
            lockout=item["lockout"]["BOOL"],
            enforced={
                column.removeprefix(ACT): int(value["N"])
                for column, value in item.items()
                if column.startswith(ACT)
            },
        )

    def claim(self, name: str, act: Act, *, since: int) -> bool:
        return self._set(
            name,
            act,
            condition=NOT_COVERED_SINCE,
            values={":since": {"N": str(since)}, ":true": {"BOOL": True}},
        )

    def extend(self, name: str, act: Act) -> None:
        condition = "attribute_not_exists(covered_until) OR covered_until < :until"
        if not self._set(name, act, condition=condition, values={}):
            self._update(
                name,
                "SET #act = if_not_exists(#act, :at)",
                condition="attribute_exists(covered_until)",
                names={"#act": ACT + act.by},
                values={":at": {"N": str(act.at)}},
            )

    def lift(self, name: str, decision_id: str, *, until: int) -> None:
        self._update(
            name,
            "REMOVE #act",
            condition="attribute_exists(#act)",
            names={"#act": ACT + decision_id},
            values={},
        )
        self._update(
            name,
            "SET covered_until = :until",
            condition="covered_by = :by",
            names={},
            values={":until": {"N": str(until)}, ":by": {"S": decision_id}},
        )

    def _set(self, name: str, act: Act, *, condition: str, values: Mapping[str, Any]) -> bool:
        known = self.read(name).enforced
        oldest = sorted(known, key=lambda by: known[by])[: max(len(known) + 1 - MOST_REMEMBERED, 0)]
        forgotten = {f"#old{number}": ACT + by for number, by in enumerate(oldest) if by != act.by}
        remove = f" REMOVE {', '.join(forgotten)}" if forgotten else ""
        return self._update(
            name,
            "SET covered_until = :until, covered_by = :by, lockout = :lockout, expires_at = :expires_at,"
            f" #act = if_not_exists(#act, :at){remove}",
            condition=condition,
            names={"#act": ACT + act.by} | forgotten,
            values={
                ":until": {"N": str(act.until)},
                ":by": {"S": act.by},
                ":lockout": {"BOOL": act.lockout},
                ":at": {"N": str(act.at)},
                ":expires_at": {"N": str(act.until // 1000 + KEPT_SECONDS)},
                **values,
            },
        )

    def _update(
        self,
        name: str,
        expression: str,
        *,
        condition: str,
        names: Mapping[str, str],
        values: Mapping[str, Any],
    ) -> bool:
        optional: dict[str, Any] = {"ExpressionAttributeNames": names} if names else {}
        if values:
            optional["ExpressionAttributeValues"] = values
        return condition_held(
            self._table,
            lambda: self._client.update_item(
                TableName=self._table,
                Key=_key(name),
                UpdateExpression=expression,
                ConditionExpression=condition,
                **optional,
            ),
        )


def _key(name: str) -> Any:
    return {"control": {"S": PREFIX + name}}
