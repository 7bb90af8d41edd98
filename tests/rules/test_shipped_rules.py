"""The shipped rules: valid for Sigma's own tool, safe by default, and each proved by its cases."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from sigma.collection import SigmaCollection
from sigma.validation import SigmaValidator
from sigma.validators.core import validators

from sessionwarden.authoring.case_differences import differences
from sessionwarden.authoring.case_runs import run_case
from sessionwarden.authoring.cases import Case
from sessionwarden.authoring.editor_schema import SUBJECTS, Subject
from sessionwarden.authoring.schema_files import modeline, schema_file, schema_text, subject_of, yaml_files
from sessionwarden.authoring.suite import read_suite
from sessionwarden.denylist import verdict
from sessionwarden.model.rules import CompiledRule
from sessionwarden.ruleset.compiler.compile import compile_rules
from sessionwarden.ruleset.compiler.files import rule_files
from tests.support.paths import PROJECT

RULES = PROJECT / "rules"
SUITE = read_suite([RULES])
RULESET = SUITE.catalog.ruleset

ALL_CASES = [
    pytest.param(cases.rule, case, id=f"{cases.rule.title}: {case.name}")
    for cases in SUITE.rules
    for _, case in cases.cases
]


@pytest.mark.parametrize(("rule", "case"), ALL_CASES)
def test_rule_says_what_its_case_expects(rule: CompiledRule, case: Case) -> None:
    run = run_case(RULESET, rule, case)
    assert run.passed, [*differences(run, SUITE.catalog.names), *run.errors]


def test_every_rule_has_cases_of_every_kind() -> None:
    needed = {"matching", "just_under", "just_over", "lookalike", "out_of_order"}
    kinds = {cases.rule.title: {case.kind for _, case in cases.cases} for cases in SUITE.rules}
    assert kinds == {rule.title: needed for rule in RULESET.rules if rule.emits}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_schemas_beside_the_rules_are_those_of_the_language(subject: Subject) -> None:
    # if this fails: sessionwarden rules schema --write rules
    assert schema_file(RULES, subject).read_text() == schema_text(subject)


@pytest.mark.parametrize("file", yaml_files(RULES), ids=lambda file: str(file.relative_to(RULES)))
def test_every_document_names_its_schema_and_follows_it(file: Path) -> None:
    schema = json.loads(schema_file(RULES, subject_of(file)).read_text())
    for text in file.read_text().split("\n---\n"):
        assert modeline(file, RULES) in text, "sessionwarden rules schema --write rules"
        document = json.loads(json.dumps(yaml.safe_load(text), default=str))
        problems = Draft202012Validator(schema).iter_errors(document)
        assert [f"{problem.json_path}: {problem.message}" for problem in problems] == []


def test_cases_stand_beside_their_rule_which_needs_no_other_file() -> None:
    for tested in SUITE.rules:
        alone = compile_rules([tested.source.file], RULES / "policy.yml")
        assert tested.rule.id in {rule.id for rule in alone.rules}


def test_sigmas_own_validators_find_nothing_but_the_owasp_namespace() -> None:
    # the tags of ATT&CK and D3FEND are checked against a download, and unit tests have no network
    offline = {name: kind for name, kind in validators.items() if name not in ("attacktag", "d3_fendtag")}
    collection = SigmaCollection.load_ruleset(list(rule_files([RULES])))
    issues = SigmaValidator(offline.values()).validate_rules(iter(collection.rules))
    others = [str(issue) for issue in issues if not str(getattr(issue, "tag", "")).startswith("owasp.")]
    assert len(collection.rules) > len(RULESET.rules)
    assert others == []


def test_a_rule_enforces_only_where_it_says_so_itself() -> None:
    enforcing = {rule.title for rule in RULESET.rules if rule.response.mode == "enforce"}
    assert enforcing == {"Request Rate of One User", "One Session From Many Addresses"}


@pytest.mark.parametrize("rule", RULESET.rules, ids=lambda rule: rule.title)
def test_only_verified_principals_are_ever_denied(rule: CompiledRule) -> None:
    if rule.response.scope in ("user", "session"):
        return
    assert rule.response.actions == ("alert",)


def test_refused_token_rule_names_every_reason_of_the_denylist() -> None:
    (rule,) = (rule for rule in RULESET.rules if rule.title == "Denied Token Keeps Coming")
    reasons = {verdict.DENIED_UNTIL, verdict.SESSION_DENIED, verdict.SIGNED_OUT}
    assert ["equals", "reason", sorted(reasons)] in rule.selections[0].expression


def test_the_rule_and_the_cases_of_the_guide_work(tmp_path: Path) -> None:
    guide = (RULES.parent / "docs" / "how-to" / "write-a-rule.md").read_text()
    rule, cases = (textwrap.dedent(block.split("```")[0]) for block in guide.split("```yaml\n")[1:])
    (tmp_path / "rule.yml").write_text(rule)
    (tmp_path / "rule.cases.yml").write_text(cases)
    suite = read_suite([tmp_path])
    runs = [run_case(suite.catalog.ruleset, one.rule, case) for one in suite.rules for _, case in one.cases]
    assert [run.passed for run in runs] == [True] * len(runs)
    assert len(runs) > 1
