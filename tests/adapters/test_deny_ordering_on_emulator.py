"""No ordering of deny writes and requests allows after an acknowledged deny, with real concurrency.

Writers and authorizers run as threads against one table of the emulator; an instant is taken before
each request and after each acknowledged write. The property is on those instants alone, so that the
scheduler may do what it likes: nothing here waits for a clock, nor fails on a slow machine.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessionwarden.adapters.lean.denylist import LeanDenylist, lean_denylist
from sessionwarden.authorizer.authorizer import Authorizer
from sessionwarden.authorizer.operator_notes import note
from sessionwarden.authorizer.request import web_request
from sessionwarden.denylist.item import to_item
from sessionwarden.model.deny import DenyEntry
from sessionwarden.model.principal import principal
from sessionwarden.tokens.cognito import CognitoVerifier, Pool
from sessionwarden.tokens.verified import VerifiedTokens
from tests.support.tables import denylist_table, make_table
from tests.support.tokens import NOW, POOL, claims, jwks, token

if TYPE_CHECKING:
    from sessionwarden.local.emulator.emulator import Emulator

REQUEST = web_request(method="GET", path="/x")
SESSION = "0a0a0a0a-1111-4222-8333-444444444444"
# what a deny can be: each alone refuses the token of these tests
DENIES = {
    "user": DenyEntry("user", NOW + 900, deny_until=NOW + 900),
    "sign-out": DenyEntry("sign-out", NOW + 900, not_before=NOW - 600),
    "session": DenyEntry("session", NOW + 900, session=SESSION),
}
# what else may be written meanwhile: none of it denies, none may hide what does
NOISE = {
    "lifted": DenyEntry("lifted", NOW + 900, deny_until=NOW + 900, lifted_at=NOW),
    "expired": DenyEntry("expired", NOW - 1, deny_until=NOW + 900),
    "older": DenyEntry("older", NOW + 900, not_before=NOW - 601),
    "other-session": DenyEntry("other-session", NOW + 900, session="another"),
}


class Answer(NamedTuple):
    """When a request began, and whether it was allowed."""

    began: int
    allowed: bool


class Ticks:
    """A count that only grows: orders what happened in different threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def next(self) -> int:
        with self._lock:
            self._count += 1
            return self._count


@pytest.fixture(scope="module")
def table(emulator: Emulator) -> str:
    return make_table(emulator.client("dynamodb"), denylist_table)


def reader(emulator: Emulator, table: str) -> LeanDenylist:
    lean = lean_denylist(emulator.environment(), table=table, region="us-east-1")
    # a busy machine must not turn a slow read into the refusal that hides a wrong allow
    return LeanDenylist(
        table=table,
        region="us-east-1",
        endpoint_url=emulator.endpoint_url,
        credentials=lean._credentials,
        deadline_seconds=20,
        first_attempt_seconds=10,
    )


class Race:
    """Writers and authorizers of one user, let loose together; `run` waits for all of them."""

    def __init__(self, emulator: Emulator, table: str) -> None:
        self.acknowledged: list[int] = []
        self.answers: list[Answer] = []
        self._emulator = emulator
        self._table = table
        self._sub = str(uuid.uuid4())
        self._text = token(claims(sub=self._sub))
        self._ticks = Ticks()
        self._written = threading.Event()
        self._failures: list[Exception] = []

    def run(self, writers: list[list[str]], authorizers: int) -> None:
        start = threading.Barrier(len(writers) + authorizers)
        writing = [self._thread(start, partial(self._write, names)) for names in writers]
        asking = [self._thread(start, self._authorize) for _ in range(authorizers)]
        for threads in (writing, asking):
            for thread in threads:
                thread.join(60)
                assert not thread.is_alive()
            self._written.set()
        assert self._failures == []

    def _thread(self, start: threading.Barrier, work: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                start.wait(30)
                work()
            except Exception as error:
                self._failures.append(error)
                self._written.set()

        thread = threading.Thread(target=guarded)
        thread.start()
        return thread

    def _write(self, names: list[str]) -> None:
        for name in names:
            item = to_item(principal(POOL, self._sub), (DENIES | NOISE)[name])
            self._emulator.client("dynamodb").put_item(TableName=self._table, Item=item)
            if name in DENIES:
                self.acknowledged.append(self._ticks.next())

    def _authorize(self) -> None:
        denylist = reader(self._emulator, self._table)
        # the cache of verified tokens is on: it must change nothing here
        service = authorizer(denylist, VerifiedTokens())
        after_the_last_write = 0
        while after_the_last_write < 3:
            after_the_last_write += self._written.is_set()
            began = self._ticks.next()
            self.answers.append(Answer(began, service.decide(self._text, REQUEST).allowed))
        denylist.close()


def authorizer(denylist: LeanDenylist, cache: VerifiedTokens | None = None) -> Authorizer:
    verifier = CognitoVerifier([Pool(POOL, None)], fetch=lambda url: jwks(), clock=lambda: NOW, cache=cache)
    return Authorizer(verifier=verifier, denylist=denylist, clock=lambda: float(NOW), report=note)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    writers=st.lists(
        st.lists(st.sampled_from([*DENIES, *NOISE]), min_size=1, max_size=5, unique=True),
        min_size=1,
        max_size=3,
    ).filter(lambda lists: any(name in DENIES for names in lists for name in names)),
    authorizers=st.integers(min_value=2, max_value=4),
)
def test_no_request_that_begins_after_an_acknowledged_deny_is_allowed(
    emulator: Emulator, table: str, writers: list[list[str]], authorizers: int
) -> None:
    race = Race(emulator, table)
    race.run(writers, authorizers)
    first = min(race.acknowledged)
    late = [answer for answer in race.answers if answer.began > first]
    assert len(late) >= 2 * authorizers
    assert not any(answer.allowed for answer in late)


def test_the_same_token_passes_while_nothing_denies_it(emulator: Emulator, table: str) -> None:
    """Without this the property above would also hold for an authorizer that refuses everything."""
    sub = str(uuid.uuid4())
    for entry in NOISE.values():
        emulator.client("dynamodb").put_item(TableName=table, Item=to_item(principal(POOL, sub), entry))
    denylist = reader(emulator, table)
    assert authorizer(denylist).decide(token(claims(sub=sub)), REQUEST).allowed
    denylist.close()
