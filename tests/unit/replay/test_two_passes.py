"""A log that is read twice gives what reading it once gives."""

from __future__ import annotations

import gzip
import json
import os
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessionwarden.adapters.memory.windows import NO_LIMIT, MemoryWindowStore
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.replay import log_files, log_lines
from sessionwarden.replay.formats import LogFormat, MappedJson, OwnFormats
from sessionwarden.replay.log_files import Log, LogFileError, ranges_of, read_blocks
from sessionwarden.replay.log_lines import LineReader, QuarantinedLine
from sessionwarden.replay.one_pass import OnePass
from sessionwarden.replay.passes import scan, shared_scan, two_passes
from sessionwarden.replay.passes.two_passes import TwoPasses
from sessionwarden.replay.replayer import Replayer
from sessionwarden.replay.run import Replay, replay_of
from sessionwarden.replay.spool import spooled_logs
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.compiler.compile import compile_rules
from sessionwarden.sources.access_log.line import format_access_line, parse_access_line
from sessionwarden.sources.mapping_file import load_mapping

NOW = 1_760_000_000_000
OWN = OwnFormats(now_ms=NOW)
DAY = 24 * 3_600_000

RULES = """
title: Refused
name: refused
status: test
logsource: {category: api_access}
detection: {selection: {status: 401}, condition: selection}
level: low
---
title: Many Refusals
id: 00000000-0000-4000-8000-000000000001
status: test
correlation: {type: event_count, rules: [refused], group-by: [source_ip], timespan: 1m, condition: {gte: 6}}
level: low
---
title: Many Refused Users
id: 00000000-0000-4000-8000-000000000002
status: test
correlation:
  {type: value_count, rules: [refused], group-by: [source_ip], timespan: 5m, condition: {field: user, gte: 3}}
level: low
---
title: Much Sent
id: 00000000-0000-4000-8000-000000000003
status: test
correlation:
  {type: value_sum, rules: [refused], group-by: [user], timespan: 5m,
   condition: {field: response_bytes, gte: 4000}}
level: low
---
title: Admin
id: 00000000-0000-4000-8000-000000000004
status: test
logsource: {category: api_access}
detection: {selection: {path|startswith: /admin}, condition: selection}
level: low
---
title: Many Refusals In A Network
id: 00000000-0000-4000-8000-000000000005
status: test
correlation:
  {type: event_count, rules: [refused], group-by: [source_network], timespan: 10s, condition: {gte: 9}}
level: low
---
title: Encoded
id: 00000000-0000-4000-8000-000000000006
status: test
logsource: {category: api_access}
detection: {selection: {raw_path|contains: '%'}, condition: selection}
level: low
"""


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "BLOCK_BYTES", 8_000)
    monkeypatch.setattr(log_files, "RANGE_BLOCKS", 5)
    monkeypatch.setattr(scan, "EVENTS_AT_ONCE", 70)
    monkeypatch.setattr(two_passes, "EVENTS_AT_ONCE", 100)
    monkeypatch.setattr("sessionwarden.replay.one_pass.EVENTS_AT_ONCE", 100)


@pytest.fixture
def rules(tmp_path: Path) -> CompiledRuleset:
    (tmp_path / "rules.yml").write_text(RULES)
    return compile_rules([tmp_path / "rules.yml"])


def line(number: int, *, time: int | None = None, **values: object) -> str:
    usual: dict[str, object] = {
        "source_ip": f"192.0.2.{number % 200}",
        "status": 401 if number % 7 == 0 else 200,
        "user": f"user-{number % 5}",
        "pool": "pool",
        "decision": "allow",
        "reason": "ok",
        "response_bytes": 1_000,
        "path": "/admin" if number % 311 == 0 else f"/{number}",
        "user_agent": "curl",
    }
    at = NOW - 6 * DAY + number * 500 if time is None else time
    return format_access_line(Event(id=f"r{number}", time=at, source="api_access", **usual | values))  # type: ignore[arg-type]


MAPPING = """
fields:
  {id: requestId, source_ip: ip, status: status, user: sub, path: path, user_agent: agent,
   response_bytes: size}
time: {key: at, unit: ms}
ignore: [protocol]
optional: [agent]
"""
MAPPED = MappedJson(mapping=load_mapping(MAPPING, file="fields.yml"), now_ms=NOW)


def attack(first: int) -> list[str]:
    return [line(first + number, source_ip="198.51.100.9", status=401) for number in range(12)]


