from __future__ import annotations

from collections.abc import Iterator

import pytest

from sessionwarden.adapters.aws.appconfig_publishing import DONE, Deployment
from sessionwarden.errors import AnswerIsNoError, PublishingError
from sessionwarden.operations import publishing
from sessionwarden.operations.publishing import await_end


def deployment(state: str) -> Deployment:
    return Deployment(number=7, version=1, digest="d", state=state, percent=0.0, started_at=None)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr("time.sleep", found.append)
    return found


def test_a_rollout_is_awaited_until_it_is_live(slept: list[float]) -> None:
    states = iter(["VALIDATING", "DEPLOYING", "BAKING", DONE])
    assert await_end(lambda: deployment(next(states))).state == DONE
    assert len(slept) == 3


def test_a_rollout_that_was_taken_back_is_a_no_and_no_failure(slept: list[float]) -> None:
    states: Iterator[str] = iter(["DEPLOYING", "ROLLING_BACK", "ROLLED_BACK"])
    with pytest.raises(AnswerIsNoError, match=r"7 was taken back \(ROLLED_BACK\)"):
        await_end(lambda: deployment(next(states)))


def test_a_rollout_without_end_is_given_up(slept: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "WAIT_SECONDS", -1)
    with pytest.raises(PublishingError, match="7 is still BAKING"):
        await_end(lambda: deployment("BAKING"))
