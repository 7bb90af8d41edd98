from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sessionwarden import __main__ as program
from sessionwarden.cli import main as command_line
from sessionwarden.cli.main import main
from sessionwarden.local import required_packages
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


def missing(module: str) -> None:
    raise ModuleNotFoundError(f"No module named {module!r}", name=module)


@pytest.mark.parametrize(
    ("module", "package"), [("boto3", "boto3"), ("sigma.collection", "sigma"), ("re2._re2", "re2")]
)
def test_a_package_that_is_not_installed_is_one_sentence_and_status_3(
    module: str, package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_line, "main", lambda: missing(module))

    with pytest.raises(SystemExit) as ended:
        program.main()

    assert ended.value.code == 3
    assert capsys.readouterr().err == (
        f"sessionwarden: {package} is not installed; pip install 'sessionwarden[cli]' brings it\n"
    )


@pytest.mark.parametrize("module", ["sessionwarden.cli.gone", "tomllib"])
def test_a_module_of_ours_or_of_python_that_is_missing_keeps_its_traceback(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_line, "main", lambda: missing(module))

    with pytest.raises(ModuleNotFoundError, match=module):
        program.main()


@pytest.mark.parametrize("package", required_packages.LOCAL_PACKAGES)
def test_the_demo_starts_nothing_without_one_of_its_packages(
    package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(required_packages, "find_spec", lambda name: None if name == package else object())
    monkeypatch.setattr(sys, "argv", ["sessionwarden", "demo"])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 3
    assert capsys.readouterr().err == (
        f"sessionwarden: {package} is not installed; pip install 'sessionwarden[local]' brings it\n"
    )
