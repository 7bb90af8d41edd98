from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from sessionwarden.adapters.lean import shared_call
from sessionwarden.adapters.lean.shared_call import SharedCall
from sessionwarden.errors import DamagedItemError, StoreError

OTHERS = 7


class World:
    """A call that ends when all other threads wait for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.waiting = threading.Semaphore(0)
        self.entered = threading.Event()
        waiting = self.waiting

        class CountedEvent(threading.Event):
            def wait(self, timeout: float | None = None) -> bool:
                waiting.release()
                return super().wait(timeout)

        monkeypatch.setattr(shared_call, "Event", CountedEvent)

    def call(self) -> str:
        self.calls += 1
        self.entered.set()
        for _ in range(OTHERS):
            assert self.waiting.acquire(timeout=10)
        return "answer"

    def outcomes(self, call: Callable[[], str]) -> list[object]:
        shared = SharedCall[str](10)
        found: list[object] = []

        def ask() -> None:
            try:
                found.append(shared(call))
            except Exception as error:
                found.append(error)

        threads = [threading.Thread(target=ask) for _ in range(1 + OTHERS)]
        threads[0].start()
        assert self.entered.wait(10)
        for thread in threads[1:]:
            thread.start()
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()
        return found


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_threads_that_come_during_a_call_share_its_answer(world: World) -> None:
    assert world.outcomes(world.call) == ["answer"] * (1 + OTHERS)
    assert world.calls == 1


@pytest.mark.parametrize("error", [StoreError("down"), DamagedItemError("damaged")])
def test_threads_that_come_during_a_call_share_its_failure_and_do_not_try_in_turn(
    world: World, error: StoreError
) -> None:
    def fail() -> str:
        world.call()
        raise error

    found = world.outcomes(fail)
    assert {(type(one), str(one)) for one in found} == {(type(error), str(error))}
    assert len({id(one) for one in found}) == 1 + OTHERS
    assert world.calls == 1


def test_a_call_that_breaks_off_is_a_store_error_for_those_who_wait(world: World) -> None:
    def fail() -> str:
        world.call()
        raise ZeroDivisionError

    found = world.outcomes(fail)
    assert [type(one) for one in found].count(ZeroDivisionError) == 1
    assert [type(one) for one in found].count(StoreError) == OTHERS


def test_another_call_begins_after_one_has_ended_well_or_badly() -> None:
    shared = SharedCall[int](10)
    assert [shared(lambda: 1), shared(lambda: 2)] == [1, 2]
    with pytest.raises(ZeroDivisionError):
        shared(lambda: 1 // 0)
    assert shared(lambda: 3) == 3


def test_a_call_that_does_not_end_is_waited_for_no_longer_than_said() -> None:
    shared = SharedCall[int](0)
    entered, release = threading.Event(), threading.Event()

    def slow() -> int:
        entered.set()
        assert release.wait(10)
        return 1

    thread = threading.Thread(target=lambda: shared(slow))
    thread.start()
    assert entered.wait(10)
    with pytest.raises(StoreError):
        shared(lambda: 2)
    release.set()
    thread.join(10)
