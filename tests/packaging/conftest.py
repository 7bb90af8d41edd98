"""The package as a user installs it: a wheel, in virtual environments with one extra's dependencies each.

No index is asked. Dependencies are links to what this environment has installed, and only to what the wheel's
own metadata asks for, so that a requirement which is not declared is missing, as it would be for the user.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.paths import PROJECT

INSTALLED_HERE = Path(sysconfig.get_path("purelib"))
UV = Path(sys.executable).with_name("uv")


@dataclass(frozen=True)
class Environment:
    """A virtual environment with the package and the dependencies of one extra; `folder` is an empty one."""

    python: Path
    folder: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run its `sessionwarden` in `folder`, outside the checkout."""
        return self._run(self.python.with_name("sessionwarden"), *arguments)

    def evaluate(self, code: str) -> object:
        """Run a program that prints JSON."""
        done = self._run(self.python, "-W", "error", "-c", code)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def _run(self, program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return subprocess.run(
            [program, *arguments],
            cwd=self.folder,
            env=kept,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def built(kind: str, source: Path, into: Path) -> Path:
    """The wheel or sdist (`kind`) of a folder, built as `pip` would build it."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(into)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=60)
    return next(into.iterdir())


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("wheel", PROJECT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Environment]:
    """The environment of an extra (empty: of none) and of packages beside it, made when first asked for."""

    @cache
    def of(extra: str, *beside: str) -> Environment:
        root = tmp_path_factory.mktemp("installed")
        python = root / "venv" / "bin" / "python"
        venv.create(root / "venv", symlinks=True)
        subprocess.run(
            [UV, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, wheel],
            check=True,
            timeout=60,
        )
        (site_packages,) = (root / "venv" / "lib").glob("python*/site-packages")
        (package,) = Distribution.discover(name="sessionwarden", path=[str(site_packages)])
        for name in dependencies(package, extra) | set(beside):
            _link(distribution(name), site_packages)
        folder = root / "folder"
        folder.mkdir()
        return Environment(python, folder)

    return of


def dependencies(package: Distribution, extra: str) -> set[str]:
    """Names of all that `package[extra]` needs, at whatever depth."""
    found: set[str] = set()
    waiting = [(package, extra)]
    while waiting:
        dependent, wanted = waiting.pop()
        for requirement in map(Requirement, dependent.requires or ()):
            if requirement.marker and not requirement.marker.evaluate({"extra": wanted}):
                continue
            name = canonicalize_name(requirement.name)
            if name == package.name:
                waiting += [(package, one) for one in requirement.extras]
            elif name not in found:
                found.add(name)
                waiting += [(distribution(name), one) for one in ("", *requirement.extras)]
    return found


def _link(dependency: Distribution, site_packages: Path) -> None:
    for name in {file.parts[0] for file in dependency.files or ()} - {"..", "__pycache__"}:
        target = site_packages / name
        if not target.exists():
            target.symlink_to(INSTALLED_HERE / name)
