"""The tables of the enforcement stores, made where the tests ask for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws

BACKENDS = ("memory", "moto", "ministack")


@contextmanager
def dynamodb(backend: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A client for moto or for the emulator, which only starts if a test wants it."""
    if backend == "moto":
        with mock_aws():
            yield boto3.client("dynamodb", region_name="us-east-1")
    else:
        yield request.getfixturevalue("emulator").client("dynamodb")


def make_table(client: Any, create: Callable[[Any, str], None]) -> str:
    """A table of a name of its own, since the emulator is shared."""
    name = f"t-{uuid4().hex}"
    create(client, name)
    return name


def denylist_table(client: Any, name: str) -> None:
    _create(client, name, {"principal": "HASH", "decision_id": "RANGE"})


def control_table(client: Any, name: str) -> None:
    _create(client, name, {"control": "HASH"})


def decisions_table(client: Any, name: str) -> None:
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "decision_id", "AttributeType": "S"},
            {"AttributeName": "day", "AttributeType": "S"},
            {"AttributeName": "created_at", "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": "decision_id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_day",
                "KeySchema": [
                    {"AttributeName": "day", "KeyType": "HASH"},
                    {"AttributeName": "created_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )


def _create(client: Any, name: str, keys: dict[str, str]) -> None:
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys.items()],
    )
