"""Ordinary requests, as a yardstick for rules: one that matches them would act upon people who did nothing.

Leaves: groups of people with a few requests that nobody would call abuse. The people of a group differ in all
that people differ in: addresses of both families from all over the address space, apps, countries, paths,
names. Invariant: nothing here is drawn by chance, so that a rule is judged the same each time. Left out:
refused requests, errors and bursts, which rules rightly look for.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from sessionwarden.model.event import Category, Event

Person = tuple[Event, ...]
"""The requests of one person."""

TIME_MS = 1_750_000_000_000

_ADDRESSES = (
    *("3.92.14.7", "24.60.3.18", "45.83.220.9", "62.156.12.77", "77.190.4.31", "91.64.88.2", "104.28.30.5"),
    *("134.3.80.11", "151.38.9.60", "176.59.41.8", "203.0.113.20"),
    *(
        "2001:16b8:4a:1::7",
        "2401:4900:1c2a:9::1",
        "2600:1700:8d1:5::2",
        "2804:14d:5c:3::9",
        "2a02:8109:9c:4::3",
    ),
)
_COUNTRIES = ("US", "CA", "NL", "DE", "RU", "AT", "GB", "FR", "IT", "TR", "AU", "CH", "IN", "MX", "BR", "ES")
_PATHS = (
    *("/", "/orders", "/v1/orders/7", "/api/users/me", "/graphql", "/profile", "/search", "/cart/items"),
    *(
        "/articles/how-to",
        "/feed",
        "/devices",
        "/v2/messages",
        "/settings",
        "/media/12",
        "/plans",
        "/calendar",
    ),
)
_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)",
    "okhttp/4.12.0",
    "ShopApp/3.1 CFNetwork/1498 Darwin/23.6.0",
)
_METHODS = (("GET", 200), ("POST", 201), ("PUT", 204), ("GET", 304))
_HEXADECIMAL = "0123456789abcdef"


@cache
def ordinary_people(category: Category) -> Mapping[str, tuple[Person, ...]]:
    """The people whose events a rule of the category sees, by what is known of their requests."""
    signed_in = tuple(_person(number, category, _signed_in(number)) for number in range(len(_ADDRESSES)))
    everything = tuple(
        _person(number, category, _signed_in(number) | _rare(number)) for number in range(len(_ADDRESSES))
    )
    found = {"signed-in people": signed_in, "signed-in people of whom all is known": everything}
    if category == "api_access":
        found["people who have not signed in"] = tuple(
            _person(number, category, {}) for number in range(len(_ADDRESSES))
        )
    return found


def _person(number: int, category: Category, known: Mapping[str, Any]) -> Person:
    return tuple(
        Event(
            id=f"{category}-{number}-{place}",
            time=TIME_MS + 997 * number + 61 * place,
            source=category,
            source_ip=_ADDRESSES[number],
            **(_sign_in(number) if category == "identity" else _request(number, method, status)),
            **known,
        )
        for place, (method, status) in enumerate(_METHODS)
    )


def _request(number: int, method: str, status: int) -> dict[str, Any]:
    path = _PATHS[number]
    return {
        "api_id": "a1b2c3d4e5",
        "stage": "$default",
        "route": f"{method} {path}",
        "method": method,
        "path": path,
        "status": status,
        "response_bytes": 180 + 331 * number,
        "latency_ms": 9 + 7 * number,
        "user_agent": _AGENTS[number % len(_AGENTS)],
    }


def _sign_in(number: int) -> dict[str, Any]:
    return {"user_agent": _AGENTS[number % len(_AGENTS)], "status": 200}


def _signed_in(number: int) -> dict[str, Any]:
    digit, other = _HEXADECIMAL[number], _HEXADECIMAL[-1 - number]
    return {
        "user": f"{digit}7d5b392-28e6-4ad3-8ad7-0091e37aca2{other}",
        "session": f"{other}548052b-61b9-4afe-8b8c-b4bfd95f3da{digit}",
        "token": f"{digit}a095573-1e2c-4ef7-a7d8-07027091552{other}",
        "client": f"{number % 3 + 1}example23456789app",
        "pool": "us-east-1_Example01",
        "decision": "allow",
        "reason": "ok",
    }


def _rare(number: int) -> dict[str, Any]:
    return {
        "username": f"{_HEXADECIMAL[number]}.person@example.org",
        "groups": ("customers",),
        "scope": ("openid", "profile"),
        "identity": f"us-east-1:{_HEXADECIMAL[number]}7d5b392-28e6-4ad3-8ad7-0091e37aca27",
        "query": f"page={number}",
        "host": "api.example.org",
        "referer": "https://www.example.org/",
        "country": _COUNTRIES[number],
        "asn": f"AS{7_018 + 401 * number}",
        "ja4": f"t13d1516h2_{_HEXADECIMAL[number] * 12}_e5627efa2ab1",
    }
