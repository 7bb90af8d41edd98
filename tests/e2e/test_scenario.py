from __future__ import annotations

import msgspec

from sessionwarden.local.demo.report import Report


def test_every_expectation_of_the_demo_holds(report: Report) -> None:
    assert report.expectations
    assert not report.failed


def test_a_deny_comes_after_the_line_that_crosses_and_before_the_first_refusal(report: Report) -> None:
    for incident in report.incidents:
        line, finding, deny, refusal = (moment.at for moment in incident.timeline)
        assert line <= deny <= refusal
        # what is seen here is the copy on the bus, which is sent after enforcement has the finding
        assert line <= finding


def test_only_cognitos_own_authorizer_lets_the_dead_token_in(report: Report) -> None:
    still_open = [endpoint.name for endpoint in report.endpoints if endpoint.after == "200"]
    assert still_open == ["Cognito's own JWT authorizer, same API"]


def test_the_alert_tells_how_to_undo_what_was_done(report: Report) -> None:
    for incident in report.incidents:
        assert f"sessionwarden decisions delete {incident.decision_id}" in incident.alert_message


def test_only_the_stolen_session_is_ended_and_its_owner_is_not_signed_out(report: Report) -> None:
    theft, hammering = report.incidents
    assert "sign_out" not in theft.actions
    assert "sign_out" in hammering.actions


def test_honest_users_worked_all_along(report: Report) -> None:
    assert report.honest_requests > 0
    assert report.honest_errors == 0


def test_no_token_is_in_the_report(report: Report) -> None:
    # every JWT begins with the base64 of `{"`
    assert b"eyJ" not in msgspec.json.encode(report)
