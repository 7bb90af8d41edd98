"""What the demo found out: measured moments, endpoints, and every expectation with what it got.

Values only; `story` fills them, `demo_screen` shows them, `--output json` writes them. Times are epoch
milliseconds unless the name says otherwise. No token is ever in here.
"""

from __future__ import annotations

import msgspec

SIMULATED = (
    "The one simulated input: API Gateway's access-log lines. The emulator writes none, so the demo writes "
    "one for each real request, in the product's own format. Source addresses are made up (RFC 5737)."
)


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """Something that must be so. It holds if `got` equals `expected`."""

    name: str
    expected: str
    got: str

    @property
    def held(self) -> bool:
        return self.got == self.expected


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """A point on a timeline; `after_ms` counts from the incident's first moment."""

    what: str
    at: int
    after_ms: int


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One abuse from the line that crossed a rule's threshold to the request that was refused."""

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
    """What the same token met at one endpoint, before and after."""

    name: str
    before: str
    after: str


class CommandRun(msgspec.Struct, frozen=True, kw_only=True):
    """A command as an operator runs it; `output` is what it said."""

    command: str
    exit_status: int
    output: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. `seconds` is how long the demo took, deployment included.

    `replayed_lines` counts access-log lines that were written again because the machine could not make
    as many real requests in time; 0 where it can. `new_token_after_undo` and `old_token_after_undo` are
    what the guarded route answered to each.
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
