from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sessionwarden.cli.main import main
from tests.support.paths import PROJECT


@pytest.mark.parametrize(
    "arguments",
    [
        ["replay", "samples/access.log.gz", "--rules", "rules", "--quarantine", "{missing}/lines"],
        ["simulate", "--lines", "5000", "--out", "{missing}/log"],
        ["rules", "compile", "rules", "--out", "{missing}/ruleset.json"],
    ],
)
def test_a_file_that_cannot_be_written_is_one_line_and_status_3(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [argument.format(missing=tmp_path / "missing") for argument in arguments]
    monkeypatch.setattr(sys, "argv", ["sessionwarden", *given])
    monkeypatch.chdir(PROJECT)

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 3
    assert len(capsys.readouterr().err.splitlines()) == 1
