"""Whatever an operator's file says, it is compiled or refused with mistakes, and never in another way."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessionwarden.errors import InputFileError
from sessionwarden.ruleset.compile import compile_rules, dump_ruleset
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.load import load_ruleset
from sessionwarden.ruleset.predicates import compile_expression
from sessionwarden.yamldoc import read_documents

SHIPPED = Path(__file__).parents[2] / "rules"
FILE = SHIPPED / "reconnaissance" / "probing-paths.yml"
DOCUMENTS = [document.data for document in read_documents(FILE.read_text(), file="shipped")[0]]

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**30),
    st.floats(),
    st.dates(),
    st.text(max_size=5),
    st.sampled_from(["user", "claimed_user", "1 of them", "5m", "deny", "gte", "(((", "*", "\\", "not"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)
KEYS = st.sampled_from(
    ["user|re", "path|contains|all", "|re", "status|gte", "condition", "id", "filter", "x"]
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += paths(inner, (*path, key))
    return found


PATHS = [path for path in paths(DOCUMENTS) if len(path) > 1]


def changed(path: tuple[Any, ...], new_key: str | None, value: Any) -> list[Any]:
    documents = copy.deepcopy(DOCUMENTS)
    parent: Any = documents
    for part in path[:-1]:
        parent = parent[part]
    if new_key is not None and isinstance(parent, dict):
        parent[new_key] = value
    else:
        parent[path[-1]] = value
    return documents


def outcome(file: Path) -> CompiledRuleset | None:
    try:
        return compile_rules([file])
    except InputFileError as error:
        mistakes = error.mistakes
    assert mistakes
    assert all(mistake.message.isprintable() for mistake in mistakes)
    return None


@settings(
    deadline=None,
    max_examples=60,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(path=st.sampled_from(PATHS), new_key=st.none() | KEYS, value=VALUES)
def test_any_value_anywhere_in_a_rule_is_compiled_or_refused(
    tmp_path: Path, path: tuple[Any, ...], new_key: str | None, value: Any
) -> None:
    file = tmp_path / "changed.yml"
    file.write_text(yaml.safe_dump_all(changed(path, new_key, value), allow_unicode=True), "utf-8")
    ruleset = outcome(file)
    if ruleset is None:
        return
    assert load_ruleset(dump_ruleset(ruleset)) == ruleset
    for rule in ruleset.rules:
        for selection in rule.selections:
            compile_expression(selection.expression)


@settings(
    deadline=None,
    max_examples=60,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    start=st.integers(0, 3000),
    length=st.integers(0, 20),
    text=st.text(alphabet="{}[]:&*!-|>'\"\n\t aé\x00", max_size=6),
)
def test_any_damage_to_the_text_of_a_rule_is_compiled_or_refused(
    tmp_path: Path, start: int, length: int, text: str
) -> None:
    whole = FILE.read_text()
    file = tmp_path / "damaged.yml"
    file.write_text(whole[:start] + text + whole[start + length :], "utf-8")
    outcome(file)
