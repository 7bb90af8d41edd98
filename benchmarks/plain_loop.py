"""The yardstick of replay: what a plain loop over a JSON log costs that knows its ten rules by heart.

    .venv/bin/python benchmarks/plain_loop.py LOG

Reads lines as `benchmarks/mapped_log.py` writes them: msgspec decodes a line, a deque per key holds a window,
RE2 looks for patterns. Prints for how many keys each rule of `benchmarks/rules/ten.yml` fired. It does what
an engineer writes in an afternoon: the log must be in order and sound, duplicates count twice, nothing is
checked, and a fired key is silent for good. So it shows what Python costs, and replaces nothing.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Hashable
from pathlib import Path

import msgspec
import re2

MINUTE_MS = 60_000


class Line(msgspec.Struct, gc=False):
    """The members of a line that the ten rules read."""

    requestTimeEpoch: int  # noqa: N815 - the log's own name
    ip: str
    routeKey: str  # noqa: N815 - the log's own name
    status: str
    user: str
    session: str
    path: str
    userAgent: str  # noqa: N815 - the log's own name


class CountOf:
    """So many events of a key within a timespan."""

    def __init__(self, least: int, timespan_ms: int) -> None:
        self._least = least
        self._timespan_ms = timespan_ms
        self._times: defaultdict[Hashable, deque[int]] = defaultdict(deque)
        self.fired: set[Hashable] = set()

    def see(self, key: Hashable, time: int) -> None:
        """One event of the key."""
        times = self._times[key]
        times.append(time)
        while times[0] <= time - self._timespan_ms:
            times.popleft()
        if len(times) >= self._least:
            self.fired.add(key)


class ValuesOf:
    """So many different values of a key within a timespan."""

    def __init__(self, least: int, timespan_ms: int) -> None:
        self._least = least
        self._timespan_ms = timespan_ms
        self._seen: defaultdict[Hashable, deque[tuple[int, str]]] = defaultdict(deque)
        self._values: defaultdict[Hashable, Counter[str]] = defaultdict(Counter)
        self.fired: set[Hashable] = set()

    def see(self, key: Hashable, time: int, value: str) -> None:
        """One event of the key with a value."""
        seen, values = self._seen[key], self._values[key]
        seen.append((time, value))
        values[value] += 1
        while seen[0][0] <= time - self._timespan_ms:
            _, old = seen.popleft()
            values[old] -= 1
            if not values[old]:
                del values[old]
        if len(values) >= self._least:
            self.fired.add(key)


class TenRules:
    """The rules of `ten.yml`, by the numbers in their titles."""

    def __init__(self) -> None:
        self.requests = CountOf(300, MINUTE_MS)
        self.refusals = CountOf(20, 5 * MINUTE_MS)
        self.addresses = ValuesOf(4, 10 * MINUTE_MS)
        self.missing_paths = ValuesOf(12, 5 * MINUTE_MS)
        self.searches = CountOf(250, 5 * MINUTE_MS)
        self.server_errors = CountOf(20, 5 * MINUTE_MS)
        self.orders = ValuesOf(200, 10 * MINUTE_MS)
        self.dead_links = CountOf(30, 5 * MINUTE_MS)
        self.scanners: set[str] = set()
        self.tools: set[str] = set()
        self._scanner = _finder("/.env", "/.git/", "/wp-login.php", "/phpmyadmin", "/etc/passwd")
        self._tool = _finder("sqlmap", "nikto", "masscan")

    def see(self, line: Line) -> None:
        """One line of the log."""
        time, user, status = line.requestTimeEpoch, line.user, line.status
        signed_in = user != "-"
        if signed_in:
            self.requests.see(user, time)
            self.orders.see(user, time, line.path)
            if line.session != "-":
                self.addresses.see(line.session, time, line.ip)
            if line.routeKey == "GET /search":
                self.searches.see(user, time)
            if status >= "500":
                self.server_errors.see(user, time)
        if status == "404":
            self.missing_paths.see(line.ip, time, line.path)
            if signed_in:
                self.dead_links.see(user, time)
        elif status in ("401", "403"):
            self.refusals.see(line.ip, time)
        if self._scanner(line.path):
            self.scanners.add(line.ip)
        if self._tool(line.userAgent):
            self.tools.add(line.ip)

    def fired(self) -> dict[str, int]:
        """By rule, the keys that it fired for."""
        fired: tuple[Collection[object], ...] = (
            self.requests.fired,
            self.refusals.fired,
            self.addresses.fired,
            self.missing_paths.fired,
            self.searches.fired,
            self.server_errors.fired,
            self.orders.fired,
            self.dead_links.fired,
            self.scanners,
            self.tools,
        )
        return {str(number): len(keys) for number, keys in enumerate(fired, 1)}


def _finder(*texts: str) -> Callable[[str], object]:
    search: Callable[[str], object] = re2.compile("|".join(map(re2.escape, texts))).search
    return search


def main() -> None:
    """Read the log, print how many keys each rule fired for."""
    decode = msgspec.json.Decoder(Line).decode
    rules = TenRules()
    with Path(sys.argv[1]).open("rb") as log:
        for line in log:
            rules.see(decode(line))
    print(json.dumps(rules.fired()))


if __name__ == "__main__":
    main()
