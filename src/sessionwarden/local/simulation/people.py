"""Makes the requests of the simulated API's users: ordinary visits, and the patterns of the actors.

Invariant: an attacker is well over the threshold of one shipped rule and under those of all others; a
lookalike is under all of them, and close to one. Addresses are from ranges that RFC 2544, RFC 3849 and RFC
5737 reserve, so that no replay accuses a real user.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

POOL = "us-east-1_Example01"
CLIENTS = ("1example23456789web", "2example23456789ios")

MINUTE_MS = 60_000

ROUTES = {
    ("GET /orders", "/orders"): 30,
    ("GET /orders/{id}", "/orders/{n}"): 30,
    ("GET /search", "/search"): 14,
    ("GET /profile", "/profile"): 12,
    ("POST /orders", "/orders"): 6,
    ("PUT /profile", "/profile"): 2,
}
_ROUTES, _WEIGHTS = list(ROUTES), list(ROUTES.values())

AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 15_6) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)",
    "ExampleShop/4.2 (iOS 18.6)",
    "okhttp/4.12.0",
)


class Person(NamedTuple):
    """A signed-in user, with the addresses from which the session is used."""

    user: str
    session: str
    token: str
    client: str
    addresses: tuple[str, ...]
    agent: str


class PlannedRequest(NamedTuple):
    """One request to simulate. `time` is epoch ms; without a person it was not authorized."""

    time: int
    source_ip: str
    route: str
    path: str
    status: int
    agent: str
    person: Person | None


def random_uuid(rng: Random) -> str:
    """A version 4 UUID, determined by the generator's seed."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def make_person(rng: Random, addresses: tuple[str, ...]) -> Person:
    """A new user with one session."""
    user, session, token = (random_uuid(rng) for _ in range(3))
    return Person(user, session, token, rng.choice(CLIENTS), addresses, rng.choice(AGENTS))


def make_people(rng: Random, count: int) -> list[Person]:
    """Honest users: most with two addresses, some behind a company's single address, some on IPv6."""
    people: list[Person] = []
    while len(people) < count:
        shared = _benchmark_address(rng)
        if rng.random() < 0.1:  # a company behind one NAT
            people += [make_person(rng, (shared,)) for _ in range(rng.randint(5, 25))]
        elif rng.random() < 0.2:
            people.append(
                make_person(rng, (f"2001:db8:{rng.getrandbits(16):x}:{rng.getrandbits(16):x}::1", shared))
            )
        else:
            people.append(make_person(rng, (shared, _benchmark_address(rng))))
    return people[:count]


def visit(rng: Random, person: Person, start_ms: int, length: int) -> Iterator[PlannedRequest]:
    """`length` requests of an honest user, with the usual failures and retries."""
    time = start_ms
    source_ip = rng.choice(person.addresses)
    route, path = "", ""
    retry = False
    for number in range(length):
        if not retry:
            route, path = rng.choices(_ROUTES, _WEIGHTS)[0]
            path = path.replace("{n}", str(rng.randint(1, 400)))
        chance = rng.random()
        expired = number == 0 and chance < 0.04  # the application refreshes its token and tries again
        status = 401 if expired else 200 if chance < 0.965 else 404 if chance < 0.99 else 503
        retry = status in (401, 503)
        yield PlannedRequest(time, source_ip, route, path, status, person.agent, None if expired else person)
        time += rng.randint(400, 1_500) if retry else round(rng.expovariate(1 / 4_000)) + 150


def steady(
    person: Person,
    *,
    start_ms: int,
    span_ms: int,
    count: int,
    route: str = "GET /search",
    path: str = "/search",
) -> Iterator[PlannedRequest]:
    """`count` requests evenly over `span_ms`, from each of the person's addresses in turn."""
    for number in range(count):
        source_ip = person.addresses[number % len(person.addresses)]
        time = start_ms + span_ms * number // count
        yield PlannedRequest(time, source_ip, route, path, 200, person.agent, person)


def refusals(source_ip: str, *, start_ms: int, span_ms: int, count: int) -> Iterator[PlannedRequest]:
    """`count` answers 401 to one address, evenly over `span_ms`."""
    for number in range(count):
        time = start_ms + span_ms * number // count
        yield PlannedRequest(time, source_ip, "GET /orders", "/orders", 401, AGENTS[-1], None)


def scans(source_ip: str, paths: tuple[str, ...], *, start_ms: int, span_ms: int) -> Iterator[PlannedRequest]:
    """A scanner's requests for paths that this API does not have."""
    for number, path in enumerate(paths):
        time = start_ms + span_ms * number // len(paths)
        yield PlannedRequest(time, source_ip, "$default", path, 404, "python-requests/2.32", None)


def _benchmark_address(rng: Random) -> str:
    return f"198.18.{rng.randrange(256)}.{rng.randrange(1, 255)}"
