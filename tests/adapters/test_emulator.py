from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from sessionwarden.errors import LocalStackError
from sessionwarden.local.emulator import emulator as module
from sessionwarden.local.emulator.emulator import Emulator, running_emulator

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


def _group_members(group: int) -> list[str]:
    listing = subprocess.run(
        ["ps", "-e", "-o", "pgid=,stat=,pid="], capture_output=True, text=True, check=True
    )
    rows = [row.split() for row in listing.stdout.splitlines()]
    return [pid for pgid, state, pid in rows if int(pgid) == group and not state.startswith("Z")]


def _all_gone(group: int) -> bool:
    """Whether nothing of the group is left; a killed process may take a moment to go."""
    for _ in range(100):
        if not _group_members(group):
            return True
        time.sleep(0.05)
    return False


def _zip(name: str, text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, text)
    return buffer.getvalue()


def test_two_emulators_at_once_share_no_state(emulator: Emulator) -> None:
    with running_emulator() as other:
        assert other.port != emulator.port
        other.client("sqs").create_queue(QueueName="only-here")
        assert not emulator.client("sqs").list_queues(QueueNamePrefix="only-here").get("QueueUrls")


def test_a_stopped_emulator_leaves_no_process_and_no_file() -> None:
    with running_emulator() as running:
        group, folder = running._process.pid, running.log.parent.parent
        assert _group_members(group)
    assert _all_gone(group)
    assert not folder.exists()


def test_workers_that_outlive_the_emulator_are_ended_too() -> None:
    with running_emulator() as running:
        group = running._process.pid
        role = running.client("iam").create_role(RoleName="idle", AssumeRolePolicyDocument=TRUST)
        running.client("lambda").create_function(
            FunctionName="idle",
            Runtime="python3.11",
            Handler="index.handler",
            Role=role["Role"]["Arn"],
            Code={"ZipFile": _zip("index.py", "def handler(event, context):\n    return 1\n")},
        )
        running.client("lambda").invoke(FunctionName="idle")
        workers = [pid for pid in _group_members(group) if pid != str(group)]
        assert workers
        os.kill(group, signal.SIGKILL)
    assert _all_gone(group)


def test_an_emulator_ends_itself_when_its_parent_was_killed() -> None:
    code = (
        "from sessionwarden.local.emulator.emulator import running_emulator\n"
        "with running_emulator() as emulator:\n"
        "    print(emulator._process.pid, emulator.log.parent.parent, flush=True)\n"
        "    input()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout
    group, folder = parent.stdout.readline().split()
    parent.kill()
    parent.communicate()
    assert _all_gone(int(group))
    shutil.rmtree(folder)


def test_an_error_inside_still_stops_it() -> None:
    with pytest.raises(KeyboardInterrupt), running_emulator() as running:
        raise KeyboardInterrupt
    assert not running.alive()


def test_a_port_that_is_taken_is_tried_again_elsewhere(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose, offered = module._free_port, [emulator.port]
    monkeypatch.setattr(module, "_free_port", lambda: offered.pop() if offered else choose())
    with running_emulator() as running:
        assert running.port != emulator.port
        assert running.alive()


def test_an_emulator_that_cannot_start_says_why_with_its_log(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_free_port", lambda: emulator.port)
    with pytest.raises(LocalStackError, match="already in use"), running_emulator():
        pass


def test_nothing_of_the_operators_account_reaches_the_child(tmp_path: Path) -> None:
    parent = {
        "AWS_PROFILE": "production",
        "AWS_SESSION_TOKEN": "secret",
        "MINISTACK_REGION": "mars",
        "PATH": "/bin",
    }
    child = module._child_environment(parent, folder=tmp_path, port=1, nonce="n")
    assert not [name for name in child if name.startswith("AWS_")]
    assert child["AUTH"] == "true"
    assert "MINISTACK_REGION" not in child
    assert child["PATH"] == "/bin"


def test_a_queue_that_refuses_plain_http_can_be_used(emulator: Emulator) -> None:
    sqs = emulator.client("sqs")
    url = sqs.create_queue(QueueName="tls-only")["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:000000000000:tls-only"
    statement = {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "sqs:*",
        "Resource": arn,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    assert sqs.send_message(QueueUrl=url, MessageBody="hello")["MessageId"]
