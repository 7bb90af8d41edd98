from __future__ import annotations

import gzip
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sessionwarden.local.simulation.day import START_MS, simulate
from sessionwarden.sources.access_log.line import parse_access_line
from tests.support.command_line import invoke
from tests.support.paths import PROJECT

ROOT = PROJECT
SAMPLE, TRUTH = ROOT / "samples/access.log.gz", ROOT / "samples/access.truth.json"
SAMPLE_ARGUMENTS = ("--lines", "20000", "--seed", "1")


def accused(log: Path) -> set[tuple[str, str]]:
    """Who a replay of the shipped rules finds: rule and key."""
    result = invoke("replay", "--rules", ROOT / "rules", "--output", "json", "--strict", log)
    assert result.exit_code == 0, result.stderr
    return {named(json.loads(line)) for line in result.stdout.splitlines()}


def named(entry: dict[str, Any]) -> tuple[str, str]:
    return entry["rule"], json.dumps(entry["key"], sort_keys=True)


def test_the_shipped_sample_is_what_the_generator_writes_today(tmp_path: Path) -> None:
    log, truth = tmp_path / "access.log.gz", tmp_path / "truth.json"
    arguments = ("simulate", *SAMPLE_ARGUMENTS, "--out", log, "--truth", truth)
    assert invoke(*arguments).exit_code == 0
    # the text, not the archive: zlib's versions compress differently
    assert gzip.decompress(log.read_bytes()) == gzip.decompress(SAMPLE.read_bytes())
    assert truth.read_text() == TRUTH.read_text()


def test_a_replay_of_the_sample_finds_all_that_was_planted_and_no_other_user() -> None:
    truth = json.loads(TRUTH.read_text())
    planted = {named(actor) for actor in truth["planted"]}
    assert len(planted) >= 12
    assert len({rule for rule, _ in planted}) == 4
    assert accused(SAMPLE) == planted


@pytest.mark.parametrize("seed", [2, 3])
def test_the_truth_holds_for_other_seeds_too(tmp_path: Path, seed: int) -> None:
    simulation = simulate(lines=6_000, seed=seed)
    (tmp_path / "log").write_text("".join(f"{line}\n" for line in simulation.lines))
    planted = {named({"rule": actor.rule, "key": actor.key}) for actor in simulation.truth.planted}
    assert accused(tmp_path / "log") == planted


def test_a_log_has_as_many_lines_as_asked_slightly_out_of_order_with_a_few_redelivered() -> None:
    events = [
        parse_access_line(line, now_ms=START_MS + 2 * 86_400_000)
        for line in simulate(lines=10_000, seed=5).lines
    ]
    assert len(events) == 10_000
    times = [event.time for event in events]
    assert times != sorted(times)
    assert max(before - after for before, after in pairwise(times)) < 60_000
    repeated = [id_ for id_, count in Counter(event.id for event in events).items() if count > 1]
    assert 0 < len(repeated) < 50
    assert {event.status for event in events} == {200, 401, 404, 503}


def test_a_log_too_short_for_its_actors_is_refused(tmp_path: Path) -> None:
    result = invoke("simulate", "--lines", "100", "--out", str(tmp_path / "log"))
    assert result.exit_code == 2
