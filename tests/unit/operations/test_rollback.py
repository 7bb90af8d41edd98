from __future__ import annotations

from typing import Any, cast

import pytest

from sessionwarden.adapters.aws.appconfig_publishing import AppConfigPublishing, Deployment, History
from sessionwarden.errors import AnswerIsNoError, PublishingError, RulesetError, WrongArgumentError
from sessionwarden.operations.published_rules import Live
from sessionwarden.operations.rollback import roll_back, roll_back_to

LIVE = Deployment(number=2, version=2, digest="abd", state="COMPLETE", percent=100.0, started_at=None)


class Published:
    """What AppConfig holds, and what it is asked to start."""

    def __init__(self, *deployments: Deployment) -> None:
        self._history = History(deployments)
        self.started: list[int] = []

    def history(self) -> History:
        return self._history

    def versions(self) -> dict[int, str]:
        return {2: "abd", 1: "abc"}

    def ruleset(self, version: int) -> object:
        if version == 2:
            raise RulesetError("damaged")
        return object()

    def start(self, version: int, **_: Any) -> Deployment:
        self.started.append(version)
        return LIVE._replace(number=3, version=version)


def live(published: Published) -> Live:
    return Live(
        publishing=cast(AppConfigPublishing, published),
        staged="staged",
        at_once="at-once",
        shipped_digest="s",
        policy_digest="p",
    )


def test_the_beginning_of_a_digest_is_enough() -> None:
    published = Published(LIVE)
    assert roll_back_to(live(published), "ABC", by="me").version == 1
    assert published.started == [1]


@pytest.mark.parametrize(
    ("digest", "error", "message"),
    [
        ("ab", WrongArgumentError, "ab begins the digests of 2 sets"),
        ("x\x1b[2J", AnswerIsNoError, r"No set with the digest x\\x1b\[2J was published"),
        ("abd", PublishingError, "version 2: damaged"),
    ],
)
def test_a_set_that_is_not_one_and_sound_is_not_put_live(
    digest: str, error: type[Exception], message: str
) -> None:
    published = Published(LIVE)
    with pytest.raises(error, match=message):
        roll_back_to(live(published), digest, by="me")
    assert published.started == []


@pytest.mark.parametrize("deployments", [(), (LIVE,)])
def test_with_nothing_before_there_is_nothing_to_go_back_to(deployments: tuple[Deployment, ...]) -> None:
    with pytest.raises(AnswerIsNoError, match="enforcement stop"):
        roll_back(live(Published(*deployments)), by="me")
