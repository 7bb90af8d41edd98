"""The emulator's own process: MiniStack, nearer to AWS in three points, ended when its parent is gone.

Enters: a pipe on standard input that the parent holds open and never writes to. A parent that is killed
cannot clean up, but its end of the pipe closes: then this process ends itself and its Lambda workers.
Two points let the very policies that AWS gets be enforced here: requests count as sent over TLS, and a
permission for an SQS action covers its batch form. The third lets deliveries wait for a busy function, as
they do on AWS, instead of starting a process for each. See docs/explanation/local-stack.md; MiniStack's
version is pinned. Run as `python -m sessionwarden.local.emulator.child_process`.
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
    """The app, told of each request what a proxy that terminates TLS would tell it."""

    async def forward(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope = {**scope, "headers": [*scope["headers"], FORWARDED_PROTOCOL]}
        await app(scope, receive, send)

    return forward


def permitted_action(headers: Mapping[str, str]) -> str | None:
    """The action that a caller needs permission for, by the request's `X-Amz-Target`.

    SQS has no permissions for batches of their own: that of `SendMessage` covers `SendMessageBatch`
    (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_AddPermission.html).
    """
    target = headers.get("x-amz-target", "")
    _, dot, action = target.rpartition(".")
    if target.startswith(SQS_TARGET):
        return action.removesuffix(BATCH_SUFFIX)
    return action if dot else None


def in_turn(execute: Execute) -> Execute:
    """The invocation, waiting while the function has all the processes it may have.

    A log subscription invokes once per line here, and a process takes a second of CPU to start: without a
    bound, a busy second starts twenty, which slow each other down, so that the next second starts more.
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
