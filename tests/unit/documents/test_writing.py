from __future__ import annotations

import os
import stat
from pathlib import Path
from threading import Thread

import pytest

from sessionwarden.documents.writing import write_new, write_whole
from sessionwarden.errors import SessionwardenError


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "rules.json"
    file.write_bytes(b"old and longer")
    write_whole(file, b"new")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("rules.json", b"new")]


def test_a_file_that_cannot_be_replaced_stays_and_is_named_without_its_control_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a\x1b[2J.json"
    file.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(SessionwardenError, match="cannot be written: No space left") as caught:
        write_whole(file, b"new")
    assert "\x1b" not in str(caught.value)
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [b"old"]


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    # a daemon: if the pipe were replaced, the reader would wait for ever
    reader = Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_whole(pipe, b"data")
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    reader.join()
    assert read == [b"data"]


def test_a_new_file_never_replaces_another(tmp_path: Path) -> None:
    file = tmp_path / "deeper" / "rule.yml"
    write_new(file, b"first")
    with pytest.raises(FileExistsError):
        write_new(file, b"second")
    assert file.read_bytes() == b"first"
