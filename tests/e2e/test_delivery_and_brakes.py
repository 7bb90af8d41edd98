from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sessionwarden.local.demo.session import run_command
from tests.support.emulated_deployment import EmulatedDeployment


def test_a_log_batch_and_a_finding_delivered_again_act_once(deployment: EmulatedDeployment) -> None:
    attacker = deployment.sample_attacker()
    lines = attacker.abuse()
    deployment.log.write(lines)
    first = deployment.decision_about(attacker.user)
    entries = deployment.deny_entries(attacker.user)
    assert len(entries) == 1

    deployment.log.write(lines)
    deployment.send_finding(deployment.finding_about(attacker.user))
    deployment.wait_until_idle()

    assert [item["decision_id"]["S"] for item in deployment.decisions_about(attacker.user)] == [
        first["decision"]["id"]
    ]
    assert deployment.deny_entries(attacker.user) == entries
    assert len(deployment.alerts_about(attacker.user)) == 1
    assert attacker.status() == 403


def test_a_finding_raised_again_without_its_suppression_marker_acts_once(
    deployment: EmulatedDeployment,
) -> None:
    attacker = deployment.sample_attacker()
    lines = attacker.abuse()
    markers = deployment.suppression_markers()
    deployment.log.write(lines)
    first = deployment.decision_about(attacker.user)
    deployment.wait_until(lambda: deployment.suppression_markers() > markers, "the period is suppressed")
    entries = deployment.deny_entries(attacker.user)

    # as if the process had crashed between handing the finding over and storing its suppression marker
    deployment.forget(deployment.suppression_markers() - markers)
    deployment.start_anew("detect")
    deployment.log.write(lines)
    deployment.wait_until(lambda: len(deployment.findings_about(attacker.user)) > 1, "it is raised again")
    deployment.wait_until_idle()

    assert set(deployment.findings_about(attacker.user)) == {first["decision"]["id"]}
    assert len(deployment.decisions_about(attacker.user)) == 1
    assert deployment.deny_entries(attacker.user) == entries
    assert len(deployment.alerts_about(attacker.user)) == 1


def test_a_finding_delivered_again_after_a_lift_does_not_put_the_deny_back(
    deployment: EmulatedDeployment,
) -> None:
    attacker = deployment.sample_attacker()
    deployment.log.write(attacker.abuse())
    decision = deployment.decision_about(attacker.user)["decision"]
    lifted = run_command(deployment.stack.emulator, "decisions", "delete", decision["id"], "--revive-tokens")
    assert lifted.exit_status == 0, lifted.output

    deployment.send_finding(deployment.finding_about(attacker.user))
    deployment.wait_until_idle()

    assert attacker.status() == 200


def test_nothing_is_enforced_while_the_kill_switch_is_on(deployment: EmulatedDeployment) -> None:
    attacker = deployment.sample_attacker()
    with _stopped(deployment):
        deployment.log.write(attacker.abuse())
        decision = deployment.decision_about(attacker.user)["decision"]
    assert (decision["simulated"], decision["withheld"]) == (True, "stopped")
    assert deployment.deny_entries(attacker.user) == []
    assert attacker.status() == 200


def test_a_deployment_in_observe_mode_alerts_and_enforces_nothing(deployment: EmulatedDeployment) -> None:
    attacker = deployment.sample_attacker()
    deployment.set_mode("observe")
    try:
        deployment.log.write(attacker.abuse())
        decision = deployment.decision_about(attacker.user)["decision"]
    finally:
        deployment.set_mode("enforce")
    deployment.alerts.collect(wait_seconds=1)
    assert (decision["simulated"], decision["withheld"]) == (True, "observe")
    assert deployment.deny_entries(attacker.user) == []
    assert len(deployment.alerts_about(attacker.user)) == 1
    assert attacker.status() == 200


@contextmanager
def _stopped(deployment: EmulatedDeployment) -> Iterator[None]:
    stopped = run_command(deployment.stack.emulator, "enforcement", "stop")
    assert stopped.exit_status == 0, stopped.output
    try:
        yield
    finally:
        resumed = run_command(deployment.stack.emulator, "enforcement", "resume")
        assert resumed.exit_status == 0, resumed.output