def a_log() -> list[str]:
    lines = [line(number) for number in range(1_500)]
    lines[700:700] = attack(700)
    lines[900] = "nonsense"
    lines[901] = ""
    lines[902] = line(902, path='/"quoted"\\', status=401)
    lines[903] = line(903, user_agent="é", status=401, source_ip="2001:db8::5")
    lines[904] = line(904, path="/x/..%2Fadmin;a=b/", source_ip="203.0.113.1")
    lines[905] = line(905, path="//admin", source_ip="203.0.113.2")
    spread = [line(910 + n, status=401, source_ip=f"2001:db8:9:{n}::1") for n in range(9)]
    lines[910:919] = spread
    lines[1_000] = line(1_000, time=NOW - 8 * DAY, status=401)
    lines[1_001:1_010] = [line(1_001 + n, decision="deny", reason="signed_out") for n in range(9)]
    # two days are missing, and then something comes that is too late
    lines += [line(2_000 + number, time=NOW - 3 * DAY + number) for number in range(300)]
    lines += [line(3_000, time=NOW - 6 * DAY), *attack(500)]
    return lines


def replayer(rules: CompiledRuleset) -> Replayer:
    return Replayer(rules, MemoryWindowStore(member_limit=NO_LIMIT))


def logs_of(paths: Sequence[Path]) -> list[Log]:
    return [Log(str(path)) for path in paths]


class Seen:
    """What a replay said: in one pass, or in two with so many `jobs`."""

    def __init__(
        self,
        logs: Sequence[Log],
        rules: CompiledRuleset,
        jobs: int | None = None,
        log_format: LogFormat = OWN,
    ) -> None:
        self.bad: list[QuarantinedLine] = []
        reader = LineReader(log_format, self.bad.append)
        run: Replay = OnePass(logs, reader, replayer(rules))
        if jobs:
            run = TwoPasses(logs, rules, reader, replayer(rules), jobs=jobs)
        self.findings: list[Finding] = []
        self.error = ""
        try:
            for finding in run.findings():
                self.findings.append(finding)
        except LogFileError as error:
            self.error = str(error)
        self.counts = reader.lines, reader.events, run.late, run.refused, run.failed
        self.quarantined: Counter[str] = reader.quarantined


def check_same(logs: Sequence[Path], rules: CompiledRuleset, log_format: LogFormat = OWN) -> Seen:
    once = Seen(logs_of(logs), rules, log_format=log_format)
    with ExitStack() as files:
        spooled = spooled_logs(logs_of(logs), files, limit_bytes=10**9)
        ways = [Seen(some, rules, jobs, log_format) for some in (logs_of(logs), spooled) for jobs in (1, 2)]
        ways.append(Seen(spooled, rules, log_format=log_format))
    for other in ways:
        assert other.findings == once.findings
        assert other.counts == once.counts
        assert other.quarantined == once.quarantined
        assert other.bad == once.bad
        assert other.error == once.error
    return once


def test_findings_counts_and_quarantine_are_the_same(tmp_path: Path, rules: CompiledRuleset) -> None:
    (tmp_path / "log").write_text("\n".join(a_log()))

    seen = check_same([tmp_path / "log"], rules)

    assert {one.rule[-1] for one in seen.findings} == {"1", "2", "3", "4", "5", "6"}
    assert seen.counts[2:4] == (14, 9)
    assert seen.quarantined == {"not_json": 1}
    assert [one.line for one in seen.bad] == [901]


def test_several_logs_some_of_them_gzip_are_one(tmp_path: Path, rules: CompiledRuleset) -> None:
    lines = a_log()
    (tmp_path / "one").write_text("\n".join(lines[:705]) + "\n")
    (tmp_path / "two.gz").write_bytes(gzip.compress("\n".join(lines[705:]).encode()))
    (tmp_path / "empty").write_text("")

    parts = check_same([tmp_path / name for name in ("one", "empty", "two.gz")], rules)

    (tmp_path / "all").write_text("\n".join(lines))
    assert parts.findings == check_same([tmp_path / "all"], rules).findings


