"""One deployment on the emulator, shared by every end-to-end test; tests use users of their own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sessionwarden.local.demo.report import Report
from sessionwarden.local.demo.scenario import play
from sessionwarden.local.demo.stack import LocalStack, Step, running_local_stack
from tests.support.probe import Probe


class Silent:
    """Progress that nobody watches."""

    @contextmanager
    def step(self, text: str) -> Iterator[Step]:
        yield self

    def update(self, text: str) -> None:
        pass


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    with running_local_stack(Silent()) as running:
        yield running


@pytest.fixture(scope="session")
def report(stack: LocalStack) -> Report:
    """The demo's story, played once."""
    return play(stack, Silent(), started=time.monotonic())


@pytest.fixture(scope="session")
def probe(stack: LocalStack, report: Report) -> Probe:
    """For the tests after the story: by then every function is warm."""
    return Probe(stack)
