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

_here = threading.local()


def decide(token: str | tuple[str, ...] | None, request: Request) -> Decision:
    """Whether `request` may pass: status 200, 401 (get a new token) or 403, with a reason.

    `token` is the Authorization header's value (`Bearer x` or `x`), all its values, or `None`. Safe for
    threads: each keeps its own connection. Waits up to 300 ms for the denylist, and up to 2 s when
    signing keys must be fetched. Raises only `SettingsError` and `RoutesError`, for an invalid environment.
    Write `shape_line` of the decision to a log that Sessionwarden reads, so that rules can see it.
    """
    authorizer: Authorizer | None = getattr(_here, "authorizer", None)
    if authorizer is None:
        # imported on first use, so that a program which only needs the types pays for nothing else
        from sessionwarden.authorizer.assemble import build_authorizer
        from sessionwarden.authorizer.settings import read_settings

        authorizer = _here.authorizer = build_authorizer(read_settings(os.environ), os.environ)
    return authorizer.decide(token, request)
