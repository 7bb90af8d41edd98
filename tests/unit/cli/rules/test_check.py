from __future__ import annotations

import json
from pathlib import Path

import pytest

from sessionwarden.ruleset.compiler.compile import compile_rules
from sessionwarden.ruleset.load import load_ruleset
from tests.support.command_line import invoke, run
from tests.support.paths import PROJECT

SHIPPED = PROJECT / "rules"

WRONG = """\
title: A rule
id: 7b0c7a52-31fb-4bd0-9c35-3f7cfb5de111
logsource: {category: api_access}
detection:
  sel: {statsu: 401}
  condition: sel
"""


def test_check_shows_the_line_a_caret_and_the_count_and_exits_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "wrong.yml"
    file.write_text(WRONG)
    assert run(["rules", "check", str(tmp_path)], monkeypatch) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"{file}:5:9: detection.sel.statsu: no event has a field 'statsu' (did you mean status?)",
        "  5 |   sel: {statsu: 401}",
        "    |         ^",
        "1 mistake in 1 file",
    ]


def test_check_of_good_rules_shows_what_they_do_and_the_digest() -> None:
    result = invoke("rules", "check", str(SHIPPED))
    assert result.exit_code == 0
    rows = {line.split()[0]: line for line in result.output.splitlines() if line.count("-") >= 4}
    row = rows["c1f6f7a1-3c0e-4f0b-9a2e-1d9c5f1be6a4"]
    for cell in (
        "Request Rate of One User",
        "event_count",
        "at least 300 events in 1m",
        "enforce",
        "deny, sign_out, alert",
    ):
        assert cell in row
    serving = sum("serves other rules" in row for row in rows.values())
    assert serving == 1
    counted = f"{len(rows) - serving} rules and 1 that only serves others, no mistakes. Digest "
    assert counted in result.output


def test_check_tells_programs_the_same() -> None:
    result = invoke("rules", "check", str(SHIPPED), "--output", "json")
    answer = json.loads(result.output)
    assert (result.exit_code, answer["valid"]) == (0, True)
    assert {rule.id for rule in compile_rules([SHIPPED]).rules} == {rule["id"] for rule in answer["rules"]}
    assert answer["digest"] in invoke("rules", "check", str(SHIPPED)).output


def test_check_tells_programs_each_mistake(tmp_path: Path) -> None:
    (tmp_path / "wrong.yml").write_text(WRONG)
    result = invoke("rules", "check", str(tmp_path), "--output", "json")
    assert result.exit_code == 2
    assert json.loads(result.output) == {
        "valid": False,
        "mistakes": [
            {
                "file": str(tmp_path / "wrong.yml"),
                "line": 5,
                "column": 9,
                "path": "detection.sel.statsu",
                "message": "no event has a field 'statsu'",
                "hint": "did you mean status?",
            }
        ],
    }


def test_compile_writes_what_lambdas_load(tmp_path: Path) -> None:
    out = tmp_path / "ruleset.json"
    result = invoke("rules", "compile", str(SHIPPED), "--out", str(out))
    assert result.exit_code == 0
    assert load_ruleset(out.read_bytes()).digest in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["ruleset.json"]


def test_compile_leaves_the_old_file_alone_if_there_is_a_mistake(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "wrong.yml").write_text(WRONG)
    out = tmp_path / "ruleset.json"
    out.write_text("old")
    assert invoke("rules", "compile", str(folder), "--out", str(out)).exit_code != 0
    assert out.read_text() == "old"


def test_compile_to_a_place_that_cannot_be_written_exits_with_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "absent" / "ruleset.json"
    assert run(["rules", "compile", str(SHIPPED), "--out", str(out)], monkeypatch) == 3
    assert f"{out} cannot be written" in capsys.readouterr().err


def test_what_never_matches_is_noted_and_can_be_published(tmp_path: Path) -> None:
    (tmp_path / "cookie.yml").write_text(
        "title: Cookie\nid: 00000000-0000-4000-8000-000000000001\nlogsource: {category: webserver}\n"
        "detection: {s: {cs-cookie|contains: x, sc-status: 200}, condition: s}\n"
    )
    result = invoke("rules", "check", str(tmp_path))
    assert result.exit_code == 0
    assert "cookie.yml:4:17: detection.s.cs-cookie|contains:" in result.output
    assert "1 note in 1 file" in result.output
    answer = json.loads(invoke("rules", "check", str(tmp_path), "--output", "json").output)
    assert [note["line"] for note in answer["notes"]] == [4]
