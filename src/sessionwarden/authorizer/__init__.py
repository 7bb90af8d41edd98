"""`decide(token, request)`: the authorizer as a plain function, for whatever is not an API of AWS.

Enters: an Authorization header's value and a `Request`, behind a load balancer or in a web framework.
Leaves: a `Decision`, the very one that the Lambda authorizer makes. Settings come from the environment,
as for the function (docs/reference/data.md); a wrong one raises `SettingsError` at the first call.

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
    threads, each of which keeps a connection of its own. Blocks for up to 300 ms on the denylist, and up
    to 2 s when keys are due. Raises only `SettingsError` and `RoutesError`, for a wrong environment.
    Write `shape_line` of the decision to a log for rules to see it.
    """
    authorizer: Authorizer | None = getattr(_here, "authorizer", None)
    if authorizer is None:
        # imported on first use: a program that only names the types need not open anything
        from sessionwarden.authorizer.assemble import build_authorizer
        from sessionwarden.authorizer.settings import read_settings

        authorizer = _here.authorizer = build_authorizer(read_settings(os.environ), os.environ)
    return authorizer.decide(token, request)
