# ruff: noqa: E501  a table of strategies reads better in rows
"""Compiled rules against a slow, obvious reading of Sigma, over random rules and random events."""

from __future__ import annotations

import fnmatch
import ipaddress
import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessionwarden.model.event import Event
from sessionwarden.replay.columns.columns import EventColumns, TextNumbers
from sessionwarden.replay.passes.column_filters import compile_column_filter, fields_read
from sessionwarden.ruleset.compiler.compile import compile_rules, dump_ruleset
from sessionwarden.ruleset.load import load_ruleset
from sessionwarden.ruleset.matching.predicates import compile_expression
from sessionwarden.ruleset.matching.selection_index import SelectionIndex

NUMBERING = TextNumbers(1)
TEXT_FIELDS = ("path", "user", "user_agent")
WORDS = st.text(alphabet="aAbB/*?.$", min_size=1, max_size=4)
PLAIN_WORDS = st.text(alphabet="aAbB/.", min_size=1, max_size=4)
NETWORKS = st.sampled_from(["10.0.0.0/8", "10.1.0.0/16", "192.168.0.0/24", "::/0"])
ADDRESSES = st.sampled_from(["10.1.2.3", "10.9.9.9", "192.168.0.9", "192.168.1.9", "2001:db8::1"])
TEXTS = st.text(alphabet="aAbB/*?.$", min_size=1, max_size=6)


def values(of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(of, min_size=1, max_size=3)


ITEMS = st.one_of(
    st.tuples(st.sampled_from(TEXT_FIELDS), values(st.one_of(WORDS, st.none()))),
    st.tuples(st.sampled_from([f"{field}|cased" for field in TEXT_FIELDS]), values(WORDS)),
    st.tuples(
        st.sampled_from([f"{field}|{how}" for field in TEXT_FIELDS for how in ("contains", "startswith", "endswith")]),
        values(PLAIN_WORDS),
    ),
    st.tuples(st.sampled_from(["path|contains|all", "groups|contains|all"]), values(PLAIN_WORDS)),
    st.tuples(st.sampled_from(["path|re", "groups|re", "path|re|i"]), values(st.sampled_from(["^a", "b$", "a+b", "[^/]A"]))),
    st.tuples(st.just("groups"), values(WORDS)),
    st.tuples(st.just("status"), values(st.sampled_from([200, 401, 404]))),
    st.tuples(st.sampled_from(["status|gte", "status|lt", "status|gt", "status|lte"]), values(st.integers(199, 405))),
    st.tuples(st.sampled_from(["user|exists", "status|exists", "groups|exists"]), st.booleans()),
    st.tuples(st.just("source_ip|cidr"), values(NETWORKS)),
    st.tuples(st.sampled_from(["path|neq", "status|neq", "path|contains|neq"]), values(st.sampled_from(["200", "401", "404"]))),
    st.tuples(st.sampled_from([f"path|fieldref{how}" for how in ("", "|contains", "|startswith", "|endswith")]), values(st.sampled_from(["user", "user_agent"]))),
    st.tuples(st.sampled_from(["|contains", "|contains|all"]), values(PLAIN_WORDS)),
)  # fmt: skip
DETECTIONS = values(st.lists(ITEMS, min_size=1, max_size=2).map(dict))
CONDITIONS = st.recursive(
    st.sampled_from(["a", "b", "1 of them", "all of them", "1 of a*"]),
    lambda inner: st.one_of(
        inner.map(lambda text: f"not ({text})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda parts: f"({' '.join(parts)})"),
    ),
    max_leaves=4,
)
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "path": TEXTS,
        "user": TEXTS,
        "user_agent": TEXTS,
        "status": st.sampled_from([199, 200, 401, 404, 405]),
        "groups": st.lists(TEXTS, max_size=2),
        "source_ip": ADDRESSES,
    },
)


