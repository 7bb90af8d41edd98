"""What went wrong with a DynamoDB call, in our own error tree.

A 500 or a timeout on a write says "not acknowledged", never "did not happen": callers repeat only
what is safe to repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from sessionwarden.errors import StoreError

CONDITION_FAILED = "ConditionalCheckFailedException"


@contextmanager
def store_errors(table: str) -> Iterator[None]:
    """Turn whatever boto3 raises into `StoreError`."""
    try:
        yield
    except ClientError as error:
        raise StoreError(f"{table}: {error.response['Error']['Code']}") from error
    except BotoCoreError as error:
        raise StoreError(f"{table}: {type(error).__name__}") from error


def condition_held(table: str, write: Callable[[], object]) -> bool:
    """Make a conditional write; false if its condition does not hold, so that nothing was written.

    Raises `StoreError` for every other failure.
    """
    with store_errors(table):
        try:
            write()
        except ClientError as error:
            if condition_failed(error):
                return False
            raise
    return True


def condition_failed(error: ClientError) -> bool:
    """Whether the write was refused because its condition does not hold."""
    return error.response["Error"]["Code"] == CONDITION_FAILED