def test_damage_costs_what_is_behind_it(tmp_path: Path, rules: CompiledRuleset) -> None:
    whole = gzip.compress("\n".join(a_log()).encode())
    (tmp_path / "cut.gz").write_bytes(whole[: len(whole) * 2 // 3])

    seen = check_same([tmp_path / "cut.gz"], rules)

    assert "cut.gz" in seen.error
    assert seen.findings
    assert check_same([tmp_path / "missing"], rules).error


def test_a_line_of_any_length_is_skipped(
    tmp_path: Path, rules: CompiledRuleset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "MAX_LINE_BYTES", 20_000)
    lines = a_log()
    lines[300] = "x" * 50_000
    (tmp_path / "log").write_text("\n".join(lines))

    assert check_same([tmp_path / "log"], rules).quarantined["line_too_long"] == 1


def test_a_log_that_changes_between_the_readings_is_refused_and_one_that_grows_is_not(
    tmp_path: Path, rules: CompiledRuleset
) -> None:
    log = tmp_path / "log"
    lines = a_log()

    def run(change: bytes) -> list[Finding]:
        log.write_text("\n".join(lines) + "\n")
        reader = LineReader(OwnFormats(now_ms=NOW), lambda one: None)
        found = TwoPasses([Log(str(log))], rules, reader, replayer(rules)).findings()
        first = next(found)
        log.write_bytes(change)
        return [first, *found]

    whole = "\n".join([*lines, ""]).encode()
    grown = run(whole + "\n".join(attack(9_000)).encode())
    assert grown == run(whole)
    with pytest.raises(LogFileError, match="has changed"):
        run(b"rotated\n")


def test_large_logs_that_can_be_read_twice_take_two_passes(
    tmp_path: Path, rules: CompiledRuleset, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "log").write_text("\n".join(a_log()))
    log = str(tmp_path / "log")

    def kind(*logs: str, log_format: LogFormat = OWN, spool_bytes: int = 0) -> type:
        reader = LineReader(log_format, lambda one: None)
        with replay_of(logs, rules, reader, replayer(rules), spool_bytes=spool_bytes) as run:
            return type(run)

    assert kind(log) is OnePass
    monkeypatch.setattr("sessionwarden.replay.run.WORTH_TWO_PASSES", 100_000)
    assert kind(log) is TwoPasses
    assert kind(log, log_format=MAPPED) is TwoPasses
    assert kind(log, "-") is OnePass
    assert kind(log, str(tmp_path / "missing")) is OnePass
    assert kind(log, "/dev/null") is OnePass
    assert kind(log, "/dev/null", spool_bytes=1) is TwoPasses


@pytest.mark.parametrize("longest", [5, 30, 10**6])
def test_ranges_one_behind_the_other_are_the_blocks_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, longest: int
) -> None:
    monkeypatch.setattr(log_files, "BLOCK_BYTES", 16)
    monkeypatch.setattr(log_files, "RANGE_BLOCKS", 2)
    monkeypatch.setattr(log_files, "MAX_LINE_BYTES", longest)
    random = Random(1)
    for end in (b"", b"\n"):
        text = b"\n".join(b"x" * random.choice((0, 1, 7, 16, 31, 32, 33, 100)) for _ in range(200)) + end
        (tmp_path / "log").write_bytes(text)
        path = Log(str(tmp_path / "log"))

        ranges = ranges_of(path)

        assert len(ranges) > 50
        assert [one for some in ranges for one in read_blocks(path, some)] == list(read_blocks(path))
        for place, block in read_blocks(path):
            if isinstance(block, bytes):
                assert text[place : place + len(block)] == block


def test_pieces_are_whole_lines_in_order() -> None:
    block = b"\n".join(b"x" * (number % 40) for number in range(500))

    for size in (1, 7, 100, len(block), 10**6):
        assert b"\n".join(log_lines._pieces(block, size)) == block


def test_a_log_that_is_mostly_bad_lines_is_never_held_as_a_whole(
    tmp_path: Path, rules: CompiledRuleset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_scan, "MOST_BAD", 1_000)
    lines = a_log()
    (tmp_path / "log").write_text("\n".join([*lines[:800], *["bad"] * 20_000, *lines[800:]]))

    seen = check_same([tmp_path / "log"], rules)

    assert len(seen.bad) == 20_001
    assert seen.findings
    scanner = scan.Scanner(rules, OWN, secret=1)
    scans = [*scanner.scan(scan.LogRange(0, Log(str(tmp_path / "log")), log_files.WHOLE))]
    # of a block at least, which is as many lines as fit into it
    assert max(len(look.bad) for look in scans) < 8_000 // len("bad\n") + 100


def test_without_room_for_notes_the_reason_is_said(
    tmp_path: Path, rules: CompiledRuleset, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "log").write_text("\n".join(a_log()))
    full = Path("/dev/full").open("w+b")  # noqa: SIM115  the replay closes it
    monkeypatch.setattr("tempfile.TemporaryFile", lambda: full)

    assert Seen([Log(str(tmp_path / "log"))], rules, 1).error.startswith(
        "cannot keep notes of the log: No space"
    )


def test_a_process_that_is_killed_ends_the_replay_with_a_reason(
    tmp_path: Path, rules: CompiledRuleset, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "log").write_text("\n".join(a_log()))
    monkeypatch.setattr(shared_scan, "_scan", killed)

    seen = Seen([Log(str(tmp_path / "log"))], rules, 2)

    assert seen.error.startswith("a process that read the logs was killed")
    assert not seen.findings


def killed(place: scan.LogRange) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def as_json(line: str, *, agent: bool = True) -> str:
    """A line of our own format under `MAPPING`; what is none stays as it is."""
    if not line.startswith('{"v":"1","id"'):
        return line
    event = parse_access_line(line, now_ms=NOW)
    texts = {
        "requestId": event.id,
        "ip": event.source_ip,
        "status": event.status,
        "sub": event.user,
        "protocol": "HTTP/1.1",
        "size": event.response_bytes,
        "path": event.raw_path or event.path,
        "at": event.time,
    }
    return json.dumps(texts | ({"agent": event.user_agent} if agent else {}))


def a_json_log() -> list[str]:
    lines = [as_json(one) for one in a_log()]
    lines[400] = lines[400][:-1] + ', "sub": "victim"}'
    lines[401] = lines[401].replace('"sub"', '"admin"')
    lines[402] = lines[402].replace("192.0.2", "somewhere")
    lines[403] = as_json(a_log()[403], agent=False)
    lines[404:410] = [lines[404]] * 6
    return lines


def test_a_mapped_log_gives_what_it_gives_in_one_pass(tmp_path: Path, rules: CompiledRuleset) -> None:
    (tmp_path / "log").write_text("\n".join(a_json_log()))
    (tmp_path / "log.gz").write_bytes(gzip.compress("\n".join(a_json_log()[::-1]).encode()))

    seen = check_same([tmp_path / "log"], rules, MAPPED)
    both = check_same([tmp_path / "log", tmp_path / "log.gz"], rules, MAPPED)

    assert {one.rule[-1] for one in seen.findings} == {"1", "2", "3", "4", "5", "6"}
    assert seen.quarantined == {"not_json": 1, "duplicate_key": 1, "missing_field": 1, "bad_address": 1}
    assert both.counts[0] == 2 * seen.counts[0]


def test_ids_that_come_from_a_lines_number_are_the_same_in_the_second_pass(
    tmp_path: Path, rules: CompiledRuleset
) -> None:
    without = MAPPING.replace("id: requestId, ", "").replace("[protocol]", "[protocol, requestId]")
    log_format = MappedJson(mapping=load_mapping(without, file="fields.yml"), now_ms=NOW)
    (tmp_path / "log").write_text("\n".join(a_json_log()))

    seen = check_same([tmp_path / "log"] * 2, rules, log_format)

    assert seen.findings
    assert all(name.startswith("line-") for one in seen.findings for name in one.events)


def test_a_rule_on_ids_that_come_from_a_lines_number_is_replayed_in_one_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rules.yml").write_text(RULES.replace("path|startswith: /admin", "id|startswith: line-"))
    (tmp_path / "log").write_text("\n".join(a_json_log()))
    monkeypatch.setattr("sessionwarden.replay.run.WORTH_TWO_PASSES", 1)
    rules = compile_rules([tmp_path / "rules.yml"])
    kinds = []
    for log_format in (MAPPED, OWN):
        reader = LineReader(log_format, lambda one: None)
        log = str(tmp_path / "log")
        with replay_of([log], rules, reader, replayer(rules), spool_bytes=0) as run:
            kinds.append(type(run))

    assert kinds == [OnePass, TwoPasses]


LINES = [*a_log()[690:760], *a_log()[900:906], *a_log()[-14:], *a_log()[-14:], '{"v":"1"}', "", "x\r", '"']


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    lines=st.lists(st.sampled_from(LINES), max_size=150),
    mapped=st.booleans(),
    cut=st.integers(0, 10_000),
    compressed=st.booleans(),
)
def test_any_log_gives_what_it_gives_in_one_pass(
    tmp_path: Path, rules: CompiledRuleset, lines: list[str], mapped: bool, cut: int, compressed: bool
) -> None:
    """Lines in any order, again, late, malformed; the last of them cut, in two files of which one is gzip."""
    texts = list(map(as_json, lines)) if mapped else lines
    whole = "\n".join(texts).encode()
    whole = whole[: len(whole) - cut % 400] if cut % 3 else whole
    half = len(whole) // 2
    (tmp_path / "one").write_bytes(gzip.compress(whole[:half]) if compressed else whole[:half])
    (tmp_path / "two").write_bytes(whole[half:])
    check_in_this_process(logs_of([tmp_path / "one", tmp_path / "two"]), rules, MAPPED if mapped else OWN)


def check_in_this_process(logs: Sequence[Log], rules: CompiledRuleset, log_format: LogFormat) -> None:
    once = Seen(logs, rules, log_format=log_format)
    with ExitStack() as files:
        for some in (logs, spooled_logs(logs, files, limit_bytes=10**9)):
            twice = Seen(some, rules, 1, log_format)
            assert (twice.findings, twice.counts, twice.bad) == (once.findings, once.counts, once.bad)
