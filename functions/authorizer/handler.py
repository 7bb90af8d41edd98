"""Lambda entry point of the authorizer of every kind of API that can have one.

Enters: an authorizer event. Leaves: the answer its API expects, and one decision line on stdout. Built
at import, where Lambda gives a cold start its full CPU; a wrong environment does not fail the
import but refuses every request with the reason `misconfigured`, so that the log says why.
"""

from __future__ import annotations

import os
import time
from typing import Any, NamedTuple

from functions.authorizer.answer import shape_answer
from functions.authorizer.events import UNKNOWN, EventOptions, ParsedEvent, read_event
from sessionwarden.authorizer.assemble import build_authorizer
from sessionwarden.authorizer.authorizer import Authorizer
from sessionwarden.authorizer.decision import Decision, shape_line
from sessionwarden.authorizer.operator_notes import note
from sessionwarden.authorizer.settings import read_settings
from sessionwarden.errors import SessionwardenError


class Service(NamedTuple):
    """An authorizer and how its events are to be read. `authorizer` is `None` if it cannot be built."""

    authorizer: Authorizer | None
    options: EventOptions = EventOptions()

    def answer(self, event: object, *, invocation_id: str) -> dict[str, Any]:
        """The answer to `event`; raises only `Unauthorized`, which some APIs turn into 401."""
        try:
            parsed = read_event(event, self.options)
        except Exception as error:  # no event may escape as an exception
            note(error)
            parsed = UNKNOWN
        decision = self._decide(parsed)
        clock = time.time if self.authorizer is None else self.authorizer.clock
        line = shape_line(parsed.request, decision, fallback_id=invocation_id, now_ms=int(clock() * 1000))
        write_line(line)
        return shape_answer(parsed, decision)

    def _decide(self, parsed: ParsedEvent) -> Decision:
        if self.authorizer is None:
            return Decision(403, "misconfigured")
        if parsed.answer == "unknown":
            return Decision(403, "unsupported_event")
        return self.authorizer.decide(parsed.authorization, parsed.request)


def write_line(line: str) -> None:
    """Write the decision line; a broken log must not become a broken API, so the answer stands."""
    try:
        # one write: two processes of one log must not interleave a line and its end
        print(f"{line}\n", end="", flush=True)
    except (OSError, ValueError):
        note(None)


def build() -> Service:
    """The service of this environment; one that refuses everything, with a note, if it is wrong."""
    try:
        settings = read_settings(os.environ)
        options = EventOptions(settings.country_header, settings.token_parameter, settings.http_api_answer)
        return Service(build_authorizer(settings, os.environ), options)
    except (SessionwardenError, ValueError) as error:
        note(error)
        return Service(None)


SERVICE = build()


def lambda_handler(event: object, context: object) -> dict[str, Any]:
    """Answer one authorizer event; raises only `Unauthorized`, for a 401."""
    invocation_id = str(getattr(context, "aws_request_id", "") or time.time_ns())
    return SERVICE.answer(event, invocation_id=invocation_id)
