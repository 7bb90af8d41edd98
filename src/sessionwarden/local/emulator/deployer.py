"""Deploys a synthesized cloud assembly (`cdk.out`) to the emulator, as `cdk deploy` would to AWS.

Invariants: assets are uploaded before any stack that names them, stacks are created in dependency order, and
every wait is bounded, since a stack whose custom resource failed never ends. It only creates stacks, because
the emulator is deleted as a whole.
https://docs.aws.amazon.com/cdk/v2/guide/deploy-how-synth.html (cloud assembly schema)
"""

from __future__ import annotations

import compileall
import io
import json
import py_compile
import shutil
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from sessionwarden.errors import LocalStackError
from sessionwarden.local.emulator.emulator import REGION, Emulator

ACCOUNT = "000000000000"
BOOTSTRAP_VERSION_PARAMETER = "/cdk-bootstrap/hnb659fds/version"
BOOTSTRAP_VERSION = "30"
STACK_SECONDS = 60.0
CAPABILITIES = ("CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")
SUCCEEDED = "CREATE_COMPLETE"
RUNNING = "CREATE_IN_PROGRESS"

Outputs = Mapping[str, str]


class Asset(NamedTuple):
    """One file of an assembly, and the place where its stack expects it. `packaging` is `file` or `zip`."""

    source: Path
    packaging: str
    bucket: str
    key: str


class Stack(NamedTuple):
    """One stack of an assembly; `dependencies` are the ids of artifacts that must exist before it."""

    name: str
    template: Path
    dependencies: tuple[str, ...]


def deploy_assembly(
    emulator: Emulator, folder: Path, *, parameters: Mapping[str, Mapping[str, str]] | None = None
) -> dict[str, Outputs]:
    """Deploy every stack of the assembly; returns outputs by stack name.

    `parameters` are the template parameters by stack name. Raises `LocalStackError` with the reason of
    the resource that failed first.
    """
    manifest = _load(folder / "manifest.json")
    stacks = read_stacks(folder, manifest)
    assets = list(read_assets(folder, manifest))
    _bootstrap(emulator, {asset.bucket for asset in assets})
    for asset in assets:
        emulator.client("s3").put_object(Bucket=asset.bucket, Key=asset.key, Body=_body(asset))
    urls = {asset.source: f"{emulator.endpoint_url}/{asset.bucket}/{asset.key}" for asset in assets}
    return {
        stack.name: create_stack(
            emulator,
            stack.name,
            _template_argument(stack, urls),
            parameters=(parameters or {}).get(stack.name, {}),
        )
        for stack in stacks
    }


def create_stack(
    emulator: Emulator,
    name: str,
    template: Mapping[str, str],
    *,
    parameters: Mapping[str, str] | None = None,
    timeout_seconds: float = STACK_SECONDS,
) -> Outputs:
    """Create one stack and wait for it, at most `timeout_seconds`.

    `template` is CloudFormation's own argument: `{"TemplateBody": ...}` or `{"TemplateURL": ...}`.
    """
    cloudformation = emulator.client("cloudformation")
    try:
        cloudformation.create_stack(
            StackName=name,
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in (parameters or {}).items()
            ],
            Capabilities=CAPABILITIES,
            **template,
        )
    except ClientError as error:
        raise LocalStackError(f"stack {name} was refused: {error}") from error
    return _await_stack(cloudformation, name, timeout_seconds)


def read_stacks(folder: Path, manifest: Mapping[str, Any]) -> Sequence[Stack]:
    """The assembly's stacks, each after those it depends on."""
    artifacts = {
        artifact_id: artifact
        for artifact_id, artifact in manifest["artifacts"].items()
        if artifact["type"] == "aws:cloudformation:stack"
    }
    graph = {
        artifact_id: [other for other in artifact.get("dependencies", ()) if other in artifacts]
        for artifact_id, artifact in artifacts.items()
    }
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise LocalStackError(f"the stacks depend on each other in a circle: {error.args[1]}") from error
    return [
        Stack(
            name=artifacts[artifact_id]["properties"].get("stackName", artifact_id),
            template=folder / artifacts[artifact_id]["properties"]["templateFile"],
            dependencies=tuple(graph[artifact_id]),
        )
        for artifact_id in order
    ]


