"""Decides whether a request may pass. `decide(token, request)` is the whole authorizer as one function.

The Lambda authorizer uses this package; `decide` offers the same decision to services behind a load balancer
or in a web framework. Settings come from the environment, as for the Lambda function
(docs/reference/data.md); an invalid one raises `SettingsError` at the first call.

>>> from sessionwarden.authorizer import decide, web_request
>>> request = web_request(method="GET", path="/orders/5", route="GET /orders/{id}")
>>> decide(headers.get("authorization"), request).status  # doctest: +SKIP
200
"""

from __future__ import annotations

import os
import threading

from sessionwarden.authorizer.authorizer import Authorizer
from sessionwarden.authorizer.decision import Decision, shape_context, shape_line
from sessionwarden.authorizer.request import Request, web_request

__all__ = ["Decision", "Request", "decide", "shape_context", "shape_line", "web_request"]


class _Process:
    """The authorizer of this process, built at the first decision."""

    def __init__(self) -> None:
        self.start_anew()

    def start_anew(self) -> None:
        """Forget the authorizer. A forked worker needs locks and connections that no other process has."""
        self.authorizer: Authorizer | None = None
        self.building = threading.Lock()

    def build(self) -> Authorizer:
        # imported on first use, so that a program which only needs the types pays for nothing else
        from sessionwarden.authorizer.assemble import build_authorizer
        from sessionwarden.authorizer.settings import read_settings

        with self.building:
            if self.authorizer is None:
                self.authorizer = build_authorizer(read_settings(os.environ), os.environ)
            return self.authorizer


_process = _Process()
os.register_at_fork(after_in_child=_process.start_anew)


def decide(token: str | tuple[str, ...] | None, request: Request) -> Decision:
    """Whether `request` may pass: status 200, 401 (get a new token) or 403, with a reason.

    `token` is the Authorization header's value (`Bearer x` or `x`), all its values, or `None`. Safe for
    threads: they share keys, verified tokens, and what is known of denied clients and networks, so that one
    thread fetches for all; each keeps its own connections. Waits up to 300 ms for the denylist, and up to 2 s
    if this thread fetches signing keys; others wait for that only while no keys are known, up to 3 s.
    Raises only `SettingsError` and `RoutesError`, for an invalid environment. Write `shape_line` of the
    decision to a log that Sessionwarden reads, so that rules can see it.
    """
    return (_process.authorizer or _process.build()).decide(token, request)
