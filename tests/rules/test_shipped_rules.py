"""The shipped rules: valid for Sigma's own tool, safe by default, and each proved by its cases."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from sigma.collection import SigmaCollection
from sigma.validation import SigmaValidator
from sigma.validators.core import validators

from sessionwarden.adapters.memory import MemoryWindowStore
from sessionwarden.denylist import verdict
from sessionwarden.detection.engine import Engine
from sessionwarden.model.event import Event
from sessionwarden.ruleset.cases import Case, CaseFile, Key, load_cases
from sessionwarden.ruleset.compile import compile_rules
from sessionwarden.ruleset.compiled import CompiledRule, CompiledRuleset
from sessionwarden.ruleset.files import rule_files

RULES = Path(__file__).parents[2] / "rules"
RULESET = compile_rules([RULES])
CASE_FILES = [load_cases(path) for path in sorted(RULES.rglob("*.cases.yml"))]
BATCH = 37


ALL_CASES = [
    pytest.param(case_file, case, id=f"{Path(case_file.file).stem}: {case.name}")
    for case_file in CASE_FILES
    for case in case_file.cases
]


def alone(ruleset: CompiledRuleset, rule_id: str) -> CompiledRuleset:
    by_id = {rule.id: rule for rule in ruleset.rules}
    needed = [by_id[rule_id]]
    for rule in needed:
        needed += (by_id[inner.rule] for inner in rule.inner)
    return CompiledRuleset(format=1, digest="", rules=tuple(needed), policy=ruleset.policy)


def batches(events: tuple[Event, ...]) -> Iterator[list[Event]]:
    source = iter(events)
    while batch := list(islice(source, BATCH)):
        yield batch


def keys_found(ruleset: CompiledRuleset, case_file: CaseFile, case: Case) -> list[Key]:
    engine = Engine(alone(ruleset, case_file.rule), MemoryWindowStore())
    now_ms = max(event.time for event in case.events)
    found: dict[str, Key] = {}
    for batch in batches(case.events):
        outcome = engine.process(batch, now_ms=now_ms)
        assert not outcome.failures
        found |= {finding.id: finding.key for finding in outcome.findings}
        engine.settle(outcome.findings)
    return list(found.values())


@pytest.mark.parametrize(("case_file", "case"), ALL_CASES)
def test_rule_says_what_its_case_expects(case_file: CaseFile, case: Case) -> None:
    found = keys_found(RULESET, case_file, case)
    if case.expectation.how == "exactly":
        assert sorted(map(str, found)) == sorted(map(str, case.expectation.keys))
    else:
        assert all(key in found for key in case.expectation.keys)


def test_every_rule_has_cases_of_every_kind() -> None:
    kinds = {case_file.rule: {case.kind for case in case_file.cases} for case_file in CASE_FILES}
    needed = {"matching", "just_under", "just_over", "lookalike", "out_of_order"}
    emitting = [rule.id for rule in RULESET.rules if rule.emits]
    assert {rule: kinds.get(rule) for rule in emitting} == dict.fromkeys(emitting, needed)


def test_cases_stand_beside_their_rule_which_needs_no_other_file() -> None:
    for case_file in CASE_FILES:
        rule_file = Path(case_file.file.replace(".cases.yml", ".yml"))
        assert case_file.rule in {rule.id for rule in compile_rules([rule_file], RULES / "policy.yml").rules}


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
    ruleset = compile_rules([tmp_path])
    case_file = load_cases(tmp_path / "rule.cases.yml")
    for case in case_file.cases:
        assert keys_found(ruleset, case_file, case) == list(case.expectation.keys)
