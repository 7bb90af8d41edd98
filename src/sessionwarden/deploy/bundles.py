"""Builds the Lambda bundles: pinned wheels, our modules that functions reach, compiled rules, policy, routes.

A bundle is the folder `build/bundles/<target>/<bundle>/`; beside it `<bundle>.json` holds the digests of what
it was made from and of its content. Invariants: the same checkout has the same bytes (no bytecode, no times
in a digest); a bundle appears whole or not at all; one that no longer fits the checkout is refused before it
is deployed. Two bundles, because everything but the authorizer may take its time to start; two targets,
because wheels hold machine code: aarch64 for AWS, this machine's for the emulator.

Run as `python -m sessionwarden.deploy.bundles`, which `make bundles` does; a second run changes nothing.
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from sessionwarden.errors import BundleError, InputFileError

Target = Literal["aws", "local"]
BundleName = Literal["functions", "authorizer"]

TARGETS: tuple[Target, ...] = ("aws", "local")
BUNDLES: Mapping[BundleName, tuple[str, ...]] = {
    "functions": ("ingest", "detect", "enforce", "group_alerts", "pre_token_generation", "validate_rules"),
    "authorizer": ("authorizer",),
}
AWS_PLATFORM = "aarch64-manylinux_2_34"
AWS_PYTHON = "3.13"
RULESET_FILE, POLICY_FILE = "ruleset.json", "policy.json"
ROUTES_SOURCE, ROUTES_FILE = "authorizer.yml", "routes.json"
# the service descriptions are most of botocore's 30 MB, and reading a folder of 400 slows each cold start
BOTOCORE_SERVICES = frozenset({"appconfigdata", "cognito-idp", "dynamodb", "events", "sns", "sqs", "sts"})
USELESS_FOLDERS = frozenset({"__pycache__", "tests", "test", "bin", "examples"})
UV_OPTIONS = (
    "--quiet",
    "--require-hashes",
    "--only-binary=:all:",
    "--no-compile-bytecode",
    "--link-mode=copy",
)
BUILD_SECONDS = 600


class Built(NamedTuple):
    """A bundle on disk. `digest` is over its content: names of files and their bytes."""

    path: Path
    digest: str


def checked_bundle(root: Path, target: Target, name: BundleName) -> Built:
    """The bundle, if it is there and was made from what the checkout holds now; else `BundleError`."""
    path = _folder(root, target) / name
    try:
        record = json.loads(_record_path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        record = {}
    if not path.is_dir() or not record:
        raise BundleError(f"the bundle {target}/{name} is missing: run `make bundles`")
    if record.get("inputs") != inputs_digest(root, target, name):
        raise BundleError(
            f"the bundle {target}/{name} is older than the code or the rules: run `make bundles`"
        )
    return Built(path, record["content"])


def build_all(root: Path) -> None:
    """Make every bundle that is missing or stale; waits for another build of the same checkout."""
    with _alone(root):
        for target in TARGETS:
            for name in BUNDLES:
                build(root, target, name)


def build(root: Path, target: Target, name: BundleName) -> Built:
    """Make the bundle unless it is up to date. New pins need the package index, the rest some seconds."""
    try:
        return checked_bundle(root, target, name)
    except BundleError:
        pass
    inputs = inputs_digest(root, target, name)
    path = _folder(root, target) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{name}-") as scratch:
        fresh = Path(scratch) / name
        # links: nothing in a bundle is ever changed in place
        shutil.copytree(_dependencies(root, target, name), fresh, copy_function=os.link)
        for source in reached_files(root, name):
            destination = fresh / _in_bundle(root, source)
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, destination)
        for file_name, data in _compiled(root, name).items():
            (fresh / file_name).write_bytes(data)
        _make_readable(fresh)
        content = content_digest(fresh)
        shutil.rmtree(path, ignore_errors=True)
        os.replace(fresh, path)
    record = {"inputs": inputs, "content": content}
    _record_path(path).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return Built(path, content)


def inputs_digest(root: Path, target: Target, name: BundleName) -> str:
    """A digest of all that the bundle is made from; cheap, because `app.py` asks for it every time."""
    digest = hashlib.sha256()
    files = [_requirements(root, name), Path(__file__), *reached_files(root, name)]
    if name == "functions":
        files += [*_rule_files(root), *_modules(root, "ruleset"), *_modules(root, "documents")]
    else:
        # no file is an input, too: without one the default policy holds
        files += [*root.glob(ROUTES_SOURCE), *_modules(root, "routes"), *_modules(root, "documents")]
    digest.update(_platform_name(target).encode())
    for file in sorted(set(files)):
        _feed(digest, _in_bundle(root, file).as_posix(), file.read_bytes())
    return digest.hexdigest()


def content_digest(folder: Path) -> str:
    """A digest of the names and bytes of every file in `folder`."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        _feed(digest, file.relative_to(folder).as_posix(), file.read_bytes())
    return digest.hexdigest()


def reached_files(root: Path, name: BundleName) -> list[Path]:
    """Our own modules that the bundle's functions import, at whatever depth, with their packages."""
    waiting = [file for function in BUNDLES[name] for file in (root / "functions" / function).glob("*.py")]
    found: set[Path] = set()
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.add(file)
        waiting.extend(_packages_of(root, file))
        for module in imported_modules(ast.parse(file.read_bytes(), filename=str(file))):
            located = _locate(root, module)
            if located is not None:
                waiting.append(located)
    return sorted(found)


