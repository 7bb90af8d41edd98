from __future__ import annotations

import random

from sessionwarden.denylist import broad, verdict
from sessionwarden.detection.acceptance import LATE_MS, LogTime
from sessionwarden.model.deny import DENYLIST_REASONS
from sessionwarden.model.event import Event

DAY = 86_400_000
START = 1_760_000_000_000


def at(time: int) -> Event:
    return Event(id=str(time), time=time, source="api_access")


def judged(blocks: list[list[int]]) -> list[tuple[int, bool]]:
    """Each event's time and whether its batch's present makes it late."""
    log = LogTime()
    return [
        (event.time, event.time < now_ms - LATE_MS)
        for block in blocks
        for batch, now_ms in log.batches([at(time) for time in block])
        for event in batch
    ]


def test_an_ordered_week_in_one_block_holds_nothing_late() -> None:
    week = [START + hour * 3_600_000 for hour in range(7 * 24)]
    assert judged([week]) == [(time, False) for time in week]


def test_what_comes_a_day_behind_the_highest_time_so_far_is_late() -> None:
    assert judged([[START + 2 * DAY, START, START + 3 * DAY]]) == [
        (START + 2 * DAY, False),
        (START, True),
        (START + 3 * DAY, False),
    ]


def test_lateness_does_not_depend_on_how_the_log_is_cut_into_blocks() -> None:
    chance = random.Random(7)
    for _ in range(200):
        times = [START + chance.randrange(5 * DAY) for _ in range(chance.randrange(1, 30))]
        reached, expected = 0, []
        for time in times:
            reached = max(reached, time)
            expected.append((time, time < reached - LATE_MS))
        cut = chance.randrange(len(times))
        assert judged([times]) == expected
        assert judged([times[:cut], times[cut:]]) == expected


def test_a_day_of_log_is_one_batch() -> None:
    events = [at(START + minute * 60_000) for minute in range(24 * 60)]
    assert list(LogTime().batches(events)) == [(events, events[-1].time)]


def test_every_reason_of_the_denylist_is_known_to_detection() -> None:
    assert {
        verdict.DENIED_UNTIL,
        verdict.SIGNED_OUT,
        verdict.SESSION_DENIED,
        broad.CLIENT_DENIED,
        broad.NETWORK_DENIED,
    } == DENYLIST_REASONS
