"""What a user gets who installs the package, with one extra or none, and has no checkout."""

from __future__ import annotations

import shutil
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from tests.packaging.conftest import Environment, built, dependencies
from tests.support.paths import PROJECT

Installed = Callable[..., Environment]

LOADED = """
import json, sys
{statements}
ours = {{name.partition(".")[0] for name in sys.modules}} - sys.stdlib_module_names
print(json.dumps(sorted(name for name in ours if not name.startswith("__"))))
"""

DECIDED = """
import json, os
os.environ |= {
    "SESSIONWARDEN_DENYLIST_TABLE": "denylist",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "SESSIONWARDEN_USER_POOLS": '[{"pool_id": "eu-west-1_Ab12cd34", "client_ids": ["app"]}]',
}
from sessionwarden.authorizer import decide, web_request
decision = decide(None, web_request(method="GET", path="/orders/5", route="GET /orders/{id}"))
print(json.dumps([decision.status, decision.reason]))
"""

EVERY_HELP = """
import json, click
from click.testing import CliRunner
from sessionwarden.cli.main import cli

def commands(group, words=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield [*words, name]
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))

failed = [[], []]
for words in commands(cli):
    result = CliRunner().invoke(cli, [*words, "--help"])
    failed[result.exit_code == 0].append(" ".join(words))
print(json.dumps(failed))
"""


def test_the_authorizer_is_imported_with_cryptography_alone(installed: Installed) -> None:
    loaded = installed("").evaluate(
        LOADED.format(statements="import sessionwarden.authorizer, sessionwarden.authorizer.assemble")
    )

    assert loaded == ["_cffi_backend", "_openssl", "cryptography", "sessionwarden"]


def test_a_request_is_decided_with_cryptography_alone(installed: Installed) -> None:
    assert installed("").evaluate(DECIDED) == [401, "no_token"]


def test_the_package_alone_asks_for_cryptography_and_what_that_needs(wheel: Path) -> None:
    assert dependencies(_distribution(wheel), "") == {"cryptography", "cffi", "pycparser"}


def test_a_command_without_its_extra_says_in_one_sentence_what_to_install(installed: Installed) -> None:
    done = installed("").run("rules", "list")

    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        "sessionwarden: click is not installed; pip install 'sessionwarden[cli]' brings it\n"
    )


def test_a_package_that_is_missed_later_is_one_sentence_too(installed: Installed) -> None:
    # Click is there, as in many a web application; what reads rules is not
    done = installed("", "click").run("rules", "list")

    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines() == [
        "sessionwarden: msgspec is not installed; pip install 'sessionwarden[cli]' brings it"
    ]


def test_every_command_of_the_extra_cli_has_its_help(installed: Installed) -> None:
    failed, shown = _pair(installed("cli").evaluate(EVERY_HELP))

    assert failed == []
    assert {"replay", "simulate", "demo", "decisions list", "rules check", "rules publish"} <= set(shown)


def test_the_demo_says_which_extra_it_needs(installed: Installed) -> None:
    done = installed("cli").run("demo")

    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines() == [
        "sessionwarden: ministack is not installed; pip install 'sessionwarden[local]' brings it"
    ]


def test_rules_come_with_the_package_and_the_command_says_so(installed: Installed) -> None:
    done = installed("cli").run("rules", "check")

    assert done.returncode == 0
    assert done.stderr.startswith("There is no folder rules/ here, so these are Sessionwarden's own: ")
    assert "shipped_rules" in done.stderr
    assert "Request Rate of One User" in done.stdout


def test_rules_of_the_working_folder_come_first(installed: Installed) -> None:
    here = installed("cli")
    shutil.copytree(PROJECT / "rules" / "exfiltration", here.folder / "rules")
    try:
        done = here.run("rules", "list")
    finally:
        shutil.rmtree(here.folder / "rules")

    assert (done.returncode, done.stderr) == (0, "")
    assert "Request Rate of One User" not in done.stdout


def test_a_log_is_replayed_without_a_checkout(installed: Installed) -> None:
    here = installed("cli")
    here.run("simulate", "--lines", "5000", "--out", "access.log")

    done = here.run("replay", "access.log", "--output", "json")

    assert done.returncode == 0
    assert '"rule":' in done.stdout


def test_every_module_is_imported_with_the_dependencies_of_all_extras(installed: Installed) -> None:
    # types and stubs are this environment's own; no package may be needed that no extra brings
    code = """
import json, pkgutil, importlib, sessionwarden
failed = []
for module in pkgutil.walk_packages(sessionwarden.__path__, "sessionwarden."):
    if module.name.startswith("sessionwarden.constructs.") or module.name.endswith("child_process"):
        continue
    try:
        importlib.import_module(module.name)
    except ImportError as error:
        failed.append([module.name, str(error)])
print(json.dumps(failed))
"""
    assert installed("cli").evaluate(code) == []


def test_the_wheel_of_the_sdist_is_the_wheel_of_the_checkout(wheel: Path, tmp_path: Path) -> None:
    sdist = built("sdist", PROJECT, tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()

    again = built("wheel", source, tmp_path / "again")

    assert _names(again) == _names(wheel)


def test_the_wheel_brings_types_licence_and_nothing_of_the_checkout_but_rules(wheel: Path) -> None:
    names = _names(wheel)

    assert "sessionwarden/py.typed" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    shipped = {name for name in names if name.startswith("sessionwarden/shipped_rules/")}
    files = {file.relative_to(PROJECT / "rules").as_posix() for file in (PROJECT / "rules").rglob("*.*")}
    assert shipped == {f"sessionwarden/shipped_rules/{file}" for file in files}
    assert {name.partition("/")[0] for name in names} == {"sessionwarden", _info_folder(names)}


def test_the_bundles_are_pinned_from_the_very_packages_that_the_extras_name() -> None:
    extra: list[str] = _project()["optional-dependencies"]["lambda"]
    pinned = (PROJECT / "requirements" / "functions.in").read_text().splitlines()

    assert {one.partition(">=")[0] for one in extra} == {one for one in pinned if not one.startswith("#")}


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    return project


def _pair(value: object) -> tuple[list[str], list[str]]:
    assert isinstance(value, list)
    failed, shown = value
    return failed, shown


def _names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def _info_folder(names: set[str]) -> str:
    return next(name.partition("/")[0] for name in names if ".dist-info/" in name)


def _distribution(wheel: Path) -> Distribution:
    (found,) = Distribution.discover(path=[str(wheel)])
    return found
