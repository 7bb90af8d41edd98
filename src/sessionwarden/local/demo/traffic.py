"""People who use the sample API: real sign-ins, real requests, and the access-log lines that go with them.

Every request is real and passes the authorizer. The access-log lines are written here, because the emulator's
API Gateway writes none: one line for each request, in the product's own format, with its time and the
authorizer's result. Source addresses are from the documentation ranges (RFC 5737).
"""

from __future__ import annotations

import http.client
import json
import secrets
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from sessionwarden.local.emulator.emulator import Emulator
from sessionwarden.local.emulator.sample_api import SampleApi
from sessionwarden.model.event import Event
from sessionwarden.sources.access_log.line import format_access_line

USER_AGENT = "sample-app/1.0"
LOG_STREAM = "demo"
# Each batch is an invocation of ingest, and the emulator starts a process for it.
FLUSH_SECONDS = 0.25
# No answer takes longer, since API Gateway waits 10 s for the authorizer.
REQUEST_SECONDS = 15.0


def now_ms() -> int:
    """Now, as epoch milliseconds."""
    return time.time_ns() // 1_000_000


def new_id() -> str:
    """A new request id, like those of API Gateway."""
    return secrets.token_hex(8)


class Answer(NamedTuple):
    """The API's answer. Times are epoch ms; `caller` is the authorizer's context as the function saw it."""

    id: str
    status: int
    sent_at: int
    answered_at: int
    caller: Mapping[str, Any]


class Tokens(NamedTuple):
    """The tokens of one session. They are never printed."""

    access: str
    refresh: str


class Account(NamedTuple):
    """A user of the sample API. `user` is the `sub`."""

    username: str
    password: str
    user: str


class Endpoint(NamedTuple):
    """One URL of an API, and the names that API Gateway logs for it."""

    url: str
    api_id: str
    stage: str
    route: str


class SignIn:
    """Creates users in the user pool, and signs them in as an application does."""

    def __init__(self, emulator: Emulator, api: SampleApi) -> None:
        self._cognito = emulator.client("cognito-idp")
        self._api = api

    def create(self, username: str) -> Account:
        """Create a user with a random password."""
        password = f"{secrets.token_urlsafe(16)}aA1!"
        created = self._cognito.admin_create_user(
            UserPoolId=self._api.pool_id, Username=username, MessageAction="SUPPRESS"
        )
        self._cognito.admin_set_user_password(
            UserPoolId=self._api.pool_id, Username=username, Password=password, Permanent=True
        )
        subs = [
            attribute["Value"] for attribute in created["User"]["Attributes"] if attribute["Name"] == "sub"
        ]
        return Account(username=username, password=password, user=subs[0])

    def sign_in(self, account: Account) -> Tokens:
        result = self._cognito.initiate_auth(
            ClientId=self._api.client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": account.username, "PASSWORD": account.password},
        )["AuthenticationResult"]
        return Tokens(access=result["AccessToken"], refresh=result["RefreshToken"])

    def get_user(self, tokens: Tokens) -> str:
        """The result of Cognito's GetUser: `200`, or the error code."""
        return _outcome(lambda: self._cognito.get_user(AccessToken=tokens.access))

    def refresh(self, tokens: Tokens) -> str:
        """The result of a token refresh: `200`, or the error code."""
        return _outcome(
            lambda: self._cognito.initiate_auth(
                ClientId=self._api.client_id,
                AuthFlow="REFRESH_TOKEN_AUTH",
                AuthParameters={"REFRESH_TOKEN": tokens.refresh},
            )
        )


def _outcome(call: Any) -> str:
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "200"


class AccessLog:
    """Writes access-log lines as API Gateway does: in batches, shortly after the request.

    `log_groups` are the groups' names by API id. `lines` are all lines written so far, and `written_at` the
    time of the call that wrote each, by its id (epoch ms). `failure` is the error that stopped it, if any.
    """

    def __init__(self, emulator: Emulator, log_groups: Mapping[str, str]) -> None:
        self._logs = emulator.client("logs")
        self._groups = log_groups
        self._pending: list[Event] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        self.lines: list[Event] = []
        self.written_at: dict[str, int] = {}
        self.failure: Exception | None = None
        for log_group in log_groups.values():
            with suppress(self._logs.exceptions.ResourceAlreadyExistsException):
                self._logs.create_log_stream(logGroupName=log_group, logStreamName=LOG_STREAM)

    def __enter__(self) -> AccessLog:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def record(self, event: Event) -> None:
        """Keep a line for the next batch."""
        with self._lock:
            self._pending.append(event)

    def write(self, events: Iterable[Event]) -> None:
        """Put lines into their log groups now."""
        batch = sorted(events, key=lambda event: event.time)
        for api_id in {event.api_id for event in batch}:
            self._write_group(self._groups[str(api_id)], [event for event in batch if event.api_id == api_id])

    def _write_group(self, log_group: str, batch: list[Event]) -> None:
        written_at = now_ms()
        self._logs.put_log_events(
            logGroupName=log_group,
            logStreamName=LOG_STREAM,
            logEvents=[{"timestamp": event.time, "message": format_access_line(event)} for event in batch],
        )
        self.written_at |= {event.id: written_at for event in batch}
        self.lines += batch

    def _run(self) -> None:
        try:
            while not self._stop.wait(FLUSH_SECONDS):
                self._flush()
            self._flush()
        except Exception as error:  # kept for the main thread, which reads it
            self.failure = error

    def _flush(self) -> None:
        with self._lock:
            batch, self._pending = self._pending, []
        self.write(batch)


class Visitor:
    """One connection to the API with one token. For one thread at a time."""

    def __init__(self, tokens: Tokens, *, address: str) -> None:
        self._tokens = tokens
        self._address = address
        self._connection: http.client.HTTPConnection | None = None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def request(self, endpoint: Endpoint, log: AccessLog | None = None) -> Answer:
        """Make one request, and record its line in `log` if there is one.

        Raises `OSError` or `http.client.HTTPException` if the API does not answer.
        """
        target = urlsplit(endpoint.url)
        if self._connection is None:
            assert target.hostname
            self._connection = http.client.HTTPConnection(
                target.hostname, target.port, timeout=REQUEST_SECONDS
            )
        sent_at = now_ms()
        self._connection.request(
            "GET",
            target.path,
            headers={
                "Authorization": f"Bearer {self._tokens.access}",
                "User-Agent": USER_AGENT,
                # the emulator's REST APIs read the client's address from here; its HTTP APIs ignore it
                "X-Forwarded-For": self._address,
            },
        )
        response = self._connection.getresponse()
        body = response.read()
        answer = Answer(
            id=new_id(),
            status=response.status,
            sent_at=sent_at,
            answered_at=now_ms(),
            caller=json.loads(body).get("caller", {}) if response.status == 200 else {},
        )
        if log is not None:
            log.record(self._line(endpoint, answer, len(body)))
        return answer

    def _line(self, endpoint: Endpoint, answer: Answer, size: int) -> Event:
        method, _, path = endpoint.route.partition(" ")
        caller = {
            name: answer.caller.get(name) or None
            for name in ("user", "session", "token", "client", "pool", "decision", "reason")
        }
        return Event(
            id=answer.id,
            time=answer.sent_at,
            source="api_access",
            api_id=endpoint.api_id,
            stage=endpoint.stage,
            route=endpoint.route,
            method=method,
            path=path,
            status=answer.status,
            response_bytes=size,
            latency_ms=answer.answered_at - answer.sent_at,
            source_ip=self._address,
            user_agent=USER_AGENT,
            **caller,
        )