def slow_value(value: Any, wanted: Any, how: str, *, cased: bool) -> Any:
    """One value of an event against one value of a rule."""
    if value is None:
        return False
    if how in ("gte", "lt", "gt", "lte"):
        return {"gte": value >= wanted, "lt": value < wanted, "gt": value > wanted, "lte": value <= wanted}[
            how
        ]
    if how == "cidr":
        return ipaddress.ip_address(value) in ipaddress.ip_network(wanted)
    if isinstance(wanted, int):
        return bool(value == wanted)
    text, pattern = (str(value), wanted) if cased else (str(value).lower(), wanted.lower())
    return slow_text(text, pattern, how) if how else fnmatch.fnmatchcase(text, pattern)


def slow_text(text: str, pattern: str, how: str) -> bool:
    return {
        "": text == pattern,
        "contains": pattern in text,
        "startswith": text.startswith(pattern),
        "endswith": text.endswith(pattern),
    }[how]


def slow_item(event: dict[str, Any], key: str, wanted: Any) -> bool:
    field, *modifiers = key.split("|")
    if "neq" in modifiers:
        return not slow_item(event, key.replace("|neq", ""), wanted)
    line = " ".join(str(event[name]) for name in ("path", "status", "user_agent") if name in event)
    value = event.get(field) if field else line or None
    present = value if isinstance(value, list) else [] if value is None else [value]
    if "exists" in modifiers:
        return bool(present) is wanted
    how = next((name for name in modifiers if name not in ("all", "cased", "i", "fieldref")), "")

    def one(single: Any) -> bool:
        if single is None:
            return not present
        if "fieldref" in modifiers:
            single = event.get(single)
            texts = [] if single is None else [value for value in present if isinstance(value, str)]
            return any(slow_text(value.lower(), single.lower(), how) for value in texts)
        if how == "re":
            flags = re.IGNORECASE if "i" in modifiers else 0
            return any(re.search(single, text, flags) for text in present)
        return any(slow_value(item, single, how, cased="cased" in modifiers) for item in present)

    return all(map(one, wanted)) if "all" in modifiers else any(map(one, wanted))


def slow_detection(event: dict[str, Any], detection: list[dict[str, Any]]) -> bool:
    return any(all(slow_item(event, key, wanted) for key, wanted in one.items()) for one in detection)


def slow_rule(event: dict[str, Any], detections: dict[str, list[dict[str, Any]]], condition: str) -> bool:
    truth = {name: slow_detection(event, detection) for name, detection in detections.items()}
    python = (
        condition.replace("1 of them", "(a or b)").replace("all of them", "(a and b)").replace("1 of a*", "a")
    )
    return bool(eval(python, {"__builtins__": {}}, truth))


@settings(
    deadline=None,
    max_examples=60,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    detections=st.fixed_dictionaries({"a": DETECTIONS, "b": DETECTIONS}),
    condition=CONDITIONS,
    events=st.lists(EVENTS, min_size=1, max_size=8),
)
def test_a_compiled_rule_agrees_with_a_slow_reading_of_it(
    tmp_path: Path, detections: dict[str, Any], condition: str, events: list[dict[str, Any]]
) -> None:
    whole = f"({condition}) or (a and b and not a)"  # so that every detection is used
    rule = {
        "title": "Random",
        "id": "7b0c7a52-31fb-4bd0-9c35-3f7cfb5de111",
        "logsource": {"category": "api_access"},
        "detection": detections | {"condition": whole},
    }
    file = tmp_path / "random.yml"
    file.write_text(yaml.dump(rule, Dumper=_PlainDumper))
    compiled = load_ruleset(dump_ruleset(compile_rules([file])))
    expression = compiled.rules[0].selections[0].expression
    matches = compile_expression(expression)
    happened = []
    for fields in events:
        event = msgspec.convert({"id": "e", "time": 1, "source": "api_access", **fields}, Event)
        assert matches(event) is slow_rule(fields, detections, condition), fields
        happened.append(event)
    columns = EventColumns(happened, fields_read(expression), NUMBERING)
    rows = compile_column_filter(expression)(columns, np.arange(len(happened)))
    assert [happened[row] for row in rows] == list(filter(matches, happened))
    index = SelectionIndex([expression])
    matching = [event for event in happened if matches(event)]
    assert all(index.candidates(event) == [0] for event in matching)


class _PlainDumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True
