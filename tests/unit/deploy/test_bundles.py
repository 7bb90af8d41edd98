"""The bundle builder's parts, on small checkouts of their own."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import pytest

from sessionwarden.deploy.bundles import (
    checked_bundle,
    content_digest,
    imported_modules,
    inputs_digest,
    prune,
    reached_files,
)
from sessionwarden.errors import BundleError


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    files = {
        "functions/__init__.py": "",
        "functions/authorizer/__init__.py": "",
        "functions/authorizer/handler.py": "from sessionwarden.tokens import verify\nimport json\n",
        "functions/detect/handler.py": "import sessionwarden.detection.engine\n",
        "functions/detect/__init__.py": "",
        "src/sessionwarden/__init__.py": "",
        "src/sessionwarden/tokens/__init__.py": "",
        "src/sessionwarden/tokens/verify.py": "def check():\n    from sessionwarden import errors\n",
        "src/sessionwarden/errors.py": "",
        "src/sessionwarden/detection/__init__.py": "",
        "src/sessionwarden/detection/engine.py": "",
        "src/sessionwarden/ruleset/compiler/compile.py": "",
        "src/sessionwarden/cli/__init__.py": "",
        "requirements/functions.txt": "boto3==1\n",
        "requirements/authorizer.txt": "cryptography==1\n",
        "rules/one.yml": "title: one\n",
        "rules/one.cases.yml": "cases: []\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def test_only_modules_that_a_function_reaches_are_taken(checkout: Path) -> None:
    reached = {path.relative_to(checkout).as_posix() for path in reached_files(checkout, "authorizer")}

    assert reached == {
        "functions/__init__.py",
        "functions/authorizer/__init__.py",
        "functions/authorizer/handler.py",
        "src/sessionwarden/__init__.py",
        "src/sessionwarden/errors.py",
        "src/sessionwarden/tokens/__init__.py",
        "src/sessionwarden/tokens/verify.py",
    }


def test_imports_for_the_type_checker_alone_are_not_followed() -> None:
    tree = ast.parse(
        "import typing\n"
        "if typing.TYPE_CHECKING:\n"
        "    import heavy\n"
        "else:\n"
        "    import light\n"
        "try:\n"
        "    from package import part\n"
        "except ImportError:\n"
        "    import fallback\n"
    )

    assert set(imported_modules(tree)) == {"typing", "light", "package", "package.part", "fallback"}


@pytest.mark.parametrize(
    "changed",
    [
        "functions/detect/handler.py",
        "src/sessionwarden/detection/engine.py",
        "src/sessionwarden/ruleset/compiler/compile.py",
        "requirements/functions.txt",
        "rules/one.yml",
    ],
)
def test_a_change_to_what_goes_into_the_bundle_is_noticed(checkout: Path, changed: str) -> None:
    before = inputs_digest(checkout, "aws", "functions")
    (checkout / changed).write_text("changed = 1\n", encoding="utf-8")

    assert inputs_digest(checkout, "aws", "functions") != before


def test_a_new_rule_is_noticed(checkout: Path) -> None:
    before = inputs_digest(checkout, "aws", "functions")
    (checkout / "rules" / "two.yml").write_text("title: two\n", encoding="utf-8")

    assert inputs_digest(checkout, "aws", "functions") != before


@pytest.mark.parametrize("changed", ["src/sessionwarden/cli/__init__.py", "rules/one.cases.yml"])
def test_a_change_to_anything_else_is_not(checkout: Path, changed: str) -> None:
    before = inputs_digest(checkout, "aws", "functions")
    (checkout / changed).write_text("changed: 1\n", encoding="utf-8")

    assert inputs_digest(checkout, "aws", "functions") == before


def test_a_change_of_rules_leaves_the_authorizer_alone(checkout: Path) -> None:
    before = inputs_digest(checkout, "aws", "authorizer")
    (checkout / "rules" / "one.yml").write_text("title: other\n", encoding="utf-8")

    assert inputs_digest(checkout, "aws", "authorizer") == before


def test_a_bundle_for_aws_is_the_same_wherever_it_is_built(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = inputs_digest(checkout, "aws", "functions")
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "checkout"
    checkout.rename(elsewhere)
    monkeypatch.setattr(sys, "platform", "darwin")

    assert inputs_digest(elsewhere, "aws", "functions") == here


def test_missing_bundle_is_refused_with_what_to_run(checkout: Path) -> None:
    with pytest.raises(BundleError, match="the bundle aws/functions is missing: run `make bundles`"):
        checked_bundle(checkout, "aws", "functions")


def test_bundle_whose_rules_changed_since_is_refused_with_what_to_run(checkout: Path) -> None:
    _pretend_built(checkout)
    assert checked_bundle(checkout, "aws", "functions").digest == "0" * 64
    (checkout / "rules" / "one.yml").write_text("title: other\n", encoding="utf-8")

    with pytest.raises(BundleError, match="older than the code or the rules: run `make bundles`"):
        checked_bundle(checkout, "aws", "functions")


def test_bundle_whose_record_is_damaged_counts_as_missing(checkout: Path) -> None:
    _pretend_built(checkout).write_text("{", encoding="utf-8")

    with pytest.raises(BundleError, match="is missing"):
        checked_bundle(checkout, "aws", "functions")


def test_content_digest_sees_names_and_bytes_and_not_times(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"bc")
    first = content_digest(tmp_path)
    file.touch()
    assert content_digest(tmp_path) == first

    file.rename(tmp_path / "ab")
    (tmp_path / "ab").write_bytes(b"c")
    assert content_digest(tmp_path) != first


def test_tests_bytecode_and_other_services_are_pruned(tmp_path: Path) -> None:
    kept = {"pkg/module.py", "botocore/data/dynamodb/service.json", "botocore/data/endpoints.json"}
    useless = {
        "pkg/tests/test_module.py",
        "pkg/__pycache__/module.pyc",
        "bin/tool",
        "botocore/data/ec2/service.json",
        "pkg-1.dist-info/RECORD",
    }
    for name in kept | useless:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    prune(tmp_path)

    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == kept


def _pretend_built(checkout: Path) -> Path:
    folder = checkout / "build" / "bundles" / "aws" / "functions"
    folder.mkdir(parents=True)
    record = folder.with_name("functions.json")
    inputs = inputs_digest(checkout, "aws", "functions")
    record.write_text(json.dumps({"inputs": inputs, "content": "0" * 64}), encoding="utf-8")
    return record
