"""What every test shares: no AWS account in the environment, no network in unit tests, one emulator."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from botocore.loaders import create_loader

from tests.support.paths import PROJECT

if TYPE_CHECKING:
    from sessionwarden.local.emulator.emulator import Emulator

for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
# or each command that a test starts would compile its modules again
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ |= {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "POWERTOOLS_METRICS_NAMESPACE": "Sessionwarden",
    "POWERTOOLS_TRACE_DISABLED": "true",
}


SHARED = ("e2e", "stacks", "packaging")
"""Folders whose tests share something that takes seconds to make: a deployment, a template, a wheel."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let one process run all tests of a shared folder, and any process any other test."""
    for item in items:
        folder = item.path.relative_to(PROJECT / "tests").parts[0]
        if folder in SHARED:
            item.add_marker(pytest.mark.xdist_group(folder))


@pytest.fixture(autouse=True)
def _closed_sockets(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unit and property tests run without a network: a forgotten call fails, it does not wait."""
    if not {"unit", "property", "rules"} & set(request.path.parts):
        return

    def refuse(self: socket.socket, address: Any) -> None:
        raise AssertionError(f"a unit test tried to connect to {address!r}")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="session", autouse=True)
def _service_descriptions() -> Iterator[None]:
    """botocore's descriptions of services are parsed once a process, not once a session of a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", cache(create_loader))
        yield


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """One emulator for the whole run; tests use tables and queues of their own names."""
    from sessionwarden.local.emulator.emulator import running_emulator

    with running_emulator() as running:
        yield running
