"""Reads the denylist while a client waits, with as little CPU as a signed DynamoDB request can cost.

Reads are strongly consistent. Invariants: within 300 ms (name resolution and fetching credentials aside)
there is an answer or a `StoreError`; a page that cannot be read, a damaged item, or one of another principal
fails the whole read, so that no entry is skipped. A read costs boto3 650 to 880 µs of CPU, a raw socket 35
to 58; writing stays with boto3.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html
"""

from __future__ import annotations

import json
from binascii import crc32
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring_ascii
from threading import local
from time import monotonic, time
from typing import Any, NamedTuple

from sessionwarden.adapters.lean.connection import Connection, Endpoint, HttpError, Response, parse_endpoint
from sessionwarden.adapters.lean.credentials import credentials_source
from sessionwarden.adapters.lean.shared_call import SharedCall
from sessionwarden.adapters.lean.sigv4 import Credentials, Signer
from sessionwarden.denylist.broad import (
    MAX_AGE_SECONDS,
    PARTITION,
    BroadDenies,
    end_key,
    from_broad_item,
)
from sessionwarden.denylist.item import entry_of
from sessionwarden.errors import StoreError
from sessionwarden.model.deny import DenyEntry

DEADLINE_SECONDS = 0.3
# Half of the deadline: if a kept connection has died silently, there is time left for a fresh one.
FIRST_ATTEMPT_SECONDS = 0.15
# The answer to nearly every read, exactly as DynamoDB writes it; any other text is parsed.
_NO_ITEMS = b'{"Count":0,"Items":[],"ScannedCount":0}'
# A page of a Query holds up to 1 MB of items, and more than that as JSON.
MAX_BODY_BYTES = 4_194_304

QUERY = "DynamoDB_20120810.Query"
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
_RETRYABLE = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "RequestLimitExceeded",
        "InternalServerError",
        "ServiceUnavailable",
    }
)


class _Own(local):
    """The connection of one thread: an exchange occupies it."""

    def __init__(self, endpoint: Endpoint, cafile: str | None) -> None:
        self.connection = Connection(endpoint, max_body_bytes=MAX_BODY_BYTES, cafile=cafile)


class LeanDenylist:
    """Reads a denylist table. Safe for threads: each keeps one connection.

    `credentials` is called before each read and is not part of the deadline. `deadline_seconds` covers
    connecting, every page, and one retry on a fresh connection (a Query changes nothing, so it can repeat).
    """

    def __init__(
        self,
        *,
        table: str,
        region: str,
        endpoint_url: str,
        credentials: Callable[[], Credentials],
        cafile: str | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
        first_attempt_seconds: float = FIRST_ATTEMPT_SECONDS,
    ) -> None:
        endpoint = parse_endpoint(endpoint_url)
        self._own = _Own(endpoint, cafile)
        self._signer = Signer(region=region, service="dynamodb", host=endpoint.authority)
        # the part of a query's body that never changes is built once, not on each request
        start = f'{{"TableName":{encode_basestring_ascii(table)},"ConsistentRead":true,'
        self._entries_body = (
            start + '"KeyConditionExpression":"principal = :p","ExpressionAttributeValues":{":p":{"S":'
        ).encode("ascii")
        self._poll_body = (
            start + '"KeyConditionExpression":"principal = :p AND decision_id >= :now",'
            f'"ExpressionAttributeValues":{{":p":{{"S":"{PARTITION}"}},":now":{{"S":'
        ).encode("ascii")
        self._credentials = credentials
        self._deadline_seconds = deadline_seconds
        self._first_attempt_seconds = first_attempt_seconds

    def entries(self, principal: str) -> tuple[DenyEntry, ...]:
        """Every entry of `principal`, expired ones included.

        Raises `StoreError` if the table did not answer in time or refused, `DamagedItemError` if an
        item cannot be read. Costs one read unit for each 4 KB.
        """
        body = self._entries_body + encode_basestring_ascii(principal).encode("ascii") + b"}}}"
        return tuple(entry_of(principal, item) for item in self._items(body))

    def broad(self, now: int) -> BroadDenies:
        """The clients and networks that are denied at `now` (epoch seconds) or later.

        Raises as `entries` does. Costs one read unit for each 4 KB of entries that are in force.
        """
        body = self._poll_body + encode_basestring_ascii(end_key(now)).encode("ascii") + b"}}}"
        return BroadDenies(map(from_broad_item, self._items(body)))

    def _items(self, first_body: bytes) -> list[Any]:
        # before the clock starts: a restored environment has to fetch them first
        credentials = self._credentials()
        end = monotonic() + self._deadline_seconds
        found: list[Any] = []
        body = first_body
        while True:
            page = _parse_page(self._ask(body, credentials, end))
            found += page.items
            if page.last_key is None:
                return found
            body = json.dumps(json.loads(first_body) | {"ExclusiveStartKey": page.last_key}).encode("ascii")

    def close(self) -> None:
        """Close this thread's connection; its next read opens another."""
        self._own.connection.close()

    def _ask(self, body: bytes, credentials: Credentials, end: float) -> bytes:
        """The body of a good answer, after at most two requests."""
        first_end = min(end, monotonic() + self._first_attempt_seconds)
        try:
            return self._once(body, credentials, first_end)
        except _RetryableError:
            self._own.connection.close()
        try:
            return self._once(body, credentials, end)
        except _RetryableError as error:
            self._own.connection.close()
            raise StoreError(f"the denylist was not read: {error}") from error

    def _once(self, body: bytes, credentials: Credentials, end: float) -> bytes:
        lines = self._signer.headers(target=QUERY, body=body, credentials=credentials, now=time())
        head = f"POST / HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        try:
            response = self._own.connection.exchange(head.encode("ascii") + body, end)
        except HttpError as error:
            raise _RetryableError(str(error)) from error
        _check(response)
        return response.body


