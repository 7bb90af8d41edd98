"""Runs the emulator, MiniStack, in its own process, with three changes that make it behave more like AWS.

Requests count as sent over TLS, and a permission for an SQS action covers its batch form, so that the
policies of the AWS deployment can be enforced. Deliveries wait for a busy function instead of starting a
process each.
See docs/explanation/local-stack.md; MiniStack's version is pinned. The process ends itself and its Lambda
workers when standard input closes, because a parent that is killed cannot clean up.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ministack import app as ministack
from ministack.core import iam_actions
from ministack.services import lambda_svc

FORWARDED_PROTOCOL = (b"x-forwarded-proto", b"https")

SQS_TARGET = "AmazonSQS."
BATCH_SUFFIX = "Batch"

PROCESSES_PER_FUNCTION = 3

Execute = Callable[[dict[str, Any], Any], Any]
ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]


def behind_tls(app: ASGIApp) -> ASGIApp:
    """The app, with the header on each request that a proxy which terminates TLS would add."""

    async def forward(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope = {**scope, "headers": [*scope["headers"], FORWARDED_PROTOCOL]}
        await app(scope, receive, send)

    return forward


def permitted_action(headers: Mapping[str, str]) -> str | None:
    """The action that a caller needs permission for, by the request's `X-Amz-Target`.

    SQS has no separate permissions for batches: that for `SendMessage` covers `SendMessageBatch`
    (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_AddPermission.html).
    """
    target = headers.get("x-amz-target", "")
    _, dot, action = target.rpartition(".")
    if target.startswith(SQS_TARGET):
        return action.removesuffix(BATCH_SUFFIX)
    return action if dot else None


def in_turn(execute: Execute) -> Execute:
    """An invocation that waits while the function has the most processes that it may have.

    The emulator invokes a function for each log line, and a process needs a second of CPU to start. Without a
    bound, a busy second would start twenty of them, which slow each other down.
    """
    turns: dict[str, threading.BoundedSemaphore] = {}
    lock = threading.Lock()

    def wait_and_execute(function: dict[str, Any], event: Any) -> Any:
        name = str((function.get("config") or function).get("FunctionName"))
        with lock:
            turn = turns.setdefault(name, threading.BoundedSemaphore(PROCESSES_PER_FUNCTION))
        with turn:
            return execute(function, event)

    return wait_and_execute


def _die_with_parent() -> None:
    sys.stdin.buffer.read()
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_die_with_parent, name="parent", daemon=True).start()
    iam_actions._action_from_target = permitted_action
    lambda_svc._execute_function_with_config_scope = in_turn(lambda_svc._execute_function_with_config_scope)
    ministack.app = behind_tls(ministack.app)
    ministack.main()
