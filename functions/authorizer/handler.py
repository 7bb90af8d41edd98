"""Lambda entry point of the authorizer, for every API kind.

It returns the answer that the API expects, and writes one decision line to stdout. The authorizer is built at
import, where Lambda gives a cold start its full CPU. A wrong environment does not fail the import; it refuses
every request with the reason `misconfigured`, so that the log says why.
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
    """An authorizer, and the options for reading its events. `authorizer` is `None` if it cannot be built."""

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
    """Write the decision line. A failure changes no answer: a broken log must not break the API."""
    try:
        # one write, so that two processes of one log cannot mix a line and its end
        print(f"{line}\n", end="", flush=True)
    except (OSError, ValueError):
        note(None)


def build() -> Service:
    """The service of this environment; if that is wrong, one that refuses every request, with a note."""
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
