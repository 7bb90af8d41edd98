"""`sessionwarden rules test`: what people, programs and CI servers are told of cases."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import Result

from sessionwarden.errors import InputFileError
from tests.support.command_line import invoke
from tests.support.paths import PROJECT

SHIPPED = PROJECT / "rules" / "abuse"
RULE = "request-rate-per-user"
ID = "c1f6f7a1-3c0e-4f0b-9a2e-1d9c5f1be6a4"

CASES = f"""\
rule: {ID}
defaults: {{source: api_access, user: mallory}}
cases:
  - name: fast enough
    kind: matching
    events: [{{repeat: COUNT, every: 100ms}}]
    expect: {{exactly: [{{user: mallory}}]}}
  - name: too slow
    kind: just_under
    events: [{{user: alice, repeat: 300, every: 1s}}]
    expect: none
"""
LOOKALIKE = """\
  - name: many people
    kind: lookalike
    events: [{user: "user-{n}", repeat: 400, every: 1ms}]
    expect: none
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(SHIPPED / f"{RULE}.yml", tmp_path)
    return tmp_path


def write_cases(folder: Path, count: int = 300, more: str = LOOKALIKE) -> Path:
    file = folder / f"{RULE}.cases.yml"
    file.write_text(CASES.replace("COUNT", str(count)) + more)
    return file


def run(*arguments: object) -> Result:
    return invoke("rules", "test", *arguments)


def test_cases_that_hold_are_counted_and_the_answer_is_yes(folder: Path) -> None:
    write_cases(folder)
    result = run(folder, "--strict")
    assert result.exit_code == 0, result.output
    assert "3 cases of 1 rule: all hold" in result.output


def test_a_failed_case_says_which_key_is_missing_and_how_near_it_came(folder: Path) -> None:
    file = write_cases(folder, count=299)
    result = run(folder)
    assert result.exit_code == 1
    head, title, difference, *_ = result.output.splitlines()
    assert head == f"FAILED {file}:4: fast enough (matching)"
    assert title.strip() == "Request Rate of One User"
    assert difference.split() == [
        *("-", "missing", "user=mallory"),
        *("reached", "299", "of", "300", "events", "in", "the", "1m", "that", "end", "at", "+29.8s"),
    ]
    assert "3 cases of 1 rule: 1 failed" in result.output


def test_a_key_too_many_and_a_key_nobody_counts_for_are_told_apart(folder: Path) -> None:
    file = write_cases(folder)
    file.write_text(file.read_text().replace("exactly: [{user: mallory}]", "exactly: [{user: eve}]"))
    result = run(folder)
    assert "- missing  user=eve   no event of the case counts for this key" in result.output
    assert "+ extra    user=mallory   reached 300 of 300 events" in result.output


def test_at_least_spares_what_is_found_besides(folder: Path) -> None:
    file = write_cases(folder)
    more = "events: [{repeat: 300, every: 100ms}, {user: eve, repeat: 300, every: 1ms}]"
    file.write_text(file.read_text().replace("events: [{repeat: 300, every: 100ms}]", more))
    assert run(folder).exit_code == 1
    file.write_text(file.read_text().replace("exactly", "at_least"))
    assert run(folder).exit_code == 0


def test_a_kind_of_case_that_nobody_wrote_is_a_warning_and_under_strict_a_no(folder: Path) -> None:
    write_cases(folder, more="")
    result = run(folder)
    assert result.exit_code == 0
    lines = (folder / f"{RULE}.yml").read_text().splitlines()
    where = f"{folder / RULE}.yml:{lines.index('title: Request Rate of One User') + 1}"
    assert f"warning: {where}: Request Rate of One User has no lookalike case" in result.output
    assert run(folder, "--strict").exit_code == 1


def test_a_rule_without_any_cases_lacks_every_kind(folder: Path) -> None:
    result = run(folder)
    assert result.exit_code == 0
    assert "has no matching, just_under, lookalike case" in result.output
    assert "0 cases of 1 rule" in result.output


def test_programs_are_told_the_same(folder: Path) -> None:
    write_cases(folder, count=299, more="")
    result = run(folder, "--output", "json")
    answer = json.loads(result.output)
    assert (result.exit_code, answer["passed"], answer["failed"]) == (1, 1, 1)
    (rule,) = answer["rules"]
    assert (rule["id"], rule["lacking"]) == (ID, ["lookalike"])
    failed = rule["cases"][0]
    assert (failed["passed"], failed["line"], failed["found"]) == (False, 4, [])
    assert failed["missing"][0]["key"] == {"user": "mallory"}
    assert failed["missing"][0]["nearest"]["figure"] == 299


