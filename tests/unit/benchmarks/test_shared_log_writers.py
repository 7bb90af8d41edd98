from __future__ import annotations

import pytest

from benchmarks.shared_log_writers import Setting, SimulatedTime, play

SETTING = Setting(writers=4, batches=6, members=3, call_seconds=0.005, work_seconds=0.001)


def test_actors_go_on_in_the_order_of_their_time() -> None:
    time = SimulatedTime()
    seen: list[tuple[str, float]] = []

    def actor(name: str, seconds: float) -> None:
        for _ in range(2):
            time.wait(seconds)
            seen.append((name, time.now))

    time.run([lambda: actor("slow", 3), lambda: actor("fast", 2)])
    assert seen == [("fast", 2), ("slow", 3), ("fast", 4), ("slow", 6)]


def test_the_same_writers_play_the_same() -> None:
    assert play(SETTING).waited == play(SETTING).waited


def test_every_batch_is_written_once_whatever_is_lost() -> None:
    played = play(SETTING)
    assert played.failed == 0
    assert played.lost > 0
    assert played.members == 4 * 6 * 3


def test_one_writer_loses_nothing() -> None:
    played = play(SETTING._replace(writers=1))
    assert played.lost == 0
    assert played.bill.units["dynamodb_write"] == 6
    assert max(played.waited) == pytest.approx(0.025, rel=0.4)