def read_assets(folder: Path, manifest: Mapping[str, Any]) -> Iterator[Asset]:
    """Every file that a stack expects in a bucket, including the templates themselves."""
    for artifact in manifest["artifacts"].values():
        if artifact["type"] != "cdk:asset-manifest":
            continue
        for file in _load(folder / artifact["properties"]["file"])["files"].values():
            for destination in file["destinations"].values():
                yield Asset(
                    source=folder / file["source"]["path"],
                    packaging=file["source"]["packaging"],
                    bucket=_resolve(destination["bucketName"]),
                    key=destination["objectKey"],
                )


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LocalStackError(f"{path.name} of the cloud assembly cannot be read: {error}") from error


def _resolve(name: str) -> str:
    """Replace the pseudo parameters that CDK leaves in names when a stack has no fixed account."""
    values = {"AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::Partition": "aws"}
    for parameter, value in values.items():
        name = name.replace(f"${{{parameter}}}", value)
    return name


def _bootstrap(emulator: Emulator, buckets: set[str]) -> None:
    """Create what `cdk bootstrap` creates in an account, as far as the templates need it."""
    for bucket in buckets:
        emulator.client("s3").create_bucket(Bucket=bucket)
    emulator.client("ssm").put_parameter(
        Name=BOOTSTRAP_VERSION_PARAMETER, Value=BOOTSTRAP_VERSION, Type="String", Overwrite=True
    )


def _body(asset: Asset) -> bytes:
    if asset.packaging == "zip" and asset.source.is_dir():
        return _zip(asset.source)
    return asset.source.read_bytes()


def _zip(folder: Path) -> bytes:
    """A zip of the folder, with bytecode.

    Every Lambda process of the emulator unpacks its own copy, and without bytecode each would compile it
    again: a cold start of `ingest` would cost 1.5 s of CPU instead of 0.6 s.
    """
    with TemporaryDirectory(prefix="sessionwarden-asset-") as scratch:
        copy = Path(scratch) / "asset"
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("__pycache__"))
        # bytecode is not checked against the files' times, because unpacking changes those
        compileall.compile_dir(
            copy, quiet=2, stripdir=str(copy), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
        )
        buffer = io.BytesIO()
        # not compressed, because it is unpacked a second later on the same machine
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
            for path in sorted(copy.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(copy))
        return buffer.getvalue()


def _template_argument(stack: Stack, urls: Mapping[Path, str]) -> dict[str, str]:
    # by URL if it was uploaded, since a body may have 51,200 bytes at most
    if stack.template in urls:
        return {"TemplateURL": urls[stack.template]}
    return {"TemplateBody": stack.template.read_text(encoding="utf-8")}


def _await_stack(cloudformation: Any, name: str, timeout_seconds: float) -> Outputs:
    deadline = time.monotonic() + timeout_seconds
    while True:
        stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        if stack["StackStatus"] == SUCCEEDED:
            return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}
        if stack["StackStatus"] != RUNNING:
            raise LocalStackError(
                f"stack {name} ended as {stack['StackStatus']}: {_reason(cloudformation, name)}"
            )
        if time.monotonic() > deadline:
            raise LocalStackError(
                f"stack {name} was not ready within {timeout_seconds:.0f} s: {_reason(cloudformation, name)}"
            )
        time.sleep(0.1)


def _reason(cloudformation: Any, name: str) -> str:
    """The oldest failure, because later ones are only cancellations that follow from it."""
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    failures = [event for event in reversed(events) if event["ResourceStatus"].endswith("_FAILED")]
    if not failures:
        unfinished = {
            event["LogicalResourceId"] for event in events if event["ResourceStatus"] == RUNNING
        } - {event["LogicalResourceId"] for event in events if event["ResourceStatus"] == SUCCEEDED}
        return f"no resource has failed; unfinished: {', '.join(sorted(unfinished)) or 'none'}"
    first = failures[0]
    reason = first.get("ResourceStatusReason", "no reason given")
    return f"{first['LogicalResourceId']} ({first['ResourceType']}): {reason}"
