"""`python app.py` as a person meets it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.templates import ROOT


def test_wrong_context_is_one_message_and_status_2(tmp_path: Path) -> None:
    done = _run(ROOT, tmp_path, '{"htp_api_ids": ["abc"]}')

    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "sessionwarden: context values: htp_api_ids: unknown context value (do you mean http_api_ids?)"
    ]
    assert not list(tmp_path.iterdir())


def test_context_that_is_no_object_is_one_message_and_status_2(tmp_path: Path) -> None:
    for context in ("not json", "[]"):
        done = _run(ROOT, tmp_path, context)

        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
        assert "CDK_CONTEXT_JSON is not" in done.stderr


def test_missing_bundle_is_one_sentence_and_status_3(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    for name in ("stacks", "functions", "rules", "requirements"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "src", checkout / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("app.py", "cdk.json"):
        shutil.copyfile(ROOT / name, checkout / name)

    done = _run(checkout, tmp_path / "out", "{}")

    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "sessionwarden: the bundle aws/functions is missing: run `make bundles`"
    ]


def _run(root: Path, out: Path, context: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))}
    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=root,
        env={**kept, "CDK_OUTDIR": str(out), "CDK_CONTEXT_JSON": context},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
