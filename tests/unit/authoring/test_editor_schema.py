"""What editors underline: the schemas refuse what the checks of the files refuse, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from sessionwarden.authoring.cases import load_cases
from sessionwarden.authoring.editor_schema import MODELS, SUBJECTS, Subject, schema_of
from sessionwarden.errors import InputFileError
from sessionwarden.routes.compile import compile_routes
from sessionwarden.ruleset.compiler.compile import compile_rules
from sessionwarden.sources.mapping_file import load_mapping
from tests.support.ruleset import SINGLE

GOOD: dict[Subject, str] = {
    "cases": """\
rule: 7b0c7a52-31fb-4bd0-9c35-3f7cfb5de111
defaults: {source: api_access, status: 200}
actors: {eve: {user: eve, groups: [staff], country: null}}
cases:
  - name: a scenario
    kind: matching
    deliver: twice
    events: [{as: eve, at: 1s, path: "/a/{n}", repeat: 3, every: 250ms}]
    expect: {at_least: [{user: eve}]}
  - {name: nothing, kind: just_under, events: [{}], expect: none}
""",
    "mapping": """\
fields: {user: sub, status: status}
time: {key: ts, unit: ms}
missing: ["none"]
ignore: [protocol]
optional: [status]
source: application
""",
    "policy": """\
defaults:
  mode: enforce
  cooldown: 15m
  actions: {user: [sign_out, alert]}
  durations: {client: 1h}
protected: {users: [a], source_ips: [203.0.113.0/24]}
limits: {enforcements_per_hour: 5}
""",
    "routes": """\
version: 1
default: {online: off, groups: {any: [customers]}}
routes:
  GET /a: {scopes: {any: [a]}, online: 30s, denylist: open}
  $default:
""",
}

MISTAKES: list[tuple[Subject, str, str]] = [
    ("cases", "kind: matching", "kind: matchin"),
    ("cases", "status: 200", "status: many"),
    ("cases", "status: 200", "status: true"),
    ("cases", "at: 1s", "at: 1x"),
    ("cases", "repeat: 3", "repeat: 0"),
    ("cases", "user: eve, groups", "usr: eve, groups"),
    ("cases", "{at_least: [{user: eve}]}", "{at_least: []}"),
    ("cases", "{at_least: [{user: eve}]}", "{}"),
    ("cases", "expect: none", "expect: nothing"),
    ("cases", "events: [{}]", "events: []"),
    ("cases", "    kind: matching\n", ""),
    ("mapping", "user: sub", "usr: sub"),
    ("mapping", "unit: ms", "unit: hours"),
    ("mapping", ", unit: ms", ""),
    ("mapping", "{user: sub, status: status}", "{}"),
    ("mapping", "source: application", "sources: application"),
    ("mapping", '["none"]', '"none"'),
    ("policy", "mode: enforce", "mode: on"),
    ("policy", "cooldown: 15m", "cooldown: 900"),
    ("policy", "{user: [sign_out, alert]}", "{session: [sign_out]}"),
    ("policy", "[sign_out, alert]", "[alert, alert]"),
    ("policy", "[sign_out, alert]", "[]"),
    ("policy", "durations: {client", "durations: {user"),
    ("policy", "users: [a]", "user: [a]"),
    ("policy", "users: [a]", "users: [1]"),
    ("policy", "enforcements_per_hour: 5", "enforcements_per_hour: 0"),
    ("policy", "enforcements_per_hour: 5", "broad_denies_per_hour: 41"),
    ("policy", "enforcements_per_hour: 5", "alerts_per_hour: '5'"),
    ("routes", "version: 1", "version: 2"),
    ("routes", "version: 1\n", ""),
    ("routes", "scopes: {any: [a]}", "scopes: {any: []}"),
    ("routes", "scopes: {any: [a]}", "scope: {any: [a]}"),
    ("routes", "online: 30s", "online: 30"),
    ("routes", "denylist: open", "denylist: opened"),
]


def problems(subject: Subject, text: str) -> list[str]:
    document = json.loads(json.dumps(yaml.safe_load(text)))
    return [problem.message for problem in Draft202012Validator(schema_of(subject)).iter_errors(document)]


def read(subject: Subject, folder: Path, text: str) -> Any:
    """Read a file as its command does. Raises `InputFileError`."""
    file = folder / f"{subject}.yml"
    file.write_text(text)
    if subject == "policy":
        (folder / "rule.yml").write_text(SINGLE)
        return compile_rules([folder])
    if subject == "mapping":
        return load_mapping(text, file=str(file))
    return load_cases(file) if subject == "cases" else compile_routes(file)


def test_every_model_has_an_example_here() -> None:
    assert GOOD.keys() == set(SUBJECTS) - {"rule"} == set(MODELS)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_schema_is_one_and_explains_itself(subject: Subject) -> None:
    schema = schema_of(subject)
    Draft202012Validator.check_schema(schema)
    assert schema["title"] == f"Sessionwarden {subject} file"


@pytest.mark.parametrize("subject", GOOD)
def test_a_file_that_is_read_follows_its_schema(subject: Subject, tmp_path: Path) -> None:
    read(subject, tmp_path, GOOD[subject])
    assert problems(subject, GOOD[subject]) == []


@pytest.mark.parametrize(("subject", "old", "new"), MISTAKES)
def test_a_mistake_is_refused_by_the_file_s_check_and_by_its_schema(
    subject: Subject, old: str, new: str, tmp_path: Path
) -> None:
    assert GOOD[subject].count(old) == 1
    text = GOOD[subject].replace(old, new)
    with pytest.raises(InputFileError):
        read(subject, tmp_path, text)
    assert problems(subject, text)
