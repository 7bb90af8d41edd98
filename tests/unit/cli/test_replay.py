from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sessionwarden.cli.main import cli, main
from sessionwarden.model.event import Event
from sessionwarden.replay import log_files
from sessionwarden.replay.formats import OwnFormats
from sessionwarden.replay.log_files import Log, LogFileError, Unreadable, lines_of, read_blocks
from sessionwarden.replay.log_lines import LineReader, QuarantinedLine
from sessionwarden.replay.one_pass import read_logs
from sessionwarden.sources.access_log.line import format_access_line

START = 1_760_000_000_000
NOW = START + 86_400_000
RULE = """\
title: Any 401
name: any_401
status: experimental
logsource: {category: api_access}
detection:
  refused: {status: 401}
  condition: refused
level: informational
---
title: Three 401s
id: 11111111-1111-4111-8111-111111111111
status: experimental
correlation:
  type: event_count
  rules: [any_401]
  group-by: [source_ip]
  timespan: 1m
  condition: {gte: 3}
level: high
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yml"
    path.write_text(RULE)
    return path


def line(number: int, **fields: Any) -> str:
    values: dict[str, Any] = {
        "status": 401,
        "source_ip": "192.0.2.1",
        "time": START + number * 1_000,
    } | fields
    return format_access_line(Event(id=f"r{number}", source="api_access", **values))


THREE = [line(1), line(2), line(3)]


def write(path: Path, lines: list[str]) -> str:
    path.write_text("".join(f"{text}\n" for text in lines))
    return str(path)


def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, ["replay", *map(str, arguments)], input=stdin)


def findings(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(text) for text in result.stdout.splitlines()]


def test_a_finding_is_one_line_of_json_and_the_summary_goes_to_stderr(rules: Path, tmp_path: Path) -> None:
    result = run("--rules", rules, "--output", "json", write(tmp_path / "log", THREE))
    assert findings(result) == [
        {
            "rule": "11111111-1111-4111-8111-111111111111",
            "title": "Three 401s",
            "level": "high",
            "scope": "source_ip",
            "key": {"source_ip": "192.0.2.1"},
            "time": START + 3_000,
            "first_time": START + 1_000,
            "count": 3,
            "events": ["r1", "r2", "r3"],
        }
    ]
    assert "findings     1 (Three 401s 1)" in result.stderr


def test_the_text_output_is_a_table_and_a_summary(rules: Path, tmp_path: Path) -> None:
    result = run("--rules", rules, write(tmp_path / "log", [*THREE, "bad", "bad"]))
    assert result.exit_code == 0
    for part in (
        "Three 401s",
        "source_ip=192.0.2.1",
        "lines        5",
        "quarantined  2 (not_json 2)",
        "1 source_ip",
    ):
        assert part in result.stdout


def test_text_from_a_log_cannot_steer_the_terminal(rules: Path, tmp_path: Path) -> None:
    grouped_by_text = tmp_path / "agents.yml"
    grouped_by_text.write_text(RULE.replace("group-by: [source_ip]", "group-by: [source_ip, user_agent]"))
    agent = "\x9b2J[red]\u202e"
    lines = [line(number, user_agent=agent) for number in range(3)]
    result = run("--rules", grouped_by_text, write(tmp_path / "log", lines))
    assert result.exit_code == 0
    assert "\\x9b2J[red]\\u202e" in result.stdout


@pytest.mark.parametrize("arguments", [("-",), ()])
def test_standard_input_is_read_plain_or_gzipped(rules: Path, arguments: tuple[str, ...]) -> None:
    text = "\n".join(THREE).encode()
    for stdin in (text, gzip.compress(text)):
        assert len(findings(run("--rules", rules, "--output", "json", *arguments, stdin=stdin))) == 1


def test_gzip_is_told_by_its_bytes_and_several_logs_are_one(rules: Path, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(gzip.compress(f"{THREE[0]}\n{THREE[1]}".encode()))
    second = write(tmp_path / "b.gz", [THREE[2]])
    assert len(findings(run("--rules", rules, "--output", "json", tmp_path / "a.log", second))) == 1


BAD = {
    "not_json": b"GET / HTTP/1.1",
    "duplicate_key": THREE[0].replace('"user":"-"', '"user":"-","user":"victim"').encode(),
    "missing_field": THREE[0].replace('"user":"-",', "").encode(),
    "line_too_long": THREE[0].replace("192.0.2.1", "1" * 1_000_000).encode(),
    "time_out_of_range": THREE[0].replace(str(START + 1_000), "0").encode(),
    "not_utf8": THREE[0].encode() + b"\xff",
    "control_character": THREE[0].replace('"user":"-"', '"user":"\\u0000"').encode(),
}


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_line_is_quarantined_and_counted_and_the_others_still_count(
    rules: Path, tmp_path: Path, reason: str
) -> None:
    lines = [THREE[0].encode(), BAD[reason], *(text.encode() for text in THREE[1:])]
    (tmp_path / "log").write_bytes(b"\n".join(lines))
    result = run("--rules", rules, "--output", "json", tmp_path / "log")
    assert len(findings(result)) == 1
    assert f"quarantined  1 ({reason} 1)" in result.stderr
    assert run("--rules", rules, "--strict", tmp_path / "log").exit_code == 1


def test_raw_nul_bytes_in_a_head_are_quarantined(rules: Path, tmp_path: Path) -> None:
    lines = [*THREE, THREE[0].replace("192.0", "\x00192.0"), "\x00" * 500]
    result = run("--rules", rules, "--output", "json", write(tmp_path / "log", lines))
    assert len(findings(result)) == 1
    assert "quarantined  2 (not_json 2)" in result.stderr


def test_strict_without_anything_quarantined_is_0(rules: Path, tmp_path: Path) -> None:
    assert run("--rules", rules, "--strict", write(tmp_path / "log", [*THREE, ""])).exit_code == 0


def test_the_quarantine_file_names_each_line_with_its_reason(rules: Path, tmp_path: Path) -> None:
    log, kept = write(tmp_path / "log", [THREE[0], "bad\x1b[0m" * 1_000]), tmp_path / "bad.jsonl"
    assert run("--rules", rules, "--quarantine", kept, log).exit_code == 0
    [entry] = map(json.loads, kept.read_text().splitlines())
    assert (entry["file"], entry["line"], entry["reason"], len(entry["text"])) == (log, 2, "not_json", 1_000)
    assert "\x1b" not in kept.read_text()


def test_the_quarantine_file_may_not_be_the_log(rules: Path, tmp_path: Path) -> None:
    log = write(tmp_path / "log", THREE)
    assert run("--rules", rules, "--quarantine", log, log).exit_code == 2
    assert Path(log).read_text().count("\n") == 3


def test_an_event_a_day_behind_the_log_is_late_and_counted_as_such(rules: Path, tmp_path: Path) -> None:
    lines = [line(1, time=START + 25 * 3_600_000), *THREE]
    result = run("--rules", rules, "--output", "json", write(tmp_path / "log", lines))
    assert findings(result) == []
    assert "late         3" in result.stderr


def test_logs_in_another_format_are_read_under_a_mapping(rules: Path, tmp_path: Path) -> None:
    fields = tmp_path / "fields.yml"
    fields.write_text("fields: {source_ip: ip, status: code}\ntime: {key: t, unit: s}\nignore: [ua]\n")
    line = {"ip": "192.0.2.1", "code": "401", "t": START // 1000, "ua": "x"}
    log = write(tmp_path / "log", [json.dumps(line)] * 3 + [json.dumps(line | {"more": 1})])
    result = run("--rules", rules, "--fields", fields, "--output", "json", log)
    assert [finding["count"] for finding in findings(result)] == [3]
    assert "quarantined  1 (undeclared_key 1)" in result.stderr


def exit_status(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> object:
    monkeypatch.setattr(sys, "argv", ["sessionwarden", "replay", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        main()
    return caught.value.code


def test_bad_rules_and_bad_fields_are_2_and_tell_every_mistake(
    rules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = write(tmp_path / "log", THREE)
    bad_rules, bad_fields = tmp_path / "bad.yml", tmp_path / "fields.yml"
    bad_rules.write_text(RULE.replace("level: high", "level: huge").replace("timespan: 1m", "timespan: soon"))
    bad_fields.write_text("fields: {usr: u}\ntime: {key: t, unit: h}\n")
    assert exit_status(monkeypatch, "--rules", bad_rules, log) == 2
    told = capsys.readouterr().err
    assert "bad.yml:17:" in told
    assert "bad.yml:19:" in told
    assert exit_status(monkeypatch, "--rules", rules, "--fields", bad_fields, log) == 2
    told = capsys.readouterr().err
    assert "fields.usr" in told
    assert "time.unit" in told
    assert exit_status(monkeypatch, "--rules", rules, "--fields", tmp_path / "none", log) == 2


def test_a_log_that_cannot_be_read_is_3(
    rules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cut.gz").write_bytes(gzip.compress("\n".join(THREE).encode())[:-10])
    for log in (tmp_path / "none", tmp_path, tmp_path / "cut.gz"):
        assert exit_status(monkeypatch, "--rules", rules, log) == 3
        assert "cannot read" in capsys.readouterr().err


def test_a_closed_pipe_ends_the_replay_without_a_traceback(rules: Path, tmp_path: Path) -> None:
    log = write(tmp_path / "log", [line(n, source_ip=f"192.0.{n % 200}.1") for n in range(2_000)])
    single = tmp_path / "single.yml"
    single.write_text(RULE.partition("---")[0])
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "sessionwarden.cli.main",
            "replay",
            "--rules",
            single,
            "--output",
            "json",
            log,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read().decode()
    assert "Traceback" not in errors
    assert "BrokenPipe" not in errors


def test_a_line_of_any_length_is_read_in_bounded_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(log_files, "BLOCK_BYTES", 10)
    monkeypatch.setattr(log_files, "MAX_LINE_BYTES", 30)
    (tmp_path / "log").write_bytes(b"one\n" + b"x" * 95 + b"\ntwo\nthree\n\nfour")
    lines = [text for _, block in read_blocks(Log(str(tmp_path / "log"))) for text in lines_of(block)]
    assert lines == ["one", Unreadable("line_too_long"), "two", "three", "", "four"]


def test_blocks_do_not_depend_on_how_a_pipe_was_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    class Dripping(io.RawIOBase):
        def __init__(self, data: bytes) -> None:
            self.data = io.BytesIO(data)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            drop = self.data.read(min(7, len(buffer)))
            buffer[: len(drop)] = drop
            return len(drop)

    data = b"".join(b"line %d\n" % number for number in range(100))
    monkeypatch.setattr(log_files, "BLOCK_BYTES", 64)

    def blocks(stream: Any) -> list[Any]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
        return [block for _, block in read_blocks(Log("-"))]

    assert blocks(io.BufferedReader(Dripping(data), 64)) == blocks(io.BytesIO(data))


def test_events_before_the_damage_of_a_log_are_not_lost(tmp_path: Path) -> None:
    whole = gzip.compress("\n".join(line(number) for number in range(2_000)).encode())
    (tmp_path / "cut.gz").write_bytes(whole[: len(whole) // 2])
    reader = LineReader(OwnFormats(now_ms=NOW), lambda one: None)
    found = read_logs(reader, [Log(str(tmp_path / "cut.gz"))])

    assert [one.id for one in next(found)[:2]] == ["r0", "r1"]
    with pytest.raises(LogFileError):
        next(found)


def test_a_bad_line_is_told_by_its_number_in_whichever_block_it_is(tmp_path: Path) -> None:
    lines = [line(number) for number in range(1_000)]
    lines[700] = "nonsense"
    (tmp_path / "log").write_text("\n".join(lines))
    bad: list[QuarantinedLine] = []
    reader = LineReader(OwnFormats(now_ms=NOW), bad.append)

    assert sum(map(len, read_logs(reader, [Log(str(tmp_path / "log"))]))) == reader.events == 999
    assert [one.line for one in bad] == [701]
    assert reader.lines == 1_000


def test_a_pipe_takes_two_passes_unless_that_is_forbidden_or_it_does_not_fit(
    rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessionwarden.replay.run.WORTH_TWO_PASSES", 1)
    text = "\n".join([*THREE, "bad"]).encode()
    found = []
    for way in ([], ["--no-spool"], ["--spool-limit", "1"], ["--jobs", "2"]):
        result = run("--rules", rules, "--output", "json", *way, stdin=text)
        found.append(findings(result))
        assert "quarantined  1 (not_json 1)" in result.stderr
        assert "spooling" not in result.stderr
    monkeypatch.setattr("sessionwarden.cli.replay.command.MIB", 10)
    result = run("--rules", rules, "--output", "json", "--spool-limit", "1", stdin=text)
    assert "spooling     no room within 1 MiB: read in one pass, which is slower" in result.stderr
    assert [*found, findings(result)] == [found[0]] * 5
