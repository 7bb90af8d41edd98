from __future__ import annotations

import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sessionwarden.errors import LocalStackError
from sessionwarden.local.emulator import deployer
from sessionwarden.local.emulator.deployer import Asset, read_assets, read_stacks


def _stack(*dependencies: str, name: str | None = None) -> dict[str, Any]:
    properties = {"templateFile": "t.json"} | ({"stackName": name} if name else {})
    return {"type": "aws:cloudformation:stack", "properties": properties, "dependencies": list(dependencies)}


def test_a_stack_comes_after_those_it_depends_on(tmp_path: Path) -> None:
    manifest = {
        "artifacts": {
            "c": _stack("b", "c.assets"),
            "b": _stack("a"),
            "a": _stack(),
            "Tree": {"type": "cdk:tree"},
        }
    }
    assert [stack.name for stack in read_stacks(tmp_path, manifest)] == ["a", "b", "c"]


def test_a_stack_is_named_as_its_author_named_it(tmp_path: Path) -> None:
    manifest = {"artifacts": {"artifact-id": _stack(name="sessionwarden")}}
    assert [stack.name for stack in read_stacks(tmp_path, manifest)] == ["sessionwarden"]


def test_stacks_in_a_circle_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalStackError, match="circle"):
        read_stacks(tmp_path, {"artifacts": {"a": _stack("b"), "b": _stack("a")}})


def test_assets_name_their_bucket_without_pseudo_parameters(tmp_path: Path) -> None:
    destination = {
        "bucketName": "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}",
        "objectKey": "k.zip",
    }
    source = {"path": "asset.1", "packaging": "zip"}
    files = {"1": {"source": source, "destinations": {"here": destination}}}
    (tmp_path / "s.assets.json").write_text(json.dumps({"files": files}))
    manifest = {
        "artifacts": {"s.assets": {"type": "cdk:asset-manifest", "properties": {"file": "s.assets.json"}}}
    }
    assert list(read_assets(tmp_path, manifest)) == [
        Asset(
            source=tmp_path / "asset.1",
            packaging="zip",
            bucket="cdk-hnb659fds-assets-000000000000-us-east-1",
            key="k.zip",
        )
    ]


def test_an_assembly_without_a_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalStackError, match=r"manifest\.json"):
        deployer._load(tmp_path / "manifest.json")


def test_a_folder_becomes_a_zip_with_fresh_bytecode_and_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "pkg" / "__pycache__").mkdir(parents=True)
    (tmp_path / "pkg" / "__pycache__" / "stale.pyc").write_bytes(b"x")
    (tmp_path / "pkg" / "handler.py").write_text("CODE = 1")
    body = deployer._body(Asset(source=tmp_path, packaging="zip", bucket="b", key="k"))
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.namelist() == [
            f"pkg/__pycache__/handler.{sys.implementation.cache_tag}.pyc",
            "pkg/handler.py",
        ]
    assert [path.name for path in (tmp_path / "pkg" / "__pycache__").iterdir()] == ["stale.pyc"]


class _CloudFormation:
    """A stack that takes the given statuses, one for each look."""

    def __init__(self, statuses: list[str], events: list[dict[str, str]]) -> None:
        self._statuses = statuses
        self._events = events

    def describe_stacks(self, StackName: str) -> Any:  # noqa: N803 - boto3's name
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        return {"Stacks": [{"StackStatus": status, "Outputs": [{"OutputKey": "Table", "OutputValue": "t"}]}]}

    def describe_stack_events(self, StackName: str) -> Any:  # noqa: N803
        return {"StackEvents": self._events}


def _event(resource: str, status: str, reason: str = "") -> dict[str, str]:
    return {
        "LogicalResourceId": resource,
        "ResourceType": "AWS::SQS::Queue",
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


def test_outputs_come_back_once_the_stack_is_complete() -> None:
    cloudformation = _CloudFormation(["CREATE_IN_PROGRESS", "CREATE_COMPLETE"], [])
    assert deployer._await_stack(cloudformation, "s", 5) == {"Table": "t"}


def test_a_failed_stack_names_the_resource_that_failed_first() -> None:
    newest_first = [
        _event("Other", "CREATE_FAILED", "cancelled"),
        _event("Queue", "CREATE_FAILED", "the name is taken"),
        _event("Queue", "CREATE_IN_PROGRESS"),
    ]
    with pytest.raises(
        LocalStackError, match=r"ROLLBACK_COMPLETE: Queue \(AWS::SQS::Queue\): the name is taken"
    ):
        deployer._await_stack(_CloudFormation(["ROLLBACK_COMPLETE"], newest_first), "s", 5)


def test_a_stack_that_never_ends_is_given_up_and_says_what_it_waited_for() -> None:
    events = [
        _event("Done", "CREATE_COMPLETE"),
        _event("Custom", "CREATE_IN_PROGRESS"),
        _event("Done", "CREATE_IN_PROGRESS"),
    ]
    with pytest.raises(LocalStackError, match=r"not ready within 0 s: .* unfinished: Custom"):
        deployer._await_stack(_CloudFormation(["CREATE_IN_PROGRESS"], events), "s", 0)
