"""The bundles as they were built: what is in them, for which machine, and that their functions import."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sessionwarden.deploy.bundles import BOTOCORE_SERVICES, BUNDLES, TARGETS, checked_bundle, content_digest
from sessionwarden.policy.compiled import load_policy
from sessionwarden.ruleset.compiler.compile import compile_policy
from sessionwarden.ruleset.load import load_ruleset

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
LAMBDA_LIMIT_BYTES = 250 * 1024 * 1024
FUNCTIONS_GOAL_BYTES = 50 * 1024 * 1024
AUTHORIZER_GOAL_BYTES = 25 * 1024 * 1024
HEAVY = ("boto3", "botocore", "pydantic", "pydantic_core", "aws_lambda_powertools", "msgspec", "re2", "yaml")
ELF_MACHINE_OFFSET = 18
ELF_AARCH64 = 0xB7


@pytest.fixture(scope="module")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Beside the bundles, which hold none, and shared by the handlers, which import much of the same."""
    return tmp_path_factory.mktemp("bytecode")


@pytest.mark.parametrize("name", BUNDLES)
def test_machine_code_for_aws_is_aarch64(built: Path, name: str) -> None:
    libraries = sorted(_bundle(built, "aws", name).rglob("*.so*"))

    assert libraries
    for library in libraries:
        header = library.read_bytes()[:20]
        assert header[:4] == b"\x7fELF", library.name
        assert int.from_bytes(header[ELF_MACHINE_OFFSET:20], "little") == ELF_AARCH64, library.name


@pytest.mark.parametrize("name", BUNDLES)
def test_wheels_for_aws_fit_the_functions_runtime(built: Path, name: str) -> None:
    wheels = sorted(_bundle(built, "aws", name).glob("*.dist-info/WHEEL"))

    assert wheels
    for wheel in wheels:
        tags = re.findall(r"^Tag: (\S+)$", wheel.read_text(encoding="utf-8"), re.MULTILINE)
        assert any(_fits(*tag.split("-")) for tag in tags), (wheel.parent.name, tags)


def test_bundles_are_far_below_lambdas_limit(built: Path) -> None:
    sizes = {name: _size(_bundle(built, "aws", name)) for name in BUNDLES}

    assert sizes["functions"] < FUNCTIONS_GOAL_BYTES < LAMBDA_LIMIT_BYTES
    assert sizes["authorizer"] < AUTHORIZER_GOAL_BYTES


@pytest.mark.parametrize("target", TARGETS)
def test_authorizer_bundle_holds_nothing_that_slows_its_start(built: Path, target: str) -> None:
    bundle = _bundle(built, target, "authorizer")
    top = {path.name for path in bundle.iterdir()}

    assert not top & set(HEAVY)
    assert {path.name for path in (bundle / "functions").iterdir()} == {"__init__.py", "authorizer"}
    for package in ("ruleset", "detection", "enforcement", "policy", "sources", "cli", "local", "constructs"):
        assert not (bundle / "sessionwarden" / package).exists(), package


@pytest.mark.parametrize("target", TARGETS)
def test_functions_bundle_holds_no_tools(built: Path, target: str) -> None:
    bundle = _bundle(built, target, "functions")

    for package in ("cli", "local", "constructs", "documents/yaml.py", "ruleset/compiler/compile.py"):
        assert not (bundle / "sessionwarden" / package).exists(), package
    assert not (bundle / "functions" / "authorizer").exists()


@pytest.mark.parametrize("target", TARGETS)
def test_functions_bundle_holds_the_compiled_rules(built: Path, target: str) -> None:
    ruleset = load_ruleset((_bundle(built, target, "functions") / "ruleset.json").read_bytes())

    assert len(ruleset.rules) >= 5


@pytest.mark.parametrize("target", TARGETS)
def test_functions_bundle_holds_the_policy_apart_from_the_rules(built: Path, target: str) -> None:
    bundle = _bundle(built, target, "functions")
    policy = load_policy((bundle / "policy.json").read_bytes())

    assert policy == compile_policy(built / "rules" / "policy.yml")
    assert b"enforcements_per_hour" not in (bundle / "ruleset.json").read_bytes()


@pytest.mark.parametrize("target", TARGETS)
def test_bundles_hold_no_bytecode_and_are_what_their_record_says(built: Path, target: str) -> None:
    for name in BUNDLES:
        bundle = checked_bundle(built, target, name)  # type: ignore[arg-type]
        assert not list(bundle.path.rglob("__pycache__"))
        assert content_digest(bundle.path) == bundle.digest


@pytest.mark.parametrize(
    ("name", "function"), [(name, function) for name, functions in BUNDLES.items() for function in functions]
)
def test_each_handler_imports_from_its_bundle_alone(
    built: Path, bytecode: Path, name: str, function: str
) -> None:
    bundle = _bundle(built, "local", name)
    # -S and -I: neither the virtual environment nor the checkout can help out
    program = (
        f"import sys; sys.path.insert(0, {str(bundle)!r}); import functions.{function}.handler as handler"
    )
    program += "; assert callable(handler.lambda_handler)"
    environment = {
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "SESSIONWARDEN_DENYLIST_TABLE": "denylist",
        "SESSIONWARDEN_USER_POOLS": '[{"pool_id": "us-east-1_A", "client_ids": null}]',
    }

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-X", f"pycache_prefix={bytecode}", "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_every_service_that_is_called_kept_its_description(built: Path) -> None:
    program = "; ".join(
        [
            "import sys, json",
            f"sys.path.insert(0, {str(_bundle(built, 'local', 'functions'))!r})",
            "import boto3",
            "session = boto3.session.Session(region_name='us-east-1')",
            "print(json.dumps([s for s in session.get_available_services()]))",
        ]
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-B", "-c", program], capture_output=True, check=True)

    assert set(json.loads(done.stdout)) == BOTOCORE_SERVICES


def _bundle(root: Path, target: str, name: str) -> Path:
    return root / "build" / "bundles" / target / name


def _fits(python: str, abi: str, platforms: str) -> bool:
    """Whether a wheel of this tag runs on Python 3.13 of Lambda's arm64."""
    right_machine = platforms == "any" or platforms.endswith("_aarch64")
    right_python = "py3" in python.split(".") or python == "cp313" or abi == "abi3"
    return right_machine and right_python


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
