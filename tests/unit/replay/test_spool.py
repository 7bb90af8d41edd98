"""Copies of logs that can be read only once, or only from their beginning."""

from __future__ import annotations

import gzip
import io
import os
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from sessionwarden.replay import log_files
from sessionwarden.replay.log_files import Log, LogFileError, ranges_of, read_blocks
from sessionwarden.replay.spool import spooled_logs

LINES = b"".join(b"line %d\n" % number for number in range(500))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "BLOCK_BYTES", 256)
    monkeypatch.setattr(log_files, "RANGE_BLOCKS", 2)


def blocks(log: Log) -> list[object]:
    return list(read_blocks(log))


def test_a_compressed_log_is_copied_uncompressed_and_can_be_read_in_ranges(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(LINES)
    (tmp_path / "log.gz").write_bytes(gzip.compress(LINES))
    with ExitStack() as files:
        plain, copied = spooled_logs(
            [Log(str(tmp_path / "plain")), Log(str(tmp_path / "log.gz"))], files, limit_bytes=10**6
        )
        assert plain.spooled is None
        assert copied.name == str(tmp_path / "log.gz")
        assert blocks(copied) == blocks(plain)
        assert len(ranges_of(copied)) > 3
        assert [one for some in ranges_of(copied) for one in read_blocks(copied, some)] == blocks(plain)


def test_standard_input_and_named_pipes_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LINES)))
    reading, writing = os.pipe()
    os.write(writing, LINES)
    os.close(writing)
    (tmp_path / "plain").write_bytes(LINES)
    with ExitStack() as files:
        for log in spooled_logs([Log("-"), Log(f"/dev/fd/{reading}")], files, limit_bytes=10**6):
            assert log.spooled is not None
            assert blocks(log) == blocks(log) == blocks(Log(str(tmp_path / "plain")))
    os.close(reading)


@pytest.mark.parametrize("limit", [1, 256, 1_000, len(LINES) - 1])
def test_what_does_not_fit_is_read_once_behind_the_copy(tmp_path: Path, limit: int) -> None:
    (tmp_path / "plain").write_bytes(LINES)
    (tmp_path / "log.gz").write_bytes(gzip.compress(LINES))
    with ExitStack() as files:
        log, other = spooled_logs([Log(str(tmp_path / "log.gz"))] * 2, files, limit_bytes=limit)
        assert log.spooled is not None
        assert log.spooled.size <= limit
        assert os.fstat(log.spooled.descriptor).st_size <= limit
        assert log.spooled.rest is not None
        assert other.spooled is None
        assert blocks(log) == blocks(Log(str(tmp_path / "plain")))


def test_the_limit_is_one_for_all_logs(tmp_path: Path) -> None:
    (tmp_path / "log.gz").write_bytes(gzip.compress(LINES))
    with ExitStack() as files:
        logs = spooled_logs([Log(str(tmp_path / "log.gz"))] * 3, files, limit_bytes=2 * len(LINES))
        assert [log.spooled is not None for log in logs] == [True, True, False]


def test_a_full_disk_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log.gz").write_bytes(gzip.compress(LINES))
    (tmp_path / "plain").write_bytes(LINES)
    monkeypatch.setattr("sessionwarden.replay.spool._written", lambda file, part: False)
    with ExitStack() as files:
        (log,) = spooled_logs([Log(str(tmp_path / "log.gz"))], files, limit_bytes=10**6)
        assert blocks(log) == blocks(Log(str(tmp_path / "plain")))


def test_the_copy_of_a_damaged_log_ends_with_the_damage(tmp_path: Path) -> None:
    whole = gzip.compress(LINES)
    (tmp_path / "cut.gz").write_bytes(whole[: len(whole) // 2])
    with ExitStack() as files:
        (log,) = spooled_logs([Log(str(tmp_path / "cut.gz"))], files, limit_bytes=10**6)
        for some in (Log(str(tmp_path / "cut.gz")), log):
            with pytest.raises(LogFileError, match=r"cut\.gz"):
                blocks(some)


def test_nothing_is_copied_where_that_is_forbidden(tmp_path: Path) -> None:
    (tmp_path / "log.gz").write_bytes(gzip.compress(LINES))
    with ExitStack() as files:
        logs = [Log("-"), Log(str(tmp_path / "log.gz"))]
        assert spooled_logs(logs, files, limit_bytes=0) == logs