def imported_modules(tree: ast.AST) -> Iterator[str]:
    """Every module a tree may import when it runs; what only a type checker imports is left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            yield from imported_modules(ast.Module(body=node.orelse, type_ignores=[]))
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            # `from package import module`
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif not isinstance(node, ast.expr):  # in which no import can be, and which most nodes are
            yield from imported_modules(node)


def _locate(root: Path, module: str) -> Path | None:
    """The file of a module of ours, or `None`."""
    top, *_ = parts = module.split(".")
    base = {"sessionwarden": root / "src", "functions": root}.get(top)
    if base is None:
        return None
    for candidate in (base.joinpath(*parts, "__init__.py"), base.joinpath(*parts).with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


def _packages_of(root: Path, file: Path) -> Iterator[Path]:
    for folder in file.parents:
        if folder in (root, root / "src"):
            return
        yield folder / "__init__.py"


def _in_bundle(root: Path, file: Path) -> Path:
    base = root / "src" if file.is_relative_to(root / "src") else root
    return file.relative_to(base) if file.is_relative_to(base) else Path(file.name)


def _compiled(root: Path, name: BundleName) -> dict[str, bytes]:
    """What operators wrote, in the form that the bundle's functions load, by file name."""
    # pySigma is only needed here, and not by those who merely ask whether a bundle is up to date
    from sessionwarden.policy.compiled import dump_policy
    from sessionwarden.routes.compile import compile_routes, dump_routes
    from sessionwarden.ruleset.compiler.compile import check_rules, dump_ruleset

    if name == "functions":
        checked = check_rules([root / "rules"])
        return {RULESET_FILE: dump_ruleset(checked.ruleset), POLICY_FILE: dump_policy(checked.policy)}
    source = root / ROUTES_SOURCE
    return {ROUTES_FILE: dump_routes(compile_routes(source))} if source.exists() else {}


def _modules(root: Path, package: str) -> list[Path]:
    return sorted((root / "src" / "sessionwarden" / package).rglob("*.py"))


def _rule_files(root: Path) -> list[Path]:
    return sorted(path for path in (root / "rules").rglob("*.yml") if not path.name.endswith(".cases.yml"))


def _dependencies(root: Path, target: Target, name: BundleName) -> Path:
    """A folder with the pinned wheels, pruned; kept until the pins change."""
    digest = hashlib.sha256(_requirements(root, name).read_bytes())
    digest.update(Path(__file__).read_bytes())
    digest.update(_platform_name(target).encode())
    path = root / "build" / "wheels" / f"{target}-{name}-{digest.hexdigest()[:16]}"
    if path.is_dir():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    for outdated in path.parent.glob(f"{target}-{name}-*"):
        shutil.rmtree(outdated)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".install-") as scratch:
        fresh = Path(scratch) / "wheels"
        _install(_requirements(root, name), fresh, _platform(target))
        prune(fresh)
        os.replace(fresh, path)
    return path


def _install(requirements: Path, folder: Path, arguments: Iterable[str]) -> None:
    uv = shutil.which(
        "uv", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    )
    if uv is None:
        raise BundleError("uv is missing: run `make install`")
    command = [uv, "pip", "install", *UV_OPTIONS, *arguments, "--target", str(folder), "--requirements"]
    command.append(str(requirements))
    # S603: no shell, and nothing in it that a stranger could have written
    result = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)  # noqa: S603
    if result.returncode != 0:
        raise BundleError(
            f"the wheels of {requirements.name} could not be installed: {result.stderr.strip()}"
        )


def prune(folder: Path) -> None:
    """Take out what no function uses: tests, scripts, bytecode, descriptions of other AWS services."""
    for path in sorted(folder.rglob("*"), key=lambda item: len(item.parts), reverse=True):
        if path.is_dir() and path.name in USELESS_FOLDERS:
            shutil.rmtree(path)
    (folder / ".lock").unlink(missing_ok=True)
    for record in folder.glob("*.dist-info/RECORD"):
        record.unlink()
    for service in (folder / "botocore" / "data").glob("*/"):
        if service.name not in BOTOCORE_SERVICES:
            shutil.rmtree(service)


def _make_readable(folder: Path) -> None:
    """Lambda runs as another user, whatever the umask was here."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _platform(target: Target) -> tuple[str, ...]:
    """The arguments that choose the wheels."""
    if target == "aws":
        return ("--python-platform", AWS_PLATFORM, "--python-version", AWS_PYTHON)
    return ("--python", sys.executable)


def _platform_name(target: Target) -> str:
    """What makes wheels of one machine useless on another."""
    if target == "aws":
        return f"{AWS_PLATFORM} {AWS_PYTHON}"
    return f"{sys.platform} {platform.machine()} {sys.implementation.cache_tag}"


def _requirements(root: Path, name: BundleName) -> Path:
    return root / "requirements" / f"{name}.txt"


def _folder(root: Path, target: Target) -> Path:
    return root / "build" / "bundles" / target


def _record_path(bundle: Path) -> Path:
    return bundle.with_name(f"{bundle.name}.json")


def _feed(digest: hashlib._Hash, name: str, data: bytes) -> None:
    # lengths first, or one file's end could pass for the next one's beginning
    digest.update(f"{name}\0{len(data)}\0".encode())
    digest.update(data)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Only one build at a time: `make test` and a demo may well be started together."""
    (root / "build").mkdir(exist_ok=True)
    with (root / "build" / ".bundles.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Build whatever is missing or stale in the checkout at the working folder."""
    root = Path.cwd()
    try:
        build_all(root)
    except InputFileError as error:
        print(error, file=sys.stderr)  # noqa: T201 - run as a program
        return 2
    except BundleError as error:
        print(f"sessionwarden: {error}", file=sys.stderr)  # noqa: T201 - run as a program
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
