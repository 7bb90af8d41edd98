"""What the demo reports of a run in which every expectation held."""

from __future__ import annotations

from sessionwarden.local.demo.report import (
    SIMULATED,
    CommandRun,
    EndpointResult,
    Expectation,
    Incident,
    Moment,
    Report,
)

HELD = Expectation(name="the first request", expected="200", got="200")
INCIDENT = Incident(
    username="mallory",
    rule="Request Rate of One User",
    count=300,
    decision_id="d1",
    actions=("deny", "sign_out", "alert"),
    requests=331,
    timeline=(
        Moment(what="the log line is written", at=1000, after_ms=0),
        Moment(what="refused", at=1520, after_ms=520),
    ),
    alert_subject="[high] Sessionwarden: deny",
    alert_message="grouped by user: [bold]not markup[/bold]",
)
REPORT = Report(
    simulated=SIMULATED,
    replayed_lines=0,
    incidents=(INCIDENT,),
    endpoints=(EndpointResult(name="Cognito's own JWT authorizer", before="200", after="200"),),
    honest_users=4,
    honest_requests=113,
    honest_errors=0,
    undo=CommandRun(command="sessionwarden decisions delete d1", exit_status=0, output="Lifted."),
    new_token_after_undo="200",
    old_token_after_undo="403",
    expectations=(HELD,),
    seconds=41.5,
)
