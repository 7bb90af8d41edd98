"""The yardstick of replay finds what replay finds, or its speed would say nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from benchmarks import json_log, plain_loop
from sessionwarden.adapters.memory.windows import NO_LIMIT, MemoryWindowStore
from sessionwarden.local.simulation.day import simulate
from sessionwarden.replay.formats import MappedJson
from sessionwarden.replay.log_files import Log
from sessionwarden.replay.log_lines import LineReader
from sessionwarden.replay.passes.two_passes import TwoPasses
from sessionwarden.replay.replayer import Replayer
from sessionwarden.ruleset.compiler.compile import compile_rules
from sessionwarden.sources.mapping_file import load_mapping
from tests.support.paths import PROJECT


def test_the_plain_loop_finds_what_replay_finds(tmp_path: Path) -> None:
    lines = [json_log.json_line(line) for line in simulate(lines=5_000, seed=1).lines]
    (tmp_path / "log").write_text("".join(f"{line}\n" for line in lines))
    rules = compile_rules([PROJECT / "benchmarks" / "rules"])
    mapping = load_mapping(json_log.FIELDS, file="fields.yml")
    reader = LineReader(MappedJson(mapping=mapping, now_ms=2_000_000_000_000), lambda line: None)
    replayer = Replayer(rules, MemoryWindowStore(member_limit=NO_LIMIT))
    run = TwoPasses([Log(str(tmp_path / "log"))], rules, reader, replayer)
    replayed = Counter(finding.title.split()[0] for finding in run.findings())

    count, found = plain_loop.run(line.encode() for line in lines)

    assert count == reader.events == len(lines)
    assert found == replayed
    assert found
