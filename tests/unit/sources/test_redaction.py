from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from functions.ingest.records import read_records
from sessionwarden.authoring.event_input import read_event
from sessionwarden.model.event import Event
from sessionwarden.replay.formats import MappedJson
from sessionwarden.replay.log_lines import LineReader, QuarantinedLine
from sessionwarden.sources.access_log.line import format_access_line, parse_access_line
from sessionwarden.sources.authorizer_log import parse_decision_line
from sessionwarden.sources.cloudwatch import LogRecord
from sessionwarden.sources.event_packs import pack_events
from sessionwarden.sources.mapping_file import load_mapping
from sessionwarden.sources.redaction import CLIENT_TEXTS, holds_token, redacted
from tests.support.detection import START
from tests.support.tokens import token as made_token


def part(value: dict[str, Any], **how: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, **how).encode()).decode().rstrip("=")


HEADER = part({"kid": "1234example=", "alg": "RS256"}, separators=(",", ":"))
CLAIMS = part({"sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "token_use": "access"})
SIGNED = f"{HEADER}.{CLAIMS}.mhT-Zm_3x"
REFRESH = f"{part({'cty': 'JWT', 'enc': 'A256GCM', 'alg': 'RSA-OAEP'})}.Kj-1.iv_2.ci3pher.tag4"
DIRECT = f"{part({'enc': 'A256GCM', 'alg': 'dir'})}..iv_2.ci3pher.tag4"
LOOSE = f"{part({'alg': 'none'}, indent=None, separators=(' , ', ' : '))}.{CLAIMS}."

TOKENS = {
    "signed": SIGNED,
    "encrypted": REFRESH,
    "encrypted directly": DIRECT,
    "unsigned": LOOSE,
    "cut off": SIGNED[:-4],
    "cut off in the claims": SIGNED[: len(HEADER) + 40],
    "encoded dots": SIGNED.replace(".", "%2E"),
    "dots encoded in lower case": SIGNED.replace(".", "%2e"),
    "dots encoded twice": SIGNED.replace(".", "%252E"),
    "encoded dashes": SIGNED.replace("-", "%2D").replace("_", "%5f"),
    "one dot encoded": SIGNED.replace(".", "%2E", 1),
    "encrypted, encoded dots": REFRESH.replace(".", "%2e"),
}
AROUND = [
    "{}",
    "/a?token={}&page=2",
    "Bearer {}",
    "Bearer%20{}",
    "x_{}",
    "{} {}",
    "é{}\U0001f600",
    "{}/../../etc",
]


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
def test_a_token_is_taken_out_and_the_rest_of_the_text_stays(token: str, around: str) -> None:
    assert redacted(around.replace("{}", token)) == around.replace("{}", "[jwt]")
    assert holds_token(around.replace("{}", token).encode())


def test_a_token_that_cognito_would_sign_is_taken_out() -> None:
    token = made_token()
    assert redacted(f"/callback#access_token={token}") == "/callback#access_token=[jwt]"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/a.b.c",
        "/keys/eyJ.txt",
        "eyJ",
        "eyJhbGciOiJIUzI1NiJ9",
        f"/v1/{HEADER}/x.y",
        f"{HEADER}.a.b",
        "/eyebrow.eyelid.eyelash.png",
        "/img/eye.eyJ",
        "v1.2.3-eyJ.4",
        "../../etc/passwd",
    ],
)
def test_a_text_that_is_no_token_stays_as_it_is(text: str) -> None:
    assert redacted(text) == text
    assert not holds_token(text.encode())


@pytest.mark.parametrize("text", ["\ud800" + SIGNED, SIGNED + "\udfff", "\x00" + SIGNED + "\n"])
def test_odd_characters_beside_a_token_stay(text: str) -> None:
    assert redacted(text) == text.replace(SIGNED, "[jwt]")


def test_a_dot_that_json_escapes_hides_no_token_of_a_raw_line() -> None:
    assert redacted('{"a":"' + SIGNED.replace(".", "\\u002e") + '"}') == '{"a":"[jwt]"}'


EVENT = Event(
    id="1",
    time=START,
    source="api_access",
    path=f"/a/{SIGNED}/union",
    user_agent=f"curl {REFRESH}",
    user="u",
    pool="p",
    decision="allow",
)
MAPPING = load_mapping(
    f"fields: {{session: session, {', '.join(f'{name}: {name}' for name in sorted(CLIENT_TEXTS))}}}\n"
    "time: {key: t, unit: ms}\n",
    file="m.yml",
)


def _by_record(kind: Any) -> Callable[[str], list[Event]]:
    return lambda line: read_records([LogRecord(id="1", message=line)], kind, now_ms=START).events


ACCESS = format_access_line(EVENT)
MALFORMED_NEIGHBOUR = ACCESS + ACCESS.rpartition("\t")[0]
DECISION = json.dumps(
    {
        "type": "sessionwarden.decision",
        "v": 1,
        "id": "1",
        "time": START,
        "decision": "deny",
        **dict.fromkeys(("path", "user_agent", "host", "claimed_user"), f"x {SIGNED}"),
    }
)
MAPPED = json.dumps({"t": START, "session": SIGNED, **dict.fromkeys(sorted(CLIENT_TEXTS), f"x {SIGNED}")})
WAYS: dict[str, tuple[str, Callable[[str], list[Event]]]] = {
    "access line": (ACCESS, lambda line: [parse_access_line(line, now_ms=START)]),
    "access line, escaped": (
        ACCESS.replace(".", "\\u002e"),
        lambda line: [parse_access_line(line, now_ms=START)],
    ),
    "ingest of access lines": (ACCESS, _by_record("http_api")),
    "ingest of escaped access lines": (ACCESS.replace("curl", "c\\u0075rl"), _by_record("rest_api")),
    "decision line": (DECISION, lambda line: [parse_decision_line(line, now_ms=START) or EVENT]),
    "ingest of decision lines": (DECISION, _by_record("authorizer")),
    "mapped line": (MAPPED, lambda line: [MappedJson(mapping=MAPPING, now_ms=START).parse_line(line, 1)]),
    "explain of an access line": (ACCESS, lambda line: [read_event(line, log=None)]),
    "explain of an object": (
        json.dumps({"source": "api_access", "path": SIGNED, "query": SIGNED}),
        lambda line: [read_event(line, log=None)],
    ),
}


@pytest.mark.parametrize(("line", "read"), WAYS.values(), ids=WAYS)
def test_no_way_into_an_event_lets_a_token_of_a_client_through(
    line: str, read: Callable[[str], list[Event]]
) -> None:
    (found,) = read(line)
    packed = b"".join(pack_events([msgspec.structs.replace(found, session=None)])).decode()
    assert "[jwt]" in packed
    assert "eyJ" not in packed


def test_an_identity_that_an_operator_maps_is_left_alone() -> None:
    """Two sessions must not become one, whatever the operator's log calls a session."""
    found = MappedJson(mapping=MAPPING, now_ms=START).parse_line(MAPPED, 1)
    assert found.session == SIGNED


def test_the_quarantine_of_replay_shows_a_line_without_its_token() -> None:
    refused: list[QuarantinedLine] = []
    reader = LineReader(MappedJson(mapping=MAPPING, now_ms=START), refused.append)
    lines = [MAPPED[:-1], MAPPED.replace('"t"', '"u"'), SIGNED, MAPPED[: len(MAPPED) // 2]]
    assert reader.read("\n".join(lines).encode(), file="log", first_line=1) == []
    assert len(refused) == len(lines)
    for line in refused:
        assert "[jwt]" in line.text
        assert CLAIMS[:20] not in line.text
