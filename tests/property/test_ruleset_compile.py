"""Whatever an operator's file says, it is compiled or refused with mistakes, and never in another way."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessionwarden.documents.yaml import read_documents
from sessionwarden.errors import InputFileError
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.compiler.compile import compile_rules, dump_ruleset
from sessionwarden.ruleset.load import load_ruleset
from sessionwarden.ruleset.matching.predicates import compile_expression
from tests.support.paths import PROJECT

SHIPPED = PROJECT / "rules"
FILE = SHIPPED / "reconnaissance" / "probing-paths.yml"
EVERYTHING = """
title: Web
name: web
logsource: {category: webserver, product: nginx}
detection:
  sel: {cs-uri-query|contains: [../, etc], cs-cookie|contains: x, cs-method|neq: PUT}
  words: [GET, 404]
  back: {path|fieldref: referer}
  condition: (sel or words) and not back
---
title: Own
name: own
logsource: {category: api_access}
detection: {sel: {path|startswith: /b, status|gte: 400}, condition: sel}
---
title: Office
id: 00000000-0000-4000-8000-000000000009
logsource: {category: api_access}
filter: {rules: [own], office: {source_ip|cidr: 10.0.0.0/8}, condition: not office}
---
title: Order
name: order
correlation:
  type: temporal_ordered
  rules: [own, web]
  group-by: [user, place]
  timespan: 5m
  aliases: {place: {own: path, web: referer}}
---
title: Chain
id: 00000000-0000-4000-8000-000000000001
correlation: {type: event_count, rules: [order], group-by: [user], timespan: 1h, condition: {gt: 2}}
response: {actions: [deny]}
---
title: Mean
id: 00000000-0000-4000-8000-000000000002
correlation:
  type: value_percentile
  rules: [web, own]
  group-by: [session]
  timespan: 1h
  condition: {gte: 2, lt: 7, field: sc-bytes, percentile: 95}
---
title: Sum
id: 00000000-0000-4000-8000-000000000003
correlation:
  {type: value_sum, rules: [own], group-by: [user], timespan: 1h, condition: {gt: 9, field: latency_ms}}
"""
BASES = [
    [document.data for document in read_documents(text, file="base")[0]]
    for text in (FILE.read_text(), EVERYTHING)
]

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**30),
    st.floats(),
    st.dates(),
    st.text(max_size=5),
    st.sampled_from(["user", "claimed_user", "1 of them", "5m", "deny", "gte", "(((", "*", "\\", "not"]),
    st.sampled_from(["own", "web", "order", "event_count", "temporal", "own and web", "any", "webserver"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)
KEYS = st.sampled_from(
    ["user|re", "path|contains|all", "|re", "status|gte", "condition", "id", "filter", "x", "lt", "aliases"]
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += paths(inner, (*path, key))
    return found


PATHS = [(base, path) for base, documents in enumerate(BASES) for path in paths(documents) if len(path) > 1]


def changed(base: int, path: tuple[Any, ...], new_key: str | None, value: Any) -> list[Any]:
    documents = copy.deepcopy(BASES[base])
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
        diagnostics = error.diagnostics
    assert diagnostics
    assert all(diagnostic.message.isprintable() for diagnostic in diagnostics)
    return None


def test_every_construct_is_the_same_rule_set_after_it_was_written_and_loaded(tmp_path: Path) -> None:
    file = tmp_path / "everything.yml"
    file.write_text(EVERYTHING)
    ruleset = compile_rules([file])
    assert {rule.title for rule in ruleset.rules} == {"Order", "Chain", "Mean", "Sum"}
    data = dump_ruleset(ruleset)
    assert load_ruleset(data) == ruleset
    assert dump_ruleset(load_ruleset(data)) == data


@settings(
    deadline=None,
    max_examples=200,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(place=st.sampled_from(PATHS), new_key=st.none() | KEYS, value=VALUES)
def test_any_value_anywhere_in_a_rule_is_compiled_or_refused(
    tmp_path: Path, place: tuple[int, tuple[Any, ...]], new_key: str | None, value: Any
) -> None:
    file = tmp_path / "changed.yml"
    file.write_text(yaml.safe_dump_all(changed(*place, new_key, value), allow_unicode=True), "utf-8")
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
