"""One synthesis for all template tests: it takes seconds, most of them CDK's own start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sessionwarden.deploy.bundles import build_all
from stacks.settings import Settings, read_settings
from tests.support.templates import CONTEXT, LOCAL, REPORT, ROOT, VARIED, Assembly, Synthesized


@pytest.fixture(scope="session")
def built() -> Path:
    """The checkout, with bundles that fit it."""
    build_all(ROOT)
    return ROOT


@pytest.fixture(scope="session")
def assembly(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    from app import add_stack, build_app

    settings = read_settings(CONTEXT)
    out = tmp_path_factory.mktemp("aws")
    app = build_app(settings, context={}, outdir=str(out))
    empty = read_settings({"stack_name": "empty"})
    add_stack(app, "Empty", empty)
    varied = read_settings({**CONTEXT, **VARIED, "stack_name": "varied"})
    add_stack(app, "Varied", varied)
    app.synth()
    # an app of its own: names and logical ids come from the place in the tree
    local_settings = read_settings({**CONTEXT, **LOCAL})
    local_out = tmp_path_factory.mktemp("local")
    build_app(local_settings, context={}, outdir=str(local_out)).synth()
    return Assembly(
        aws=_load(settings, out / "Sessionwarden.template.json"),
        local=_load(local_settings, local_out / "Sessionwarden.template.json"),
        varied=_load(varied, out / "Varied.template.json"),
        empty=_load(empty, out / "Empty.template.json"),
        report=json.loads((out / REPORT).read_text(encoding="utf-8")),
    )


@pytest.fixture(scope="session")
def aws(assembly: Assembly) -> Synthesized:
    return assembly.aws


def _load(settings: Settings, file: Path) -> Synthesized:
    return Synthesized(settings, file, json.loads(file.read_text(encoding="utf-8")))
