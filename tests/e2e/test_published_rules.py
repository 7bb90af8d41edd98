from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from sessionwarden.local.demo.session import run_command
from tests.support.paths import PROJECT
from tests.support.probe import Probe

ROOT = PROJECT
LOG = str(ROOT / "samples" / "access.log.gz")


def test_a_published_set_names_the_next_finding_and_a_rollback_brings_the_other_back(
    probe: Probe, tmp_path: Path
) -> None:
    rules = tmp_path / "rules"
    shutil.copytree(ROOT / "rules", rules)
    first = _publish(probe, rules)
    rule = rules / "sessions" / "session-from-many-addresses.yml"
    rule.write_text(
        rule.read_text().replace("title: One Session From Many Addresses", "title: Another Title")
    )
    second = _publish(probe, rules)
    probe.start_anew("detect")

    suspect = probe.suspect()
    probe.log.write(suspect.abuse())
    finding = probe.finding_about(suspect.user)
    assert (finding["title"], finding["ruleset_digest"]) == ("Another Title", second)

    taken_back = _rules(probe, "rollback")
    assert taken_back["live"]["digest"] == first
    probe.start_anew("detect")
    suspect = probe.suspect()
    probe.log.write(suspect.abuse())
    assert probe.finding_about(suspect.user)["ruleset_digest"] == first


def _publish(probe: Probe, rules: Path) -> str:
    # the sample log is full of abuse, which is what it is for
    _rules(probe, "publish", str(rules), "--log", LOG, "--max-share", "0.1", "--yes")
    return str(_rules(probe, "status")["live"]["digest"])


def _rules(probe: Probe, *arguments: str) -> Any:
    done = run_command(probe.stack.emulator, "rules", *arguments, "--output", "json")
    assert done.exit_status == 0, done.output
    return json.loads(done.output.splitlines()[-1])
