from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sessionwarden.local.demo.session import run_command
from tests.support.probe import Probe


def test_a_log_batch_and_a_finding_delivered_again_act_once(probe: Probe) -> None:
    suspect = probe.suspect()
    lines = suspect.abuse()
    probe.log.write(lines)
    first = probe.decision_about(suspect.user)
    entries = probe.deny_entries(suspect.user)
    assert len(entries) == 1

    probe.log.write(lines)
    probe.send_finding(probe.finding_about(suspect.user))
    probe.commit()

    assert [item["decision_id"]["S"] for item in probe.decisions_about(suspect.user)] == [
        first["decision"]["id"]
    ]
    assert probe.deny_entries(suspect.user) == entries
    assert len(probe.alerts_about(suspect.user)) == 1
    assert suspect.status() == 403


def test_a_finding_raised_again_for_want_of_its_mark_acts_once(probe: Probe) -> None:
    suspect = probe.suspect()
    lines = suspect.abuse()
    marks = probe.marks()
    probe.log.write(lines)
    first = probe.decision_about(suspect.user)
    probe.wait_until(lambda: probe.marks() > marks, "the slot is suppressed")
    entries = probe.deny_entries(suspect.user)

    # as if the process had crashed between handing the finding over and burning its slot
    probe.forget(probe.marks() - marks)
    probe.start_anew("detect")
    probe.log.write(lines)
    probe.wait_until(lambda: len(probe.findings_about(suspect.user)) > 1, "it is raised again")
    probe.commit()

    assert set(probe.findings_about(suspect.user)) == {first["decision"]["id"]}
    assert len(probe.decisions_about(suspect.user)) == 1
    assert probe.deny_entries(suspect.user) == entries
    assert len(probe.alerts_about(suspect.user)) == 1


def test_a_finding_delivered_again_after_a_lift_does_not_put_the_deny_back(probe: Probe) -> None:
    suspect = probe.suspect()
    probe.log.write(suspect.abuse())
    decision = probe.decision_about(suspect.user)["decision"]
    lifted = run_command(probe.stack.emulator, "decisions", "delete", decision["id"], "--revive-tokens")
    assert lifted.exit_status == 0, lifted.output

    probe.send_finding(probe.finding_about(suspect.user))
    probe.commit()

    assert suspect.status() == 200


def test_nothing_is_enforced_while_the_kill_switch_is_on(probe: Probe) -> None:
    suspect = probe.suspect()
    with _stopped(probe):
        probe.log.write(suspect.abuse())
        decision = probe.decision_about(suspect.user)["decision"]
    assert (decision["simulated"], decision["withheld"]) == (True, "stopped")
    assert probe.deny_entries(suspect.user) == []
    assert suspect.status() == 200


def test_a_deployment_in_observe_tells_and_does_nothing(probe: Probe) -> None:
    suspect = probe.suspect()
    probe.set_mode("observe")
    try:
        probe.log.write(suspect.abuse())
        decision = probe.decision_about(suspect.user)["decision"]
    finally:
        probe.set_mode("enforce")
    probe.alerts.collect(wait_seconds=1)
    assert (decision["simulated"], decision["withheld"]) == (True, "observe")
    assert probe.deny_entries(suspect.user) == []
    assert len(probe.alerts_about(suspect.user)) == 1
    assert suspect.status() == 200


@contextmanager
def _stopped(probe: Probe) -> Iterator[None]:
    stopped = run_command(probe.stack.emulator, "enforcement", "stop")
    assert stopped.exit_status == 0, stopped.output
    try:
        yield
    finally:
        resumed = run_command(probe.stack.emulator, "enforcement", "resume")
        assert resumed.exit_status == 0, resumed.output
