from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from sessionwarden.local.demo.session import run_command
from tests.support.emulated_deployment import EmulatedDeployment
from tests.support.paths import PROJECT

ROOT = PROJECT
LOG = str(ROOT / "samples" / "access.log.gz")


def test_a_published_set_names_the_next_finding_and_a_rollback_brings_the_other_back(
    deployment: EmulatedDeployment, tmp_path: Path
) -> None:
    rules = tmp_path / "rules"
    shutil.copytree(ROOT / "rules", rules)
    first = _publish(deployment, rules)
    rule = rules / "sessions" / "session-from-many-addresses.yml"
    rule.write_text(
        rule.read_text().replace("title: One Session From Many Addresses", "title: Another Title")
    )
    second = _publish(deployment, rules)
    deployment.start_anew("detect")

    attacker = deployment.sample_attacker()
    deployment.log.write(attacker.abuse())
    finding = deployment.finding_about(attacker.user)
    assert (finding["title"], finding["ruleset_digest"]) == ("Another Title", second)

    taken_back = _rules(deployment, "rollback")
    assert taken_back["live"]["digest"] == first
    deployment.start_anew("detect")
    attacker = deployment.sample_attacker()
    deployment.log.write(attacker.abuse())
    assert deployment.finding_about(attacker.user)["ruleset_digest"] == first


def _publish(deployment: EmulatedDeployment, rules: Path) -> str:
    # the sample log is full of abuse, which is what it is for
    _rules(deployment, "publish", str(rules), "--log", LOG, "--max-share", "0.1", "--yes")
    return str(_rules(deployment, "status")["live"]["digest"])


def _rules(deployment: EmulatedDeployment, *arguments: str) -> Any:
    done = run_command(deployment.stack.emulator, "rules", *arguments, "--output", "json")
    assert done.exit_status == 0, done.output
    return json.loads(done.output.splitlines()[-1])
