"""The lean denylist reader against servers that misbehave, each in one way.

Every server is a script of answers, one per connection or request; no test waits for the clock to
say something, only for the reader to give up.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from binascii import crc32
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sessionwarden.adapters.lean import tls_trust
from sessionwarden.adapters.lean.denylist import LeanDenylist, lean_denylist
from sessionwarden.adapters.lean.jwks import fetch_jwks
from sessionwarden.adapters.lean.sigv4 import Credentials
from sessionwarden.denylist.broad import sort_key, to_broad_item
from sessionwarden.denylist.item import to_item
from sessionwarden.errors import DamagedItemError, StoreError
from sessionwarden.model.deny import BroadDeny, Claims, DenyEntry
from tests.support.certificates import server_context, write_certificate
from tests.support.scripted_server import CLOSE, ScriptedServer, Turn, http, say, say_and_close

ENTRY = DenyEntry("d-1", 2_000_000_000, not_before=5)
OTHER = DenyEntry("d-2", 2_000_000_000, session="s")

OPEN: list[LeanDenylist] = []
"""Readers of the running test: closed before the servers, which wait for them."""


def page(*entries: DenyEntry, principal: str = "p#u", last: dict[str, Any] | None = None) -> bytes:
    answer: dict[str, Any] = {
        "Items": [to_item(principal, entry) for entry in entries],
        "Count": len(entries),
    }
    return json.dumps(answer | ({"LastEvaluatedKey": last} if last else {})).encode()


def error(kind: str, status: str = "400 Bad Request") -> bytes:
    return http(json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{kind}"}).encode(), status=status)


GOOD = say(http(page(ENTRY)))


@pytest.fixture
def serve() -> Iterator[Callable[..., ScriptedServer]]:
    servers: list[ScriptedServer] = []

    def start(*turns: Turn, tls: ssl.SSLContext | None = None) -> ScriptedServer:
        servers.append(ScriptedServer(*turns, tls=tls))
        return servers[-1]

    yield start
    while OPEN:
        OPEN.pop().close()
    for server in servers:
        server.close()


def reader(url: str, *, deadline: float = 5.0, first: float = 2.5, cafile: str | None = None) -> LeanDenylist:
    """Long deadlines, so that a busy machine fails no test; those that wait say how long."""
    denylist = LeanDenylist(
        table="denylist",
        region="eu-west-1",
        endpoint_url=url,
        credentials=lambda: Credentials("A", "S", "T"),
        cafile=cafile,
        deadline_seconds=deadline,
        first_attempt_seconds=first,
    )
    OPEN.append(denylist)
    return denylist


Serve = Callable[..., ScriptedServer]


def test_the_query_is_strongly_consistent_and_for_one_principal(serve: Serve) -> None:
    server = serve(GOOD)
    assert reader(server.url).entries("p#u") == (ENTRY,)
    head, body = server.requests[0]
    assert body == {
        "TableName": "denylist",
        "ConsistentRead": True,
        "KeyConditionExpression": "principal = :p",
        "ExpressionAttributeValues": {":p": {"S": "p#u"}},
    }
    assert head.startswith("POST / HTTP/1.1\r\n")
    assert "X-Amz-Target: DynamoDB_20120810.Query" in head
    assert "X-Amz-Security-Token: T" in head


def test_the_poll_asks_for_what_is_still_in_force_page_by_page(serve: Serve) -> None:
    denied = [BroadDeny(f"d-{number}", 1_800_000_000, network=f"203.0.113.{number}") for number in (1, 2)]
    pages = [{"Items": [to_broad_item(entry)]} for entry in denied]
    last = {"principal": {"S": "#polled"}, "decision_id": {"S": sort_key(denied[0])}}
    server = serve(
        say(http(json.dumps(pages[0] | {"LastEvaluatedKey": last}).encode())),
        say(http(json.dumps(pages[1]).encode())),
    )
    broad = reader(server.url).broad(1_799_999_999)
    claims = Claims("p", "access", "u", "c", "u", None, None, None, 0, 0, 0)
    for number, reason in ((1, "network_denied"), (2, "network_denied"), (3, None)):
        verdict = broad.refusal(claims, f"203.0.113.{number}", now=1_800_000_000)
        assert (None if verdict is None else verdict.reason) == reason
    asked = {
        "TableName": "denylist",
        "ConsistentRead": True,
        "KeyConditionExpression": "principal = :p AND decision_id >= :now",
        "ExpressionAttributeValues": {":p": {"S": "#polled"}, ":now": {"S": "001799999999#"}},
    }
    assert [body for _, body in server.requests] == [asked, asked | {"ExclusiveStartKey": last}]


def test_one_connection_serves_many_reads(serve: Serve) -> None:
    server = serve(GOOD, GOOD, GOOD)
    denylist = reader(server.url)
    for _ in range(3):
        assert denylist.entries("p#u") == (ENTRY,)
    assert server.connections == 1


def test_each_thread_has_a_connection_of_its_own_and_leaves_none_open(serve: Serve) -> None:
    server = serve(GOOD, GOOD, GOOD)
    denylist = reader(server.url)
    found: list[object] = []
    for _ in range(3):
        thread = threading.Thread(target=lambda: found.append(denylist.entries("p#u")))
        thread.start()
        thread.join(10)
    assert found == [(ENTRY,)] * 3
    # one conversation at a time: the server accepts the next when the one before has hung up
    assert server.connections == 3


def test_every_page_is_read(serve: Serve) -> None:
    key = {"principal": {"S": "p#u"}, "decision_id": {"S": "d-1"}}
    server = serve(say(http(page(ENTRY, last=key))), say(http(page(last=key))), say(http(page(OTHER))))
    assert reader(server.url).entries("p#u") == (ENTRY, OTHER)
    assert [body.get("ExclusiveStartKey") for _, body in server.requests] == [None, key, key]


def test_an_answer_in_chunks_is_read(serve: Serve) -> None:
    body = page(ENTRY)
    chunks = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:]))
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = serve(say(head + chunks + b"0\r\n\r\n"), GOOD)
    denylist = reader(server.url)
    assert denylist.entries("p#u") == (ENTRY,)
    assert denylist.entries("p#u") == (ENTRY,)
    assert server.connections == 1


def test_an_answer_that_comes_byte_by_byte_is_read(serve: Serve) -> None:
    def drip(peer: socket.socket) -> bool:
        for byte in http(page(ENTRY)):
            peer.sendall(bytes([byte]))
        return True

    assert reader(serve(drip).url).entries("p#u") == (ENTRY,)


def test_a_kept_connection_that_the_server_closed_is_replaced(serve: Serve) -> None:
    server = serve(say_and_close(http(page(ENTRY))), GOOD)
    denylist = reader(server.url)
    assert denylist.entries("p#u") == (ENTRY,)
    assert denylist.entries("p#u") == (ENTRY,)
    assert server.connections == 2


def test_a_connection_closed_on_the_request_is_tried_once_more(serve: Serve) -> None:
    server = serve(GOOD, CLOSE, GOOD)
    denylist = reader(server.url)
    denylist.entries("p#u")
    assert denylist.entries("p#u") == (ENTRY,)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "turn",
    [
        CLOSE,
        say_and_close(b"HTTP/1.1 200 OK\r\nContent-Le"),
        say_and_close(http(page(ENTRY))[:-5]),
        say_and_close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
        say(b"\x16\x03\x01\x00garbage\r\n\r\n"),
        say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n0\r\n\r\n"),
        say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n"),
        say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc0\r\n\r\n"),
        say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n"),
        say_and_close(b"HTTP/1.1 200 OK\r\n\r\n" + page(ENTRY)),
        say(http(page(ENTRY)) + b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"Items":[]}'),
        say(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n"),
        say(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
        say(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n"),
        say(b"a" * 70_000),
        say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"ffffff\r\n" + b"a" * 10),
        say(http(page(ENTRY), headers="x-amz-crc32: 1\r\n")),
        say(error("ProvisionedThroughputExceededException")),
        say(error("ThrottlingException")),
        say(error("InternalServerError", "500 Internal ScriptedServer Error")),
        say(http(b"<html>", status="503 Service Unavailable")),
    ],
)
def test_a_bad_answer_is_tried_once_more_on_a_fresh_connection_and_then_refused(
    serve: Serve, turn: Turn
) -> None:
    recovering = serve(turn, GOOD)
    assert reader(recovering.url).entries("p#u") == (ENTRY,)
    assert recovering.connections == 2

    failing = serve(turn, turn, GOOD)
    with pytest.raises(StoreError):
        reader(failing.url).entries("p#u")
    assert len(failing.requests) == 2


def test_a_checksum_that_is_right_is_accepted(serve: Serve) -> None:
    body = page(ENTRY)
    server = serve(say(http(body, headers=f"x-amz-crc32: {crc32(body)}\r\n")))
    assert reader(server.url).entries("p#u") == (ENTRY,)


@pytest.mark.parametrize(
    "kind", ["AccessDeniedException", "ResourceNotFoundException", "ValidationException"]
)
def test_a_refusal_that_asking_again_cannot_change_is_not_asked_again(serve: Serve, kind: str) -> None:
    server = serve(say(error(kind)), GOOD)
    with pytest.raises(StoreError, match=kind):
        reader(server.url).entries("p#u")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "body", [b"", b"x", b"[]", b"{}", b'{"Items":{}}', b'{"Items":[],"LastEvaluatedKey":5}', b"[" * 100_000]
)
def test_an_answer_that_is_no_query_result_is_refused(serve: Serve, body: bytes) -> None:
    with pytest.raises(StoreError):
        reader(serve(say(http(body))).url).entries("p#u")


@pytest.mark.parametrize("items", [[5], [{}], [{"principal": {"S": "p#u"}}]])
def test_a_damaged_item_fails_the_read(serve: Serve, items: list[Any]) -> None:
    with pytest.raises(DamagedItemError):
        reader(serve(say(http(json.dumps({"Items": items}).encode()))).url).entries("p#u")


def test_the_items_of_another_principal_fail_the_read(serve: Serve) -> None:
    with pytest.raises(DamagedItemError):
        reader(serve(say(http(page(ENTRY, principal="p#other")))).url).entries("p#u")


def test_bytes_that_nobody_asked_for_are_never_taken_for_an_answer(serve: Serve) -> None:
    sent = threading.Event()

    def answer_then_push(peer: socket.socket) -> bool:
        peer.sendall(http(page(ENTRY)))
        assert reading.wait(5)
        peer.sendall(http(page()))
        sent.set()
        return True

    reading = threading.Event()
    server = serve(answer_then_push, GOOD)
    denylist = reader(server.url)
    assert denylist.entries("p#u") == (ENTRY,)
    reading.set()
    assert sent.wait(5)
    assert denylist.entries("p#u") == (ENTRY,), "the pushed empty answer would have allowed"
    assert server.connections == 2


def test_a_server_that_says_nothing_is_given_up_on_after_two_attempts(serve: Serve) -> None:
    given_up = threading.Event()

    def silent(peer: socket.socket) -> bool:
        return not given_up.wait(5)

    server = serve(silent, silent)
    with pytest.raises(StoreError, match="TimeoutError"):
        reader(server.url, deadline=0.3, first=0.15).entries("p#u")
    given_up.set()
    assert 1 <= len(server.requests) <= 2


def test_a_late_answer_is_not_read_as_that_of_the_next_request(serve: Serve) -> None:
    given_up = threading.Event()

    def late(peer: socket.socket) -> bool:
        assert given_up.wait(5)
        peer.sendall(http(page()))
        return True

    server = serve(late, late, GOOD)
    denylist = reader(server.url, deadline=1.0, first=0.5)
    with pytest.raises(StoreError):
        denylist.entries("p#u")
    given_up.set()
    assert denylist.entries("p#u") == (ENTRY,), "the late empty answer would have allowed"


def test_pages_share_the_deadline(serve: Serve) -> None:
    key = {"principal": {"S": "p#u"}, "decision_id": {"S": "d-1"}}
    endless = say(http(page(last=key)))
    with pytest.raises(StoreError):
        reader(serve(*[endless] * 100_000).url, deadline=0.2, first=0.1).entries("p#u")


def test_nobody_listening_is_a_store_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(StoreError):
        reader(f"http://127.0.0.1:{port}").entries("p#u")


def test_the_endpoint_comes_from_the_environment(serve: Serve) -> None:
    server = serve(GOOD)
    environ = {"AWS_ENDPOINT_URL": server.url, "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S"}
    denylist = lean_denylist(environ, table="t", region="eu-west-1")
    OPEN.append(denylist)
    assert denylist.entries("p#u") == (ENTRY,)
    with pytest.raises(StoreError):
        lean_denylist({"AWS_ENDPOINT_URL_DYNAMODB": server.url}, table="t", region="eu-west-1").entries("p#u")


def test_keys_are_fetched_over_http_for_the_emulator(serve: Serve) -> None:
    server = serve(say_and_close(http(b'{"keys":[]}')))
    assert fetch_jwks(f"{server.url}/pool/.well-known/jwks.json") == b'{"keys":[]}'
    assert server.requests[0][0].startswith("GET /pool/.well-known/jwks.json HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "turn", [CLOSE, say(http(b"", status="302 Found", headers="Location: /x\r\n")), say(http(b"x" * 70_000))]
)
def test_keys_that_are_not_simply_there_are_a_store_error(serve: Serve, turn: Turn) -> None:
    with pytest.raises(StoreError):
        fetch_jwks(f"{serve(turn).url}/jwks.json")


def test_over_tls_one_connection_serves_many_reads(serve: Serve, tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path, address="127.0.0.1")
    server = serve(GOOD, GOOD, GOOD, tls=server_context(certificate))
    denylist = reader(server.url, cafile=str(certificate))
    for _ in range(3):
        assert denylist.entries("p#u") == (ENTRY,)
    assert server.connections == 1


def test_each_handshake_mixes_fresh_randomness_into_a_generator_that_a_snapshot_may_share(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed: list[bytes] = []
    monkeypatch.setattr(ssl, "RAND_add", lambda fresh, entropy: mixed.append(fresh))
    certificate = write_certificate(tmp_path, address="127.0.0.1")
    server = serve(GOOD, GOOD, tls=server_context(certificate))
    denylist = reader(server.url, cafile=str(certificate))
    denylist.entries("p#u")
    denylist.close()
    denylist.entries("p#u")
    assert [len(fresh) for fresh in mixed] == [32, 32]
    assert mixed[0] != mixed[1]


def test_a_server_whose_certificate_nobody_vouches_for_is_not_asked(serve: Serve, tmp_path: Path) -> None:
    server = serve(GOOD, GOOD, tls=server_context(write_certificate(tmp_path, address="127.0.0.1")))
    with pytest.raises(StoreError, match="CERTIFICATE_VERIFY_FAILED"):
        reader(server.url).entries("p#u")
    assert server.requests == []


def test_a_certificate_for_another_name_is_refused(serve: Serve, tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path, address="127.0.0.2")
    server = serve(GOOD, GOOD, tls=server_context(certificate))
    with pytest.raises(StoreError, match="CERTIFICATE_VERIFY_FAILED"):
        reader(server.url, cafile=str(certificate)).entries("p#u")
    assert server.requests == []


def test_an_aws_root_that_we_do_not_ship_is_found_among_the_systems(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = write_certificate(tmp_path, address="127.0.0.1")
    server = serve(GOOD, GOOD, GOOD, tls=server_context(certificate))
    monkeypatch.setattr(tls_trust, "AWS_DOMAIN", "127.0.0.1")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    system = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(tls_trust, "system_context", lambda: system)
    denylist = reader(server.url)
    for _ in range(2):
        assert denylist.entries("p#u") == (ENTRY,)
    assert len(server.requests) == 2
