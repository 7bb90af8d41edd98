"""`sessionwarden rules list`, `show` and `schema`, and the group that they are in."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click import Context
from click.testing import Result

from sessionwarden.cli.main import cli
from tests.support.command_line import invoke
from tests.support.paths import PROJECT

SHIPPED = PROJECT / "rules"
FILE = SHIPPED / "sessions" / "session-from-many-addresses.yml"
SESSION = "b7e1d0c4-92f8-4f6c-8a3e-5c2f0d9b7a18"


def run(*arguments: object) -> Result:
    return invoke("rules", *arguments)


def test_the_list_says_what_each_rule_does() -> None:
    result = run("list", FILE)
    assert result.exit_code == 0
    (row,) = (line for line in result.output.splitlines() if SESSION in line)
    assert [cell.strip() for cell in row.split("  ") if cell.strip()] == [
        *(SESSION, "One Session From Many Addresses", "high", "value_count", "session"),
        *("at least 4 distinct source_ip in 10m", "session", "enforce", "deny, alert"),
        "attack.lateral-movement attack.t1550.001 owasp.api2-2023",
    ]


def test_a_rule_is_found_by_the_name_of_its_file_as_new_gave_it() -> None:
    result = run("show", FILE.stem, "--rules", FILE, "--output", "json")
    assert result.exit_code == 0
    assert json.loads(result.output)["id"] == SESSION


def test_a_rule_is_one_line_in_a_pipe_however_long() -> None:
    rows = [line for line in run("list", SHIPPED).output.splitlines()[1:] if line.strip()]
    assert len(rows) > 40
    assert all(row.split()[0].count("-") == 4 for row in rows)


def test_where_a_table_does_not_fit_ids_still_stand_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sessionwarden.cli.rules.options.PIPE_WIDTH", 60)
    result = run("list", FILE)
    lines = result.output.splitlines()
    start = lines.index("One Session From Many Addresses (high)")
    assert lines[start + 1 : start + 4] == [
        f"  {SESSION}",
        "  value_count by session: at least 4 distinct source_ip in 10m",
        "  session -> enforce: deny, alert",
    ]


def test_the_list_tells_programs_the_same() -> None:
    answer = json.loads(run("list", FILE, "--output", "json").output)
    rule = next(rule for rule in answer if rule["id"] == SESSION)
    assert (rule["bounds"], rule["value_field"], rule["tags"][-1]) == (
        [["gte", 4]],
        "source_ip",
        "owasp.api2-2023",
    )


@pytest.mark.parametrize("word", [SESSION, SESSION.upper(), "One Session From Many Addresses"])
def test_a_rule_is_shown_with_its_words_its_behaviour_and_its_cases(word: str) -> None:
    result = run("show", word, "--rules", FILE)
    assert result.exit_code == 0
    text = " ".join(result.output.split())
    for part in (
        "refers to request_within_a_session",
        "counts by session",
        "fires at at least 4 distinct source_ip in 10m",
        "actions deny, alert of session",
        "again after 20m",
        "owasp.api2-2023",
        "https://attack.mitre.org/techniques/T1550/001/",
        "out_of_order a stolen session, delivered backwards",
    ):
        assert part in text
    assert "lacking" not in text


def test_a_rule_that_serves_others_says_whom() -> None:
    text = " ".join(run("show", "request_within_a_session", "--rules", FILE).output.split())
    assert "serves One Session From Many Addresses" in text
    assert "findings none: serves other rules" in text


def test_a_rule_is_shown_to_programs() -> None:
    answer = json.loads(run("show", SESSION, "--rules", FILE, "--output", "json").output)
    assert answer["compiled"]["timespan_ms"] == 600_000
    assert answer["refers_to"] == ["request_within_a_session"]
    assert {case["kind"] for case in answer["cases"]} >= {"matching", "lookalike"}
    assert answer["lacking"] == []
    answer = json.loads(run("show", "request_within_a_session", "--rules", FILE, "--output", "json").output)
    assert (answer["compiled"], answer["serves"]) == (None, ["One Session From Many Addresses"])


def test_a_misspelt_rule_is_answered_with_the_nearest() -> None:
    result = run("show", "request_within_a_sesion", "--rules", FILE)
    assert result.exit_code == 2
    assert "did you mean request_within_a_session?" in " ".join(result.output.split())
    result = run("show", "\x1b[2J", "--rules", FILE)
    assert "`sessionwarden rules list` shows them all" in " ".join(result.output.split())
    assert "\x1b" not in result.output


def test_the_schema_is_printed_as_it_stands_beside_the_rules() -> None:
    assert run("schema", "policy").output == (SHIPPED / "schema" / "policy.schema.json").read_text()


def test_schemas_are_written_and_named_once_in_every_document(tmp_path: Path) -> None:
    deeper = tmp_path / "deeper"
    deeper.mkdir()
    (deeper / "a.yml").write_text("title: A\n---\ntitle: B\n")
    (deeper / "a.cases.yml").write_text("rule: x\n")
    (tmp_path / "policy.yml").write_text("# ours\n")
    assert "3 files now name theirs" in run("schema", "--write", tmp_path).output
    comment = "# yaml-language-server: $schema=../schema/rule.schema.json\n"
    assert (deeper / "a.yml").read_text() == f"{comment}title: A\n---\n{comment}title: B\n"
    assert (deeper / "a.cases.yml").read_text().splitlines()[0].endswith("=../schema/cases.schema.json")
    assert (tmp_path / "policy.yml").read_text().splitlines()[0].endswith("=schema/policy.schema.json")
    assert sorted(path.name for path in (tmp_path / "schema").iterdir()) == [
        "cases.schema.json",
        "mapping.schema.json",
        "policy.schema.json",
        "routes.schema.json",
        "rule.schema.json",
    ]
    assert "0 files now name theirs" in run("schema", "--write", tmp_path).output


def test_a_misspelt_command_is_answered_with_the_nearest() -> None:
    result = run("chek")
    assert result.exit_code == 2
    assert "Did you mean 'check'?" in result.output


GROUPS: dict[str, Any] = {"sessionwarden": cli, "rules": cli.get_command(Context(cli), "rules")}


@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS)
def test_the_line_of_a_command_in_the_list_is_the_first_of_its_help(group: Any) -> None:
    for name, listed in group.subcommands.items():
        command = group.get_command(None, name)
        assert command is not None
        assert command.name == name
        assert command.get_short_help_str(500) == listed.summary


def test_help_imports_no_command() -> None:
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from sessionwarden.cli.main import cli\n"
        "for words in (['--help'], ['rules', '--help']):\n"
        "    assert CliRunner().invoke(cli, words).exit_code == 0\n"
        "slow = ('boto3', 'sigma', 'yaml', 'rich', 're2', 'msgspec')\n"
        "print([name for name in slow if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
