"""The actors of a simulated log: attackers planted in it, and honest users who look like them.

It makes their requests, and the entries of the truth file. Invariant: their numbers are well over or just
under the shipped rules' thresholds, by a margin that the log's disorder cannot use up; a test replays the
shipped rules over such a log.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import msgspec

from sessionwarden.local.simulation.people import (
    MINUTE_MS,
    Person,
    PlannedRequest,
    make_person,
    refusals,
    scans,
    steady,
)

HOUR_MS = 60 * MINUTE_MS

# The ids of the shipped rules that the attackers trigger.
REQUEST_RATE = "c1f6f7a1-3c0e-4f0b-9a2e-1d9c5f1be6a4"  # 300 requests of a user in 1 minute
REFUSALS = "8d0c2f5b-6a47-4f1e-b6a5-0e4c7a4d2b93"  # 20 answers 401 to an address in 5 minutes
PROBING = "e4a9c6d2-1b5f-4c7e-8d30-6f9a2b4c8e71"  # 12 strange paths from an address in 5 minutes
SHARED_SESSION = "b7e1d0c4-92f8-4f6c-8a3e-5c2f0d9b7a18"  # a session from 4 addresses in 10 minutes

SCANNER_PATHS = (
    *(
        "/.env",
        "/.git/config",
        "/wp-login.php",
        "/phpmyadmin/index.php",
        "/server-status",
        "/.aws/credentials",
    ),
    *("/actuator/env", "/cgi-bin/test", "/backup.sql", "/id_rsa", "/wp-admin/setup", "/.svn/entries"),
    *("/vendor/phpunit/eval-stdin", "/api/v0/users", "/admin", "/console", "/config.bak", "/debug/vars"),
)


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """One actor, as an entry of the truth file. `rule` is a shipped rule's id, `key` its group key."""

    rule: str
    key: dict[str, str]
    first_time: int
    lines: int
    description: str


class Actors(NamedTuple):
    """All users who are not ordinary, and their requests."""

    planted: tuple[Actor, ...]
    lookalikes: tuple[Actor, ...]
    requests: list[PlannedRequest]


class _Planner:
    def __init__(self, rng: Random, start_ms: int) -> None:
        self.rng = rng
        self.start_ms = start_ms
        self.requests: list[PlannedRequest] = []
        self._addresses = _reserved_addresses()

    def moment(self) -> int:
        """A random time between 01:00 and 22:00, so that no actor runs past the day's end."""
        return self.start_ms + HOUR_MS + self.rng.randrange(21 * HOUR_MS)

    def addresses(self, count: int) -> tuple[str, ...]:
        """Addresses that no other user in the log has."""
        return tuple(next(self._addresses) for _ in range(count))

    def person(self, addresses: int) -> Person:
        return make_person(self.rng, self.addresses(addresses))

    def add(self, rule: str, key: dict[str, str], requests: list[PlannedRequest], description: str) -> Actor:
        self.requests += requests
        return Actor(
            rule=rule, key=key, first_time=requests[0].time, lines=len(requests), description=description
        )


def make_actors(rng: Random, *, start_ms: int, actors_per_rule: int) -> Actors:
    """`actors_per_rule` attackers for each rule, and as many lookalikes of each kind, over one day."""
    planner = _Planner(rng, start_ms)
    planted: list[Actor] = []
    lookalikes: list[Actor] = []
    for _ in range(actors_per_rule):
        planted += (_hammer(planner), _guesser(planner), _scanner(planner), _shared_session(planner))
        lookalikes += (
            _busy_user(planner),
            _office(planner),
            _dead_links(planner),
            _commuter(planner),
            _traveller(planner),
        )
    return Actors(tuple(planted), tuple(lookalikes), planner.requests)


def _hammer(planner: _Planner) -> Actor:
    person = planner.person(1)
    requests = steady(person, start_ms=planner.moment(), span_ms=50_000, count=400)
    return planner.add(
        REQUEST_RATE, {"user": person.user}, list(requests), "scrapes the search, 8 requests a second"
    )


def _busy_user(planner: _Planner) -> Actor:
    person = planner.person(1)
    requests = steady(person, start_ms=planner.moment(), span_ms=2 * MINUTE_MS, count=560)
    return planner.add(REQUEST_RATE, {"user": person.user}, list(requests), "polls a dashboard, 280 a minute")


def _guesser(planner: _Planner) -> Actor:
    [source_ip] = planner.addresses(1)
    requests = refusals(source_ip, start_ms=planner.moment(), span_ms=2 * MINUTE_MS, count=60)
    return planner.add(REFUSALS, {"source_ip": source_ip}, list(requests), "presents forged tokens")


def _office(planner: _Planner) -> Actor:
    [source_ip] = planner.addresses(1)
    requests = refusals(source_ip, start_ms=planner.moment(), span_ms=10 * MINUTE_MS, count=34)
    return planner.add(
        REFUSALS, {"source_ip": source_ip}, list(requests), "an office whose tokens expired, 17 in 5 minutes"
    )


def _scanner(planner: _Planner) -> Actor:
    [source_ip] = planner.addresses(1)
    requests = scans(source_ip, SCANNER_PATHS, start_ms=planner.moment(), span_ms=90_000)
    return planner.add(PROBING, {"source_ip": source_ip}, list(requests), "walks through a scanner's list")


def _dead_links(planner: _Planner) -> Actor:
    [source_ip] = planner.addresses(1)
    paths = tuple(f"/v1/pages/{number % 10}" for number in range(40))
    requests = scans(source_ip, paths, start_ms=planner.moment(), span_ms=4 * MINUTE_MS)
    return planner.add(
        PROBING, {"source_ip": source_ip}, list(requests), "an old client with 10 dead links, again and again"
    )


def _shared_session(planner: _Planner) -> Actor:
    person = planner.person(6)
    requests = steady(person, start_ms=planner.moment(), span_ms=5 * MINUTE_MS, count=48)
    return planner.add(
        SHARED_SESSION, {"session": person.session}, list(requests), "a stolen session in six places"
    )


def _commuter(planner: _Planner) -> Actor:
    person = planner.person(3)
    requests = steady(person, start_ms=planner.moment(), span_ms=8 * MINUTE_MS, count=60)
    return planner.add(
        SHARED_SESSION, {"session": person.session}, list(requests), "a phone between three networks"
    )


def _traveller(planner: _Planner) -> Actor:
    person = planner.person(6)
    requests = steady(person, start_ms=planner.moment(), span_ms=60 * MINUTE_MS, count=12)
    return planner.add(SHARED_SESSION, {"session": person.session}, list(requests), "six networks in an hour")


def _reserved_addresses() -> Iterator[str]:
    """The blocks of RFC 5737 first, then a part of RFC 2544's that no honest user has."""
    for block in ("203.0.113", "198.51.100", "192.0.2"):
        yield from (f"{block}.{host}" for host in range(1, 255))
    for number in itertools.count():
        yield f"198.19.{128 + number // 254}.{1 + number % 254}"
