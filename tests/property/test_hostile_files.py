"""Files that cost far more than their size: each is read, or refused with its place, and never a traceback.

Here they are small, and the bombs that were found are large; `tests.support.hostile_files.measure` runs the
command line over all of them at full size, and says what each costs.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sessionwarden.cli.main import cli
from sessionwarden.documents.yaml import MAX_BYTES, MAX_DIAGNOSTICS, MAX_VALUES
from sessionwarden.errors import Diagnostic, InputFileError
from tests.support.hostile_files.files import HOSTILE
from tests.support.hostile_files.measure import arguments, write

SMALL = 6_000
LARGE = MAX_BYTES - 10_000

LONGEST_LINE = 1_500
"""Characters of a diagnostic, the file's name included: it is read by people."""


OF_THE_WHOLE_FILE = ("no rules found",)


def run(name: str, size: int, folder: Path) -> Result:
    hostile = HOSTILE[name]
    write(hostile, size, folder)
    return CliRunner().invoke(cli, arguments(hostile.kind, folder))


def diagnostics(result: Result) -> tuple[Diagnostic, ...]:
    """What a refused file is told; nothing if the file is accepted. Anything but these two is a failure."""
    if isinstance(result.exception, InputFileError):
        return result.exception.diagnostics
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (0, 1)
    return ()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_read_or_refused_in_few_words(name: str, tmp_path: Path) -> None:
    found = diagnostics(run(name, SMALL, tmp_path))
    assert len(found) <= MAX_DIAGNOSTICS + 1
    assert all(len(str(one)) <= LONGEST_LINE for one in found)
    assert all(one.line >= 1 or one.message in OF_THE_WHOLE_FILE for one in found)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rules-sexagesimal", "longer than 20,000 characters"),
        ("rules-keys-quoted-long", "a key has at most 20,000 characters"),
        ("rules-hex-of-6000-digits", "a number has at most 40 characters"),
        ("rules-hex-number", "longer than 20,000 characters"),
        ("rules-block-list", f"more than {MAX_VALUES:,} keys and values"),
        ("rules-aliases", f"{MAX_DIAGNOSTICS} mistakes so far: what follows was not looked at"),
        ("rules-flow-open", "nested too deeply"),
        ("rules-documents-empty", f"more than {MAX_VALUES:,} keys and values"),
        ("rules-regexes", "more than 100,000 characters of regular expressions"),
        ("rules-regex-parentheses", "a regular expression may nest parentheses 50 deep"),
        ("rules-many-long-conditions", "more than 50,000 characters of conditions"),
        ("policy-limit-hex-6000", "a number has at most 40 characters"),
        ("policy-users", f"more than {MAX_VALUES:,} keys and values"),
        ("routes-scopes-twice", f"more than {MAX_VALUES:,} keys and values"),
        ("mapping-ignore", f"more than {MAX_VALUES:,} keys and values"),
        ("cases-repeat-hex", "a number has at most 40 characters"),
    ],
)
def test_a_bomb_of_a_megabyte_is_refused_where_it_becomes_one(
    name: str, message: str, tmp_path: Path
) -> None:
    found = diagnostics(run(name, LARGE, tmp_path))
    assert any(message in one.message for one in found), found[:3]
    assert all(one.line >= 1 for one in found)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rules-conditions", "more than 20 conditions"),
        ("rules-condition-many-selectors", "selects too many detections"),
        ("rules-conditions-of", "more than 20 conditions"),
        ("rules-list-used-often", "too large"),
        ("rules-list-in-many-correlations", "the set holds more than 300,000 tests and values"),
        ("rules-regexes-optional", "more than 1,000 regular expressions"),
        ("cases-events-numbered", "texts with {n} become more than 20,000,000 characters"),
        ("rules-many-filtered", "filters apply to more than 20,000 rules together"),
    ],
)
def test_what_a_file_makes_of_its_values_is_bounded_too(name: str, message: str, tmp_path: Path) -> None:
    found = diagnostics(run(name, 120_000, tmp_path))
    assert any(message in one.message for one in found), found[:3]


def test_a_list_as_long_as_files_may_be_is_one_test_and_loses_no_value(tmp_path: Path) -> None:
    text = HOSTILE["rules-quoted-list"].text(500_000)
    (tmp_path / "rule.yml").write_text(text)
    out = tmp_path / "out.json"
    result = CliRunner().invoke(cli, ["rules", "compile", str(tmp_path / "rule.yml"), "--out", str(out)])
    assert result.exit_code == 0
    assert out.read_text().count('"u') == text.count("'u") + len(["user"])
