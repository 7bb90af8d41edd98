"""Names of files and cases are written by strangers: none drives the terminal of who runs a command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sessionwarden.authoring.proof import failing_cases
from sessionwarden.authoring.suite import read_suite
from tests.support.command_line import invoke

ESCAPE = "\x1b[2J"
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")
RULE = """\
title: Refused
id: 00000000-0000-4000-8000-000000000001
level: high
logsource: {category: api_access}
detection:
  refused: {status: 403}
  condition: refused
response: {scope: source_ip}
"""
CASES = """\
rule: 00000000-0000-4000-8000-000000000001
defaults: {source: api_access, source_ip: 192.0.2.1, status: 403}
cases:
  - {name: "a case\\x1b[2J\\u202e", kind: matching, events: [{}], expect: none}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / f"of a stranger{ESCAPE}"
    found.mkdir()
    (found / f"rule{ESCAPE}.yml").write_text(RULE)
    (found / f"rule{ESCAPE}.cases.yml").write_text(CASES)
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "{}"],
        ["list", "{}"],
        ["test", "{}"],
        ["test", "{}", "--junit", "{}/report.xml"],
        ["show", "Refused", "--rules", "{}"],
        ["compile", "{}", "--out", "{}/rules.json"],
        ["diff", "{}", "--against", "{}"],
        ["schema", "--write", "{}"],
        ["new", "another", "--category", "api_access", "--into", "{}"],
    ],
    ids=" ".join,
)
def test_no_command_prints_what_a_terminal_obeys(folder: Path, arguments: list[str]) -> None:
    # color: else the runner would take escapes out, as a pipe does
    run = invoke("rules", *(one.format(folder) for one in arguments), color=True)
    assert run.exit_code in (0, 1)
    assert run.output.strip()
    assert not CONTROL.search(run.output)


def test_a_case_that_stops_a_publication_is_named_without_its_escapes(folder: Path) -> None:
    (named,) = failing_cases(read_suite([folder]))
    assert "a case" in named
    assert not CONTROL.search(named)
