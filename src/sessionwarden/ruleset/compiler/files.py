"""Which files of some paths hold rules, and which holds the policy.

In a folder every `*.yml` and `*.yaml`, at any depth, is Sigma, except `policy.yml` and
`*.cases.yml`; hidden folders are left out. A file named by itself is read whatever its name is.
Invariant: the order of files never depends on the file system.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

POLICY_NAMES = ("policy.yml", "policy.yaml")
CASES_SUFFIXES = (".cases.yml", ".cases.yaml")


def rule_files(paths: Sequence[Path]) -> list[Path]:
    """Every rule file under `paths`, each once, in a fixed order."""
    found: dict[Path, Path] = {}
    for path in paths:
        for file in _under(path) if path.is_dir() else [path]:
            found.setdefault(file.resolve(), file)
    return sorted(found.values())


def policy_file(paths: Sequence[Path]) -> Path | None:
    """The policy at the top of the first folder of `paths` that has one."""
    for path in paths:
        for name in POLICY_NAMES:
            if path.is_dir() and (path / name).is_file():
                return path / name
    return None


def _under(folder: Path) -> list[Path]:
    return [
        file
        for file in folder.rglob("*")
        if file.suffix in (".yml", ".yaml")
        and file.name not in POLICY_NAMES
        and not file.name.endswith(CASES_SUFFIXES)
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and file.is_file()
    ]
