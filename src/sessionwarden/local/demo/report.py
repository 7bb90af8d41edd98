"""The result of the demo: measured times, the API's answers, and every expectation with its result.

`scenario` fills a report, `screen` shows it, and `--output json` writes it. Times are epoch milliseconds
unless the name says otherwise. A report never holds a token.
"""

from __future__ import annotations

import msgspec

SIMULATED = (
    "The one simulated input: API Gateway's access-log lines. The emulator writes none, so the demo writes "
    "one for each real request, in the product's own format. Source addresses are made up (RFC 5737)."
)


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """A condition that the demo checks. It holds if `got` equals `expected`."""

    name: str
    expected: str
    got: str

    @property
    def held(self) -> bool:
        return self.got == self.expected


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """A moment of an incident; `after_ms` counts from the incident's first moment."""

    what: str
    at: int
    after_ms: int


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One abuse, from the log line that crossed a rule's threshold to the first refused request."""

    username: str
    rule: str
    count: int
    decision_id: str
    actions: tuple[str, ...]
    requests: int
    timeline: tuple[Moment, ...]
    alert_subject: str
    alert_message: str


class EndpointResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answers of one endpoint to the same token, before and after the session was ended."""

    name: str
    before: str
    after: str


class CommandRun(msgspec.Struct, frozen=True, kw_only=True):
    """A command as an operator runs it, with its output."""

    command: str
    exit_status: int
    output: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole result. `seconds` is how long the demo took, deployment included.

    `replayed_lines` counts access-log lines that were written a second time because the machine was too slow
    to make as many real requests; otherwise it is 0. `new_token_after_undo` and `old_token_after_undo` are
    the guarded route's answers to each token.
    """

    simulated: str
    replayed_lines: int
    incidents: tuple[Incident, ...]
    endpoints: tuple[EndpointResult, ...]
    honest_users: int
    honest_requests: int
    honest_errors: int
    undo: CommandRun
    new_token_after_undo: str
    old_token_after_undo: str
    expectations: tuple[Expectation, ...]
    seconds: float

    @property
    def failed(self) -> tuple[Expectation, ...]:
        return tuple(expectation for expectation in self.expectations if not expectation.held)
