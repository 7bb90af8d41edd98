"""One initialised authorizer, resumed many times, as SnapStart does it: nothing made before may hurt.

A fork stands for the restore: each copy goes on from the very same memory. It happens in a process of its
own, which has no threads.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

from tests.support.authorizer_events import http_event
from tests.support.scripted_server import ScriptedServer, Turn, http, say, say_and_close
from tests.support.templates import ROOT
from tests.support.tokens import CLIENT, POOL, claims, jwks, token

RESTORES = 3
PROGRAM = """
import json, os, socket, sys

def refuse(*arguments):
    raise AssertionError("connected before the snapshot")

connect, socket.socket.connect = socket.socket.connect, refuse
import functions.authorizer.handler as handler
socket.socket.connect = connect

event = json.loads(sys.stdin.read())
for _ in range(int(sys.argv[1])):
    child = os.fork()
    if child == 0:
        for _ in range(2):
            handler.lambda_handler(event, None)
        os._exit(0)
    os.waitpid(child, 0)
"""


def test_each_restored_copy_has_its_own_connections_credentials_keys_and_poll() -> None:
    keys = ScriptedServer(*[say_and_close(http(jwks()))] * RESTORES)
    endpoint = ScriptedServer(*[_credentials(number) for number in range(RESTORES)])
    # per copy: the principal and the poll for the first request, the principal for the second
    table = ScriptedServer(*[say(http(b'{"Items":[]}'))] * (3 * RESTORES))
    try:
        lines = _restore(keys=keys, endpoint=endpoint, table=table)
    finally:
        for server in (keys, endpoint, table):
            server.close()

    assert [line["reason"] for line in lines] == ["ok"] * (2 * RESTORES)
    assert [len(server.requests) for server in (keys, endpoint, table)] == [3, 3, 9]
    assert table.connections == RESTORES
    signers = [head.partition("Credential=")[2].partition("/")[0] for head, _ in table.requests]
    assert signers == ["K0"] * 3 + ["K1"] * 3 + ["K2"] * 3


def _credentials(number: int) -> Turn:
    answer = {
        "AccessKeyId": f"K{number}",
        "SecretAccessKey": "S",
        "Token": "T",
        "Expiration": "2126-11-22T13:00:00Z",
    }
    return say_and_close(http(json.dumps(answer).encode()))


def _restore(
    *, keys: ScriptedServer, endpoint: ScriptedServer, table: ScriptedServer
) -> list[dict[str, Any]]:
    """The decision lines of all copies."""
    pool = {"pool_id": POOL, "client_ids": [CLIENT], "jwks_url": f"{keys.url}/jwks.json"}
    now = int(time.time())
    event = http_event(token(claims(auth_time=now - 60, iat=now - 60, exp=now + 3600)))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(RESTORES)],
        env={
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
            "AWS_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": table.url,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{endpoint.url}/2021-04-23/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "t",
            "SESSIONWARDEN_DENYLIST_TABLE": "t",
            "SESSIONWARDEN_DENYLIST_DEADLINE_MS": "4000",
            "SESSIONWARDEN_USER_POOLS": json.dumps([pool]),
        },
        input=json.dumps(event),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]