def test_the_junit_report_counts_cases_and_tells_why_one_failed(folder: Path) -> None:
    write_cases(folder, count=299, more="")
    report = folder / "report.xml"
    assert run(folder, "--junit", report, "--strict").exit_code == 1
    root = ElementTree.parse(report).getroot()
    (suite,) = root.findall("testsuite")
    for element in (root, suite):
        counts = [element.get(name) for name in ("tests", "failures", "errors", "skipped")]
        assert counts == ["3", "2", "0", "0"]
    failed, held, coverage = suite.findall("testcase")
    assert (failed.get("name"), failed.get("classname")) == (
        "fast enough (matching)",
        "Request Rate of One User",
    )
    assert failed.get("file") == str(folder / f"{RULE}.cases.yml")
    assert "missing user=mallory: reached 299 of 300" in str(failed.find("failure").get("message"))  # type: ignore[union-attr]
    assert list(held) == []
    assert coverage.find("failure").get("message") == "no lookalike case"  # type: ignore[union-attr]


def test_a_name_cannot_break_the_report_or_drive_the_terminal(folder: Path) -> None:
    file = write_cases(folder)
    file.write_text(file.read_text().replace("fast enough", '"\\e[2J\\x00 ]]> </testcase>"'))
    report = folder / "report.xml"
    result = run(folder, "--junit", report)
    assert result.exit_code == 0
    names = [case.get("name") for case in ElementTree.parse(report).iter("testcase")]
    assert names[0] == r"\x1b[2J\x00 ]]> </testcase> (matching)"
    assert "\x1b" not in run(folder).output


def test_a_file_stands_for_its_cases_and_cases_for_their_rule(folder: Path) -> None:
    file = write_cases(folder)
    assert "3 cases of 1 rule: all hold" in run(folder / f"{RULE}.yml").output
    assert "3 cases of 1 rule: all hold" in run(file).output


def diagnostics(*arguments: object) -> list[str]:
    result = run(*arguments)
    assert isinstance(result.exception, InputFileError)
    return [str(diagnostic) for diagnostic in result.exception.diagnostics]


def test_cases_of_a_rule_that_does_not_exist_are_a_mistake_with_its_place(folder: Path) -> None:
    file = write_cases(folder)
    file.write_text(file.read_text().replace(ID, ID[:-1] + "5"))
    assert diagnostics(folder) == [f"{file}:1:1: rule: no rule has the id '{ID[:-1]}5' (did you mean {ID}?)"]


def test_cases_without_a_rule_beside_them_are_a_mistake(folder: Path) -> None:
    file = write_cases(folder)
    file.rename(folder / "lonely.cases.yml")
    (diagnostic,) = diagnostics(folder)
    assert diagnostic.startswith(f"{folder / 'lonely.cases.yml'}: no rule stands beside these cases")
    assert "lonely.yml" in diagnostic


def test_cases_beside_another_rule_are_a_mistake(folder: Path) -> None:
    file = write_cases(folder)
    text = (folder / f"{RULE}.yml").read_text()
    (folder / "other.yml").write_text(
        text.replace(ID, ID[:-1] + "5").replace("2e16c8a4", "2e16c8a5").replace("signed_in_user", "other")
    )
    file.rename(folder / "other.cases.yml")
    (diagnostic,) = diagnostics(folder)
    assert f"this rule stands in {folder / RULE}.yml, not beside these cases" in diagnostic


def test_cases_of_a_rule_that_only_serves_others_are_a_mistake(folder: Path) -> None:
    file = write_cases(folder)
    file.write_text(file.read_text().replace(ID, "2e16c8a4-ff19-490a-80f0-79cf745253bf"))
    assert diagnostics(folder) == [f"{file}:1:1: rule: this rule emits no findings, it only serves others"]


def test_a_key_that_no_finding_can_have_is_a_mistake(folder: Path) -> None:
    file = write_cases(folder)
    file.write_text(file.read_text().replace("[{user: mallory}]", "[{usr: mallory}]"))
    assert diagnostics(folder) == [
        f"{file}:7:5: cases[0].expect: no finding of this rule has the key usr (its group-by is user)"
    ]


def test_mistakes_of_rules_and_of_cases_are_told_together(folder: Path) -> None:
    write_cases(folder, more="surplus: 1\n")
    rule_file = folder / f"{RULE}.yml"
    rule_file.write_text(rule_file.read_text().replace("level: high", "level: hihg"))
    assert [one.split(": ")[1] for one in diagnostics(folder)] == ["surplus", "level"]


def test_a_report_that_cannot_be_written_leaves_nothing_behind(folder: Path) -> None:
    write_cases(folder)
    result = run(folder, "--junit", folder / "absent" / "report.xml")
    assert "cannot be written" in str(result.exception)