class _Reading(NamedTuple):
    found: BroadDenies
    read_at: float


class Poll:
    """Returns the denied clients and networks when called; reads them again at `MAX_AGE_SECONDS` old.

    Threads share the reading: one reads, and those that need it meanwhile wait for it, for `wait_seconds` at
    most. `read` receives the time in epoch seconds and may leave out entries that have ended. The read
    happens within the request, since a function that is frozen between requests has no background. A failed
    read raises, in every thread that waited for it, because an older answer is never used. `clock` is epoch
    seconds: a frozen function's monotonic clock stands still.
    """

    def __init__(
        self,
        read: Callable[[int], BroadDenies],
        *,
        clock: Callable[[], float] = time,
        wait_seconds: float = 2 * DEADLINE_SECONDS,
    ) -> None:
        self._read = read
        self._clock = clock
        # one object, so that no thread takes the age of one reading for that of another
        self._latest: _Reading | None = None
        self._shared: SharedCall[BroadDenies] = SharedCall(wait_seconds)

    def __call__(self) -> BroadDenies:
        young = self._young(self._clock())
        return self._shared(self._renewed) if young is None else young

    def _young(self, now: float) -> BroadDenies | None:
        latest = self._latest
        return latest.found if latest is not None and 0 <= now - latest.read_at < MAX_AGE_SECONDS else None

    def _renewed(self) -> BroadDenies:
        now = self._clock()
        # another thread may have read them since this one looked
        found = self._young(now)
        if found is None:
            found = self._read(int(now))
            # the time before the read, since an entry written during it may be missing
            self._latest = _Reading(found, now)
        return found


def lean_denylist(
    environ: Mapping[str, str], *, table: str, region: str, deadline_seconds: float = DEADLINE_SECONDS
) -> LeanDenylist:
    """A reader whose endpoint and credentials come from the environment of a Lambda function.

    Raises `ValueError` for an endpoint that is no http or https URL, or for a credentials endpoint that may
    not be asked.
    """
    endpoint_url = (
        environ.get("AWS_ENDPOINT_URL_DYNAMODB")
        or environ.get("AWS_ENDPOINT_URL")
        or f"https://dynamodb.{region}.amazonaws.com"
    )
    return LeanDenylist(
        table=table,
        region=region,
        endpoint_url=endpoint_url,
        credentials=credentials_source(environ),
        deadline_seconds=deadline_seconds,
        first_attempt_seconds=deadline_seconds / 2,
    )


class _RetryableError(Exception):
    """The attempt failed in a way that a second one may not."""


class _Page(NamedTuple):
    items: list[Any]
    last_key: Mapping[str, Any] | None


def _check(response: Response) -> None:
    if response.status == 200:
        checksum = response.headers.get("x-amz-crc32")
        if checksum is not None and checksum != str(crc32(response.body)):
            raise _RetryableError("checksum of the answer is wrong")
        return
    code = _error_code(response.body)
    if response.status >= 500 or code in _RETRYABLE:
        raise _RetryableError(f"status {response.status} {code}")
    raise StoreError(f"the denylist refused to be read: status {response.status} {code}")


def _error_code(body: bytes) -> str:
    try:
        error = json.loads(body)
        kind = error.get("__type") if isinstance(error, dict) else None
    except (ValueError, RecursionError):
        kind = None
    # this goes to a log, so only a name of the documented form is passed on
    name = kind.rpartition("#")[2] if isinstance(kind, str) else ""
    return name if name.isascii() and name.isalnum() and len(name) <= 64 else "unknown error"


def _parse_page(body: bytes) -> _Page:
    if body == _NO_ITEMS:
        return _Page([], None)
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise StoreError("the denylist's answer is not JSON") from None
    if not isinstance(answer, dict):
        raise StoreError("the denylist's answer is not a Query result")
    items, last_key = answer.get("Items"), answer.get("LastEvaluatedKey")
    if not isinstance(items, list) or not (last_key is None or isinstance(last_key, dict)):
        raise StoreError("the denylist's answer is not a Query result")
    return _Page(items, last_key or None)
