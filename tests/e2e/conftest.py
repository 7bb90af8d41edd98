"""One deployment on the emulator, shared by every end-to-end test; tests use users of their own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sessionwarden.local.demo.report import Report
from sessionwarden.local.demo.scenario import play
from sessionwarden.local.demo.stack import LocalStack, Step, running_local_stack
from tests.support.emulated_deployment import EmulatedDeployment


class Silent:
    """Progress that is shown nowhere."""

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
    """The report of the demo, which is played once."""
    return play(stack, Silent(), started=time.monotonic())


@pytest.fixture(scope="session")
def deployment(stack: LocalStack, report: Report) -> EmulatedDeployment:
    """A view of the deployment after the demo has run, so that every function is warm."""
    return EmulatedDeployment(stack)
