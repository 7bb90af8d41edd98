"""`decide` in a server of many threads: what one of them learnt, the others know."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from sessionwarden import authorizer
from sessionwarden.authorizer import assemble, decide, web_request
from sessionwarden.denylist.broad import BroadDenies
from sessionwarden.errors import StoreError
from sessionwarden.model.deny import BroadDeny, DenyEntry
from sessionwarden.tokens import cognito, jws
from sessionwarden.tokens import jwks as jwks_module
from tests.support.paths import PROJECT
from tests.support.tokens import CLIENT, NOW, POOL, jwks, token

REQUEST = web_request(method="GET", path="/x", source_ip="203.0.113.7")
ENVIRON = {
    "SESSIONWARDEN_USER_POOLS": json.dumps([{"pool_id": POOL, "client_ids": [CLIENT]}]),
    "SESSIONWARDEN_DENYLIST_TABLE": "denylist",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "k",
    "AWS_SECRET_ACCESS_KEY": "s",
}


class World:
    """What the process's authorizer asks for, counted. `fetch` waits until `release` is set."""

    def __init__(self) -> None:
        self.now = NOW
        self.fetches = self.polls = self.checked = 0
        self.document: bytes | None = jwks()
        self.denied = BroadDenies()
        self.release = threading.Event()
        self.release.set()
        self.entered = threading.Event()

    def fetch(self, url: str) -> bytes:
        self.fetches += 1
        self.entered.set()
        assert self.release.wait(10)
        if self.document is None:
            raise StoreError("down")
        return self.document

    def entries(self, principal: str) -> tuple[DenyEntry, ...]:
        return ()

    def broad(self, now: int) -> BroadDenies:
        self.polls += 1
        return self.denied


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World()
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(assemble, "fetch_jwks", world.fetch)
    monkeypatch.setattr(assemble, "lean_denylist", lambda environ, **settings: world)
    monkeypatch.setattr(assemble, "time", SimpleNamespace(time=lambda: float(world.now)))
    real = jws.verify_signature

    def count(*arguments: object) -> None:
        world.checked += 1
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(cognito, "verify_signature", count)
    authorizer._process.start_anew()
    yield world
    authorizer._process.start_anew()


def start(count: int, ask: Callable[[int], None]) -> list[threading.Thread]:
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads


def join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


INVENTED = [token(header={"kid": f"invented-{number}", "alg": "RS256"}) for number in range(100)]


@pytest.mark.parametrize(
    ("document", "reason"), [(jwks(), "unknown_key"), (None, "keys_unavailable"), (b"x", "keys_unavailable")]
)
def test_a_hundred_threads_with_invented_key_ids_make_one_fetch(
    world: World, document: bytes | None, reason: str
) -> None:
    world.document = document
    world.release.clear()
    found: list[str] = []
    threads = start(100, lambda number: found.append(decide(INVENTED[number], REQUEST).reason))
    assert world.entered.wait(10)
    world.release.set()
    join(threads)
    assert found == [reason] * 100
    assert world.fetches == 1


def test_strangers_hold_up_no_request_whose_key_is_known(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks_module, "WAIT_SECONDS", 60)
    good = token()
    assert decide(good, REQUEST).reason == "ok"
    world.now += 10
    world.entered.clear()
    world.release.clear()
    strangers: list[str] = []
    stranger = start(1, lambda number: strangers.append(decide(INVENTED[number], REQUEST).reason))
    assert world.entered.wait(10)
    found: list[str] = []
    join(start(20, lambda number: found.append(decide(good, REQUEST).reason)))
    assert found == ["ok"] * 20
    world.release.set()
    join(stranger)
    assert strangers == ["unknown_key"]


def test_threads_share_keys_verified_tokens_and_denied_clients(world: World) -> None:
    text = token()
    found: list[str] = []
    for _ in range(10):
        join(start(1, lambda number: found.append(decide(text, REQUEST).reason)))
    assert found == ["ok"] * 10
    assert (world.fetches, world.checked, world.polls) == (1, 1, 1)


def test_a_denied_network_is_denied_in_every_thread(world: World) -> None:
    world.denied = BroadDenies([BroadDeny("d", NOW + 60, network="203.0.113.0/24")])
    text = token()
    found: list[str] = []
    join(start(20, lambda number: found.append(decide(text, REQUEST).reason)))
    assert found == ["network_denied"] * 20
    assert world.polls == 1


FORK = """
import os
from sessionwarden import authorizer
from sessionwarden.authorizer import decide, web_request
decide("x.y", web_request(method="GET", path="/x"))
process = authorizer._process
before, lock = process.authorizer, process.building
process.building.acquire()  # as if another thread were building
child = os.fork()
if child == 0:
    assert process.authorizer is None
    assert decide("x.y", web_request(method="GET", path="/x")).reason == "malformed_token"
    os._exit(0)
_, status = os.waitpid(child, 0)
assert process.authorizer is before
raise SystemExit(os.waitstatus_to_exitcode(status))
"""


def test_a_forked_worker_has_connections_and_locks_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORK],
        env=ENVIRON | {"PYTHONPATH": os.pathsep.join([str(PROJECT / "src")])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
