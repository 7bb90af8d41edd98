"""The rooms of the package stay small enough to look into, and the import contract knows all of them.

Who may import whom is checked by import-linter (`make check`); here is what it cannot see.
"""

from __future__ import annotations

import tomllib
from typing import Any

from benchmarks.rooms import modules_by_folder
from tests.support.paths import PROJECT

SOURCE = PROJECT / "src"
MAX_MODULES_OF_A_FOLDER = 20

CONTRACTS: dict[str, Any] = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]


def test_no_folder_holds_more_modules_than_one_can_look_over() -> None:
    crowded = {
        folder: count
        for folder, count in modules_by_folder(SOURCE).items()
        if count > MAX_MODULES_OF_A_FOLDER
    }
    assert crowded == {}


def test_every_room_has_its_place_in_the_order_of_imports() -> None:
    layers = next(one["layers"] for one in CONTRACTS["contracts"] if one["type"] == "layers")
    placed = {name.strip(" ()") for layer in layers for name in layer.split("|")}
    children = {
        f"sessionwarden.{entry.stem}"
        for entry in (SOURCE / "sessionwarden").iterdir()
        if (entry / "__init__.py").is_file() or entry.suffix == ".py"
    }
    # the package's own module imports nothing
    assert children - {"sessionwarden.__init__"} - placed == set()


def test_the_import_contract_has_no_exceptions() -> None:
    assert [one["name"] for one in CONTRACTS["contracts"] if "ignore_imports" in one] == []
