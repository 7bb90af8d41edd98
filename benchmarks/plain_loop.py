"""The yardstick of replay: a plain loop over a mapped JSON log, the ten rules of `benchmarks/rules` built in.

    .venv/bin/python benchmarks/plain_loop.py LOG

It is what a good engineer would write for these rules alone: it decodes each line with msgspec, refuses
unknown and missing keys, keeps a deque for each key and asks RE2 for the texts. It prints findings by rule.
It leaves out duplicate keys and lines, disorder, late events, evidence, bounded memory, and any other rule
or mapping.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path

import msgspec
import re2

MINUTE = 60_000
COOLDOWN = 15 * MINUTE
"""A rule's finding suppresses others of its key for so long, or for twice its timespan (ms)."""

STEPS = 32
"""Steps of a timespan in which a value counts once, as in the engine."""


class Line(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A line of the log that `json_log.py` writes."""

    requestId: str  # noqa: N815  the log's own names
    requestTimeEpoch: str  # noqa: N815
    ip: str
    apiId: str  # noqa: N815
    stage: str
    routeKey: str  # noqa: N815
    httpMethod: str  # noqa: N815
    status: str
    responseLength: str  # noqa: N815
    responseLatency: str  # noqa: N815
    sub: str
    session: str
    token: str
    client: str
    pool: str
    decision: str
    reason: str
    protocol: str
    path: str
    userAgent: str  # noqa: N815


SCANNED = re2.compile(r"(?i)/\.env|/\.git/|/wp-login\.php|/phpmyadmin|/etc/passwd")
TOOLS = re2.compile(r"(?i)sqlmap|nikto|masscan")

Found = Counter[str]


class Counting:
    """How many events of a key lie within a timespan."""

    def __init__(
        self, name: str, found: Callable[[str, Hashable, int, int], None], *, span: int, least: int
    ) -> None:
        self._name, self._found, self._span, self._least = name, found, span, least
        self._times: defaultdict[Hashable, deque[int]] = defaultdict(deque)

    def add(self, key: Hashable, time: int) -> None:
        """One more event."""
        times = self._times[key]
        times.append(time)
        while times[0] <= time - self._span:
            times.popleft()
        if len(times) >= self._least:
            self._found(self._name, key, time, self._span)


class Distinct:
    """How many values of a key lie within a timespan."""

    def __init__(
        self, name: str, found: Callable[[str, Hashable, int, int], None], *, span: int, least: int
    ) -> None:
        self._name, self._found, self._span, self._least = name, found, span, least
        self._seen: defaultdict[Hashable, deque[tuple[int, str]]] = defaultdict(deque)
        self._held: defaultdict[Hashable, Counter[str]] = defaultdict(Counter)

    def add(self, key: Hashable, time: int, value: str) -> None:
        """One more event."""
        step = time * STEPS // self._span
        seen, held = self._seen[key], self._held[key]
        seen.append((step, value))
        held[value] += 1
        while seen[0][0] <= step - STEPS:
            _, old = seen.popleft()
            held[old] -= 1
            if not held[old]:
                del held[old]
        if len(held) >= self._least:
            self._found(self._name, key, -(-step * self._span // STEPS), self._span)


def run(lines: Iterable[bytes]) -> tuple[int, Found]:  # noqa: C901  one loop, or it is no yardstick
    """The lines of a log, and the findings of each rule."""
    findings: Found = Counter()
    raised: set[tuple[str, Hashable, int]] = set()

    def found(name: str, key: Hashable, time: int, span: int) -> None:
        one = name, key, time // max(COOLDOWN, 2 * span)
        if one not in raised:
            raised.add(one)
            findings[name] += 1

    rate = Counting("1", found, span=MINUTE, least=300)
    refusals = Counting("2", found, span=5 * MINUTE, least=20)
    addresses = Distinct("3", found, span=10 * MINUTE, least=4)
    not_there = Distinct("4", found, span=5 * MINUTE, least=12)
    searches = Counting("5", found, span=5 * MINUTE, least=250)
    errors = Counting("6", found, span=5 * MINUTE, least=20)
    orders = Distinct("7", found, span=10 * MINUTE, least=200)
    dead_links = Counting("8", found, span=5 * MINUTE, least=30)
    decode = msgspec.json.Decoder(Line).decode
    scanned, tools = SCANNED.search, TOOLS.search
    count = 0
    for text in lines:
        line = decode(text)
        count += 1
        if line.decision == "deny":
            continue
        time, status, ip = int(line.requestTimeEpoch), line.status, line.ip
        user = None if line.sub == "-" else (line.pool, line.sub)
        if user is not None:
            rate.add(user, time)
            orders.add(user, time, line.path)
            if line.session != "-":
                addresses.add(line.session, time, ip)
            if line.routeKey == "GET /search":
                searches.add(user, time)
            if status >= "500":
                errors.add(user, time)
        if status in ("401", "403"):
            refusals.add(ip, time)
        elif status == "404":
            not_there.add(ip, time, line.path)
            if user is not None:
                dead_links.add(user, time)
        if scanned(line.path):
            found("9", ip, time, 0)
        if tools(line.userAgent):
            found("10", ip, time, 0)
    return count, findings


def main() -> None:
    """Print how many lines there were, and the findings of each rule."""
    with Path(sys.argv[1]).open("rb") as log:
        count, findings = run(log)
    print(count, dict(sorted(findings.items(), key=lambda one: int(one[0]))))


if __name__ == "__main__":
    main()
