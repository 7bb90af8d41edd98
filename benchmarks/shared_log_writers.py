"""Writers of one shared log at once: what they lose, what that costs, and how long a batch waits.

    PYTHONPATH=src:. .venv/bin/python -m benchmarks.shared_log_writers

Each writer is a process of detect with batches for one shared log: it appends, reads, and works for a while.
Their calls run against one table in simulated time, in which a call takes as long as `--call-ms` says on
average: half of that before it takes effect, half after, so that whoever is overtaken in between loses.
Invariant: the same arguments give the same interleaving. benchmarks/RESULTS.md has the figures.
"""

from __future__ import annotations

import argparse
import heapq
import threading
from collections.abc import Callable, Sequence
from random import Random
from statistics import median, quantiles
from typing import Any, NamedTuple, TypeVar

from benchmarks.cost_meter import Bill, MeteredTable
from sessionwarden.adapters.dynamodb.shared_log import DynamoDBSharedLogStore
from sessionwarden.errors import StoreError

T = TypeVar("T")
EPOCH = 1_000
EXPIRES_AT = 2_000_000_000
MEMBER_BYTES = 20
SPREAD = 0.4
"""A call takes its average, more or less by at most this part of it."""


class SimulatedTime:
    """Runs actors one at a time, each until it waits; then the one whose time comes first goes on."""

    def __init__(self) -> None:
        self.now = 0.0
        self._waiting: list[tuple[float, int, threading.Event]] = []
        self._parked = threading.Semaphore(0)
        self._order = 0

    def wait(self, seconds: float) -> None:
        """Called by an actor: let others act for so long."""
        gate = threading.Event()
        self._enlist(seconds, gate)
        self._parked.release()
        gate.wait()

    def run(self, actors: Sequence[Callable[[], None]]) -> None:
        """Returns when all have ended."""
        threads = []
        for actor in actors:
            gate = threading.Event()
            self._enlist(0, gate)
            threads.append(threading.Thread(target=self._play, args=(actor, gate)))
            threads[-1].start()
        while self._waiting:
            self.now, _order, gate = heapq.heappop(self._waiting)
            gate.set()
            self._parked.acquire()
        for thread in threads:
            thread.join()

    def _play(self, actor: Callable[[], None], gate: threading.Event) -> None:
        gate.wait()
        try:
            actor()
        finally:
            self._parked.release()

    def _enlist(self, seconds: float, gate: threading.Event) -> None:
        self._order += 1
        heapq.heappush(self._waiting, (self.now + seconds, self._order, gate))


class Distant:
    """A client of the table that is half a call away, each way."""

    def __init__(self, table: MeteredTable, time: SimulatedTime, call_seconds: float, random: Random) -> None:
        self._table = table
        self._time = time
        self._call_seconds = call_seconds
        self._random = random

    def put_item(self, **request: Any) -> Any:
        return self._call(lambda: self._table.put_item(**request))

    def query(self, **request: Any) -> Any:
        return self._call(lambda: self._table.query(**request))

    def _call(self, action: Callable[[], T]) -> T:
        half = self._call_seconds / 2 * self._random.uniform(1 - SPREAD, 1 + SPREAD)
        self._time.wait(half)
        try:
            return action()
        finally:
            self._time.wait(half)


class Setting(NamedTuple):
    """`work_seconds` lie between two batches of a process, up to half more or less."""

    writers: int
    batches: int
    members: int
    call_seconds: float
    work_seconds: float


class Played(NamedTuple):
    """Of all writers: the bill, numbers lost, seconds of each batch at the shared log, batches that failed
    and were delivered again, seconds in all, and what was on the shared log in the end.
    """

    bill: Bill
    lost: int
    waited: list[float]
    failed: int
    seconds: float
    members: int


class Writer:
    """One process. A batch that fails is delivered again, at the end."""

    def __init__(self, number: int, setting: Setting, table: MeteredTable, time: SimulatedTime) -> None:
        self.waited: list[float] = []
        self.failed = 0
        self._setting = setting
        self._time = time
        self._random = Random(number)
        client: Any = Distant(table, time, setting.call_seconds, self._random)
        self._store = DynamoDBSharedLogStore(client, "windows", pause=time.wait, random=self._random)

    def run(self) -> None:
        """All batches."""
        self._work()
        batches = [self._batch() for _ in range(self._setting.batches)]
        while batches:
            begin = self._time.now
            try:
                self._store.append("shared_log", EPOCH, batches[0], expires_at=EXPIRES_AT)
                self._store.read_shared_log("shared_log", [EPOCH - 1, EPOCH, EPOCH + 1])
            except StoreError:
                self.failed += 1
                batches.append(batches[0])
            del batches[0]
            self.waited.append(self._time.now - begin)
            self._work()

    def _batch(self) -> frozenset[bytes]:
        return frozenset(self._random.randbytes(MEMBER_BYTES) for _ in range(self._setting.members))

    def _work(self) -> None:
        self._time.wait(self._setting.work_seconds * self._random.uniform(0.5, 1.5))


def play(setting: Setting) -> Played:
    """All writers at one shared log."""
    bill, time = Bill(), SimulatedTime()
    table = MeteredTable(bill)
    writers = [Writer(number, setting, table, time) for number in range(setting.writers)]
    time.run([writer.run for writer in writers])
    waited = [seconds for writer in writers for seconds in writer.waited]
    lost = bill.calls["PutItem"] - setting.writers * setting.batches
    failed = sum(writer.failed for writer in writers)
    client: Any = table
    members = DynamoDBSharedLogStore(client, "windows").read_shared_log("shared_log", [EPOCH])[EPOCH].count
    return Played(bill, lost, waited, failed, time.now, members)


def row(setting: Setting, played: Played) -> str:
    """One line of the table."""
    batches, bill = setting.writers * setting.batches, played.bill
    p95 = quantiles(played.waited, n=20)[-1]
    return (
        f"{setting.writers:>8}{setting.work_seconds * 1000:>9.0f}{batches / played.seconds:>11.1f}"
        f"{played.lost / batches:>12.2f}{bill.units['dynamodb_write'] / batches:>9.2f}"
        f"{bill.units['dynamodb_read'] / batches:>8.2f}{played.failed:>9}"
        f"{median(played.waited) * 1000:>9.0f}{p95 * 1000:>7.0f}{max(played.waited) * 1000:>7.0f}"
    )


def main() -> None:
    """Print a table, one row for each number of writers and time between batches."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--writers", type=int, nargs="+", default=[1, 5, 10, 50])
    parser.add_argument("--work-ms", type=float, nargs="+", default=[0, 100], help="between two batches")
    parser.add_argument("--call-ms", type=float, default=5)
    parser.add_argument("--batches", type=int, default=40, help="of each writer")
    parser.add_argument("--members", type=int, default=100, help="that a batch brings to the shared log")
    given = parser.parse_args()
    print("                                  of a batch: lost   write    read           ms at the shared log")
    print(" writers  work ms  batches/s      writes    units   units   failed   median    p95    max")
    for work_ms in given.work_ms:
        for writers in given.writers:
            setting = Setting(writers, given.batches, given.members, given.call_ms / 1000, work_ms / 1000)
            print(row(setting, play(setting)))


if __name__ == "__main__":
    main()
