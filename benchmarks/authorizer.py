"""Measures the authorizer: CPU of one warm decision over TLS. `cold_start.py` measures its import.

    python benchmarks/authorizer.py [--node FOLDER] [--against CHECKOUT] [--rounds N]

A server in a separate process answers Queries over TLS like an empty DynamoDB table. Contestants run in fresh
processes, in turn, round after round, so that a busy machine treats all alike; the median counts. CPU is user
and system time of the contestant alone (getrusage). With `--node`, authorizer_node/package.json is installed
into that folder, outside the checkout, and Node's contestant runs too. `--against` names another checkout
with a `.venv` of its own, such as the commit before a change: its authorizer runs too. The interpreter that
runs this is measured; one built without optimizations, as pyenv's default, is slower than Lambda's.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

EARLY = 50
WARM_UP = 1500
DECISIONS = 2000


def cpu_seconds() -> float:
    """CPU of this process so far, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def serve(folder: Path) -> None:
    """Answer every request with an empty page, until the parent closes our standard input."""
    from tests.support.certificates import server_context

    context = server_context(folder / "server.pem")
    body = b'{"Count":0,"Items":[],"ScannedCount":0}'
    answer = (
        b"HTTP/1.1 200 OK\r\nServer: Server\r\nContent-Type: application/x-amz-json-1.0\r\n"
        b"Content-Length: %d\r\nConnection: keep-alive\r\nx-amzn-RequestId: benchmark\r\n\r\n%s"
        % (len(body), body)
    )

    def converse(plain: socket.socket) -> None:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = b""
        with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as peer:
            while received := peer.recv(65_536):
                data += received
                head, found, rest = data.partition(b"\r\n\r\n")
                if not found:
                    continue
                length = next(
                    int(line.partition(b":")[2])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length:")
                )
                if len(rest) >= length:
                    data = rest[length:]
                    peer.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)

        def accept() -> None:
            while True:
                threading.Thread(target=converse, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        sys.stdin.read()


def decide_ours(setup: dict[str, Any], cache: Any = None) -> Callable[[], bool]:
    """Sessionwarden's authorizer from event to answer, including the decision line."""
    from functions.authorizer.handler import Service
    from sessionwarden.adapters.lean.denylist import LeanDenylist
    from sessionwarden.adapters.lean.sigv4 import Credentials
    from sessionwarden.authorizer.authorizer import Authorizer
    from sessionwarden.authorizer.operator_notes import note
    from sessionwarden.tokens.cognito import CognitoVerifier, Pool
    from tests.support.authorizer_events import http_event

    service = Service(
        Authorizer(
            verifier=CognitoVerifier(
                [Pool(setup["pool"], frozenset({setup["client"]}))],
                fetch=lambda url: setup["jwks"].encode(),
                clock=time.time,
                cache=cache,
            ),
            denylist=LeanDenylist(
                table="denylist",
                region="eu-west-1",
                endpoint_url=setup["endpoint"],
                credentials=lambda: Credentials("test", "test"),
                cafile=setup["certificate"],
                # long enough that a busy machine causes no refusal
                deadline_seconds=10,
                first_attempt_seconds=5,
            ),
            clock=time.time,
            report=note,
        )
    )
    event = http_event(setup["token"])
    # Lambda's stdout is a pipe: a write is a system call there too
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for the life of the process

    def decide() -> bool:
        return bool(service.answer(event, invocation_id="benchmark")["isAuthorized"])

    return decide


def decide_ours_cached(setup: dict[str, Any]) -> Callable[[], bool]:
    """The same with a cache of verified tokens, as deployed; the denylist is still read each time."""
    from sessionwarden.tokens.verified import VerifiedTokens

    return decide_ours(setup, VerifiedTokens())


def decide_usual(setup: dict[str, Any]) -> Callable[[], bool]:
    """An authorizer with PyJWT and boto3, as most Python authorizers are written, without a decision line."""
    import boto3
    import jwt

    jwk = jwt.PyJWK(json.loads(setup["jwks"])["keys"][0])
    issuer = f"https://cognito-idp.eu-west-1.amazonaws.com/{setup['pool']}"
    client = boto3.client(
        "dynamodb",
        region_name="eu-west-1",
        endpoint_url=setup["endpoint"],
        verify=setup["certificate"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )

    def decide() -> bool:
        claims = jwt.decode(setup["token"], jwk, algorithms=["RS256"], issuer=issuer)
        if claims["token_use"] != "access" or claims["client_id"] != setup["client"]:
            return False
        page = client.query(
            TableName="denylist",
            ConsistentRead=True,
            KeyConditionExpression="principal = :p",
            ExpressionAttributeValues={":p": {"S": f"{setup['pool']}#{claims['sub']}"}},
        )
        return not page["Items"]

    return decide


CONTESTANTS: dict[str, Callable[[dict[str, Any]], Callable[[], bool]]] = {
    "ours": decide_ours,
    "ours, token verified before": decide_ours_cached,
    "PyJWT + boto3": decide_usual,
}
OURS = ("ours", "ours, token verified before")


def measure(name: str, setup: dict[str, Any]) -> dict[str, float]:
    """Microseconds of CPU for one decision, among the first ones and warm."""
    decide = CONTESTANTS[name](setup)

    def per_decision(count: int) -> float:
        start = cpu_seconds()
        for _ in range(count):
            if not decide():
                raise SystemExit(f"{name} refused")
        return (cpu_seconds() - start) / count * 1e6

    early = per_decision(setup["early"])
    per_decision(setup["warm_up"])
    return {"early": early, "warm": per_decision(setup["decisions"])}


def run(command: list[str], environ: dict[str, str]) -> str:
    """The standard output of `command`."""
    return subprocess.run(command, env=environ, check=True, stdout=subprocess.PIPE, text=True).stdout


def write_setup(folder: Path, port: int) -> Path:
    """Write token, keys and endpoint to a file, for contestants of every language."""
    from tests.support.tokens import CLIENT, POOL, claims, jwks, token

    now = int(time.time())
    path = folder / "setup.json"
    path.write_text(
        json.dumps(
            {
                "pool": POOL,
                "client": CLIENT,
                "token": token(claims(iat=now, auth_time=now, exp=now + 86_400)),
                "jwks": jwks().decode(),
                "endpoint": f"https://127.0.0.1:{port}",
                "certificate": str(folder / "server.pem"),
                "early": EARLY,
                "warm_up": WARM_UP,
                "decisions": DECISIONS,
            }
        )
    )
    return path


def prepare_node(folder: Path) -> list[str]:
    """Install Node's contestant in `folder`; returns the command that runs it."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        raise SystemExit("--node needs node and npm")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "decide.mjs"):
        shutil.copy(HERE / "authorizer_node" / name, folder / name)
    if not (folder / "node_modules").exists():
        install = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(install, cwd=folder, check=True)
    return [node, str(folder / "decide.mjs")]


def decisions(rounds: int, node: list[str] | None, against: Path | None) -> dict[str, dict[str, float]]:
    """Median microseconds of each contestant."""
    from tests.support.certificates import write_certificate

    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        certificate = write_certificate(folder, address="127.0.0.1")
        server = subprocess.Popen(
            [sys.executable, __file__, "--serve", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdout is not None
        setup = write_setup(folder, int(server.stdout.readline()))
        commands = {
            contestant: [sys.executable, __file__, "--contestant", contestant, "--setup", str(setup)]
            for contestant in CONTESTANTS
        }
        if against is not None:
            python, script = against / ".venv" / "bin" / "python", against / "benchmarks" / "authorizer.py"
            for name in OURS:
                command = [str(python), str(script), "--contestant", name, "--setup", str(setup)]
                commands[f"{name}, {against.name}"] = command
        if node is not None:
            commands["Node: aws-jwt-verify + SDK v3"] = [*node, str(setup)]
        environ = os.environ | {"NODE_EXTRA_CA_CERTS": str(certificate)}
        try:
            for _ in range(rounds):
                for contestant, command in commands.items():
                    found.setdefault(contestant, []).append(json.loads(run(command, environ)))
        finally:
            server.communicate()
    return {
        contestant: {kind: statistics.median(row[kind] for row in rows) for kind in ("early", "warm")}
        for contestant, rows in found.items()
    }


def report(rounds: int, node: list[str] | None, against: Path | None) -> None:
    """Measure and print the table."""
    found = decisions(rounds, node, against)
    ours = found["ours"]["warm"]
    print(f"| one decision over TLS | first {EARLY}, CPU µs | warm, CPU µs | times ours |")
    print("| --- | ---: | ---: | ---: |")
    for name, figures in found.items():
        print(f"| {name} | {figures['early']:.0f} | {figures['warm']:.0f} | {figures['warm'] / ours:.1f} |")


def main() -> None:
    """The command line; `--serve` and `--contestant` are for the processes started from here."""
    parser = argparse.ArgumentParser(description="what the authorizer costs")
    parser.add_argument("--node", type=Path, help="folder outside the checkout for Node's packages")
    parser.add_argument("--against", type=Path, help="another checkout, with a .venv of its own")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--contestant", choices=CONTESTANTS, help=argparse.SUPPRESS)
    parser.add_argument("--setup", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
    elif options.contestant:
        found = measure(options.contestant, json.loads(options.setup.read_text()))
        print(json.dumps(found), file=sys.__stdout__)
    else:
        node = prepare_node(options.node) if options.node else None
        report(options.rounds, node, options.against and options.against.resolve())


if __name__ == "__main__":
    main()
