"""One call at a time for all threads of a process; those that come meanwhile wait, and share its outcome.

In a server of many threads, a slow or silent service would otherwise be asked once by each, and hold each up
in turn. Invariants: a thread waits for one call at most, and no longer than it is told; a failure is shared
as the answer is, so that waiting threads do not try one after the other; nothing is remembered afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock
from typing import Generic, NoReturn, TypeVar

from sessionwarden.errors import StoreError

T = TypeVar("T")


class _Running(Generic[T]):
    """A call under way. `outcome` is set before `done`: a function that returns the answer or raises."""

    def __init__(self) -> None:
        self.done = Event()
        self.outcome: Callable[[], T] = _broken_off


class SharedCall(Generic[T]):
    """Calls for one thread at a time. `wait_seconds` is how long the other threads wait for its outcome."""

    def __init__(self, wait_seconds: float) -> None:
        self._wait_seconds = wait_seconds
        self._lock = Lock()
        self._running: _Running[T] | None = None

    def __call__(self, call: Callable[[], T]) -> T:
        """What `call` returns, or what another thread's call that is under way returns.

        Raises what that call raises if it is a `StoreError`, and `StoreError` if another thread's call fails
        otherwise or lasts too long. A thread that came too late for one call starts another: `call` should
        look first whether it is still needed.
        """
        with self._lock:
            running = self._running
            if running is None:
                mine = self._running = _Running()
        if running is None:
            return self._make(call, mine)
        if not running.done.wait(self._wait_seconds):
            raise StoreError("what another thread asks for did not come in time")
        return running.outcome()

    def _make(self, call: Callable[[], T], mine: _Running[T]) -> T:
        try:
            found = call()
            mine.outcome = lambda: found
            return found
        except StoreError as error:
            mine.outcome = _raising(error)
            raise
        finally:
            with self._lock:
                self._running = None
            mine.done.set()


def _raising(error: StoreError) -> Callable[[], NoReturn]:
    def outcome() -> NoReturn:
        # an error of its own for each thread, since raising adds to an error's traceback
        raise type(error)(*error.args) from error

    return outcome


def _broken_off() -> NoReturn:
    raise StoreError("what another thread asked for was broken off")
