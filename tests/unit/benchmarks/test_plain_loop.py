"""The yardstick of replay fires for as many keys as replay finds, on the log that both are measured with."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
from click.testing import CliRunner

from benchmarks.mapped_log import MAPPING, mapped
from benchmarks.plain_loop import Line, TenRules
from sessionwarden.cli.main import cli
from sessionwarden.local.simulation.day import simulate
from tests.support.paths import PROJECT


def test_the_plain_loop_fires_for_the_keys_that_replay_finds(tmp_path: Path) -> None:
    lines = list(mapped(simulate(lines=20_000, seed=1).lines))
    (tmp_path / "log").write_text("".join(lines))
    (tmp_path / "fields.yml").write_text(MAPPING)
    arguments = ["--rules", str(PROJECT / "benchmarks/rules"), "--fields", str(tmp_path / "fields.yml")]
    result = CliRunner().invoke(cli, ["replay", *arguments, "--output", "json", str(tmp_path / "log")])
    assert result.exit_code == 0, result.stderr
    found: dict[str, set[str]] = {}
    for finding in map(json.loads, result.stdout.splitlines()):
        found.setdefault(finding["title"].split()[0], set()).add(json.dumps(finding["key"]))
    rules = TenRules()
    for line in lines:
        rules.see(msgspec.json.decode(line, type=Line))
    assert {rule: len(keys) for rule, keys in found.items()} == {
        rule: keys for rule, keys in rules.fired().items() if keys
    }
    assert len(found) >= 4
