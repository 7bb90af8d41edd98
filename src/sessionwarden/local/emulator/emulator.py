"""Starts and stops MiniStack, an AWS emulator, as a child process.

It listens on a free loopback port, and leaves no process, port or file behind. Invariants: every wait is
bounded; no credential or setting of the operator's own AWS account reaches the child; Cognito revocation and
IAM are enforced (`AUTH=true`), since a demo of ended sessions would prove nothing otherwise. It is stopped by
process group, because each of its Lambdas is a process.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from sessionwarden.errors import LocalStackError

REGION = "us-east-1"
START_SECONDS = 30.0
# The emulator has no data to save, so it is killed soon.
STOP_SECONDS = 2.0
ATTEMPTS = 3
LOG_TAIL_LINES = 20
HOST = "127.0.0.1"


class Emulator:
    """A running emulator, with clients for it."""

    def __init__(self, *, port: int, log: Path, process: subprocess.Popen[bytes]) -> None:
        self.port = port
        self.endpoint_url = f"http://{HOST}:{port}"
        self.log = log
        self._process = process
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def client(self, service_name: str) -> Any:
        """A boto3 client for the emulator, with its test credentials, shared between threads."""
        with self._lock:
            # making a client takes tens of milliseconds, and is not thread-safe
            if service_name not in self._clients:
                self._clients[service_name] = self._new_client(service_name)
            return self._clients[service_name]

    def _new_client(self, service_name: str) -> Any:
        session = boto3.session.Session(
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - the emulator's documented test account
            region_name=REGION,
        )
        config = Config(
            retries={"total_max_attempts": 2}, connect_timeout=5, read_timeout=60, max_pool_connections=20
        )
        return session.client(service_name, endpoint_url=self.endpoint_url, config=config)  # type: ignore[call-overload]

    def environment(self) -> dict[str, str]:
        """The environment variables by which a process uses the emulator instead of AWS."""
        return {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint_url,
        }

    def api_url(self, api_id: str, stage: str = "$default") -> str:
        """The URL of a deployed API; the stage `$default` adds no path."""
        suffix = "" if stage == "$default" else f"/{stage}"
        return f"{self.endpoint_url}/_aws/execute-api/{api_id}{suffix}"

    def alive(self) -> bool:
        return self._process.poll() is None

    def log_tail(self) -> str:
        """The last lines of its log, for a message about a failure."""
        return _tail(self.log)


@contextmanager
def running_emulator() -> Iterator[Emulator]:
    """Start an emulator, yield it, and remove it at the end.

    Raises `LocalStackError` with the end of its log if it does not answer within 30 s. A start takes
    about half a second.
    """
    with tempfile.TemporaryDirectory(prefix="sessionwarden-", ignore_cleanup_errors=True) as folder:
        emulator = _start(Path(folder))
        try:
            yield emulator
        finally:
            _stop(emulator._process)


def _start(folder: Path) -> Emulator:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _start_once(folder / f"attempt-{attempt}")
        except LocalStackError:
            # another process may have taken the free port before the emulator could bind it
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def _start_once(folder: Path) -> Emulator:
    folder.mkdir()
    port = _free_port()
    nonce = secrets.token_hex(8)
    log = folder / "emulator.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "sessionwarden.local.emulator.child_process"],
            cwd=folder,
            env=_child_environment(os.environ, folder=folder, port=port, nonce=nonce),
            # the child ends itself when this pipe closes, even if this process is killed
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            # in its own group, its workers can be ended with it, and Ctrl-C reaches only this process
            start_new_session=True,
        )
    emulator = Emulator(port=port, log=log, process=process)
    try:
        _await_health(emulator, nonce)
    except BaseException:
        _stop(process)
        raise
    return emulator


def _child_environment(parent: Mapping[str, str], *, folder: Path, port: int, nonce: str) -> dict[str, str]:
    """The child's environment. Lambda workers inherit it, so it holds no setting of an AWS account."""
    foreign = ("AWS_", "MINISTACK_", "LOCALSTACK_", "LAMBDA_", "SESSIONWARDEN_", "POWERTOOLS_", "PYTHON")
    kept = {name: value for name, value in parent.items() if not name.startswith(foreign)}
    directories = {name: folder / name.lower() for name in ("TMPDIR", "STATE_DIR", "S3_DATA_DIR")}
    for directory in directories.values():
        directory.mkdir()
    return kept | {
        **{name: str(directory) for name, directory in directories.items()},
        "AUTH": "true",
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": HOST,
        # the health check returns it, which tells this child from another emulator on the same port
        "MINISTACK_EDITION": nonce,
        # without it, the emulator issues tokens although a trigger refused, unlike AWS
        "MINISTACK_COGNITO_PRETOKEN_STRICT": "1",
        "LAMBDA_EXECUTOR": "local",
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        # a daemon that does not exist, so that the operator's own containers are left alone
        "DOCKER_HOST": f"unix://{folder}/no-docker.sock",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


def _await_health(emulator: Emulator, nonce: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if not emulator.alive():
            raise LocalStackError(f"the emulator ended at once:\n{emulator.log_tail()}")
        if _health(emulator).get("edition") == nonce:
            return
        time.sleep(0.05)
    raise LocalStackError(f"the emulator did not answer within {START_SECONDS:.0f} s:\n{emulator.log_tail()}")


def _health(emulator: Emulator) -> dict[str, Any]:
    # calls to the loopback must not go through a proxy that the environment names
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{emulator.endpoint_url}/_ministack/health", timeout=2) as answer:
            payload: dict[str, Any] = json.load(answer)
            return payload
    except (urllib.error.URLError, OSError, ValueError):
        return {}


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Terminate the process, wait, then kill its group, since workers outlive their parent."""
    try:
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
    finally:  # also after a second Ctrl-C
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        if process.stdin is not None:
            process.stdin.close()


def _tail(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "(no log)"
    return "\n".join(lines[-LOG_TAIL_LINES:]) or "(its log is empty)"
