# ruff: noqa: E501  a message on one line can be searched for
"""Rules that refer to each other: what is compiled of them, and what is refused where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sessionwarden.errors import InputFileError
from sessionwarden.model.rules import CompiledRule, Inner
from sessionwarden.ruleset.compiler.compile import check_rules, compile_rules, dump_ruleset

Compile = Callable[[str], dict[str, CompiledRule]]


def detection(name: str, test: str = "status: 401", category: str = "api_access") -> str:
    return f"title: {name}\nname: {name}\nlogsource: {{category: {category}}}\ndetection: {{s: {{{test}}}, condition: s}}\n---\n"


def rule_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def correlation(
    name: str,
    rules: str,
    *,
    kind: str = "event_count",
    group_by: str = "user",
    condition: str = "{gte: 3}",
    more: str = "",
    response: str = "",
) -> str:
    """A correlation whose name is its id where it is a number."""
    called = f"id: {rule_id(int(name))}" if name.isdigit() else f"name: {name}"
    condition = f"  condition: {condition}\n" if condition else ""
    return (
        f"title: T{name}\n{called}\ncorrelation:\n  type: {kind}\n  rules: [{rules}]\n  group-by: [{group_by}]\n"
        f"  timespan: 5m\n{condition}{more}{response}---\n"
    )


def exclusion(
    rules: str, *, category: str = "api_access", test: str = "client: batch", number: int = 90
) -> str:
    return (
        f"title: F\nid: {rule_id(number)}\nlogsource: {{category: {category}}}\n"
        f"filter:\n  rules: {rules}\n  known: {{{test}}}\n  condition: not known\n---\n"
    )


@pytest.fixture
def compiled(tmp_path: Path) -> Compile:
    def compile_text(text: str) -> dict[str, CompiledRule]:
        (tmp_path / "rule.yml").write_text(text.removesuffix("---\n"))
        return {rule.title: rule for rule in compile_rules([tmp_path]).rules}

    return compile_text


@pytest.fixture
def diagnostics(tmp_path: Path) -> Callable[[str], list[str]]:
    def diagnostics_of(text: str) -> list[str]:
        (tmp_path / "rule.yml").write_text(text.removesuffix("---\n"))
        with pytest.raises(InputFileError) as caught:
            compile_rules([tmp_path])
        return [str(diagnostic).replace(f"{tmp_path}/", "") for diagnostic in caught.value.diagnostics]

    return diagnostics_of


A, B = detection("a"), detection("b", "path|startswith: /b")


def test_ordered_steps_keep_their_order_and_unordered_ones_have_none(compiled: Compile) -> None:
    rules = compiled(
        A + B
        + correlation("1", "b, a", kind="temporal_ordered", condition="")
        + correlation("2", "b, a", kind="temporal", condition="")
        + correlation("3", "b, a", kind="temporal", condition="b and a")
        + correlation("4", "b, a", kind="temporal", condition="{gte: 2}")
    )  # fmt: skip
    assert rules["T1"].steps == ("b", "a")
    assert rules["T2"].steps == rules["T3"].steps == rules["T4"].steps == ("a", "b")
    assert all(rule.bounds == () and rule.response.actions != ("alert",) for rule in rules.values())
    assert rules["T1"].window != rules["T2"].window == rules["T3"].window


def test_a_condition_over_rules_can_stand_for_the_list_of_rules(compiled: Compile) -> None:
    text = A + B + correlation("1", "x", kind="temporal_ordered", condition="b and a")
    assert compiled(text.replace("  rules: [x]\n", ""))["T1"].steps == ("b", "a")


def test_the_order_of_steps_is_part_of_what_an_ordered_window_counts(compiled: Compile) -> None:
    one, other = (
        correlation(number, rules, kind="temporal_ordered", condition="")
        for number, rules in (("1", "a, b"), ("2", "b, a"))
    )
    rules = compiled(A + B + one + other)
    assert rules["T1"].window != rules["T2"].window


@pytest.mark.parametrize(
    ("condition", "bounds"),
    [
        ("{gt: 3}", (("gte", 4),)),
        ("{lt: 3}", (("lt", 3),)),
        ("{lte: 3}", (("lte", 3),)),
        ("{eq: 3}", (("eq", 3),)),
        ("{neq: 3}", (("neq", 3),)),
        ("{lt: 9, gte: 3}", (("gte", 3), ("lt", 9))),
        ("{lte: 9, gt: 3}", (("gt", 3), ("lte", 9))),
    ],
)
def test_bounds_are_compiled_in_one_order_and_a_lone_lower_one_as_gte(
    compiled: Compile, condition: str, bounds: tuple[tuple[str, int], ...]
) -> None:
    assert compiled(A + correlation("1", "a", condition=condition))["T1"].bounds == bounds


def test_a_median_is_the_fiftieth_percentile(compiled: Compile) -> None:
    rules = compiled(
        A
        + correlation("1", "a", kind="value_median", condition="{gt: 5, field: latency_ms}")
        + correlation(
            "2", "a", kind="value_percentile", condition="{gt: 5, field: latency_ms, percentile: 50}"
        )
    )
    assert (rules["T1"].kind, rules["T1"].percentile, rules["T1"].bounds) == (
        "value_percentile",
        50,
        (("gt", 5),),
    )
    assert rules["T1"].window == rules["T2"].window


def test_kinds_that_keep_other_members_never_share_a_window(compiled: Compile) -> None:
    field = "{gte: 5, field: response_bytes}"
    kinds = ("value_count", "value_sum", "value_avg")
    rules = compiled(
        A
        + "".join(
            correlation(str(number), "a", kind=kind, condition=field) for number, kind in enumerate(kinds)
        )
    )
    assert len({rule.window for rule in rules.values()}) == 3


def test_an_alias_names_a_field_of_each_rule(compiled: Compile) -> None:
    aliases = "  aliases: {place: {a: path, b: cs-referer}}\n"
    rule = compiled(A + B + correlation("1", "a, b", group_by="user, place", more=aliases))["T1"]
    assert rule.group_by == ("user", "place")
    assert [(selection.rule, selection.fields) for selection in rule.selections] == [
        ("a", ("user", "path")),
        ("b", ("user", "referer")),
    ]


def test_a_chain_is_compiled_with_a_silent_inner_rule(compiled: Compile) -> None:
    rules = compiled(
        A
        + correlation("burst", "a", group_by="user, source_ip")
        + correlation("1", "burst", kind="value_count", condition="{gte: 3, field: source_ip}")
    )
    assert rules["T1"].inner == (Inner(rule="burst"),)
    assert rules["T1"].selections == ()
    assert (rules["T1"].emits, rules["Tburst"].emits) == (True, False)


def test_generate_lets_an_inner_rule_emit_too(compiled: Compile) -> None:
    inner = correlation("7", "a").replace("correlation:", "name: burst\ncorrelation:")
    rules = compiled(A + inner + correlation("1", "burst", more="  generate: true\n"))
    assert rules["T7"].emits


def test_an_alias_can_name_a_part_of_an_inner_key(compiled: Compile) -> None:
    inner = correlation("burst", "a", group_by="user, place", more="  aliases: {place: {a: path}}\n")
    outer = correlation(
        "1", "burst, b", group_by="user, where", more="  aliases: {where: {burst: place, b: referer}}\n"
    )
    rule = compiled(A + B + inner + outer)["T1"]
    assert rule.inner == (Inner(rule="burst", fields=("user", "place")),)


def test_a_window_on_an_inner_rule_is_another_if_the_inner_rule_fires_otherwise(compiled: Compile) -> None:
    def window(condition: str) -> str:
        return compiled(A + correlation("burst", "a", condition=condition) + correlation("1", "burst"))[
            "T1"
        ].window

    assert window("{gte: 3}") == window("{gt: 2}") != window("{gte: 4}")


@pytest.mark.parametrize(
    ("kind", "condition", "part"),
    [
        ("event_count", "{lt: 3}", "lt"),
        ("event_count", "{gte: 3, lte: 5}", "lte"),
        ("event_count", "{eq: 3}", "eq"),
        ("event_count", "{neq: 3}", "neq"),
        ("value_sum", "{lt: 3, field: response_bytes}", "lt"),
        ("value_avg", "{gte: 3, field: response_bytes}", "value_avg"),
        ("value_median", "{gte: 3, field: response_bytes}", "value_percentile"),
    ],
)
def test_what_a_late_event_can_undo_only_alerts_and_says_so(
    tmp_path: Path, kind: str, condition: str, part: str
) -> None:
    (tmp_path / "rule.yml").write_text(
        A + correlation("1", "a", kind=kind, condition=condition).removesuffix("---\n")
    )
    checked = check_rules([tmp_path])
    assert checked.ruleset.rules[0].response.actions == ("alert",)
    (note,) = checked.notes
    assert (note.line, note.path) == (13, "correlation.condition")
    assert note.message == f"a late event can undo what {part} finds: this rule only alerts"


@pytest.mark.parametrize(
    ("kind", "condition"),
    [
        ("event_count", "{gt: 3}"),
        ("value_count", "{gte: 3, field: path}"),
        ("value_sum", "{gt: 3, field: response_bytes}"),
        ("temporal", ""),
        ("temporal_ordered", ""),
    ],
)
def test_what_stays_found_whatever_arrives_may_act_through_a_chain_too(
    compiled: Compile, kind: str, condition: str
) -> None:
    inner = correlation("burst", "a, b", kind=kind, condition=condition)
    rules = compiled(A + B + inner + correlation("1", "burst", response="response: {actions: [deny]}\n"))
    assert rules["T1"].response.actions == ("deny",)


def test_a_filter_is_added_to_the_rules_it_names(compiled: Compile) -> None:
    rule = compiled(A + B + correlation("1", "a, b") + exclusion("[a]"))["T1"]
    assert [selection.expression for selection in rule.selections] == [
        ["and", ["number", "status", [401]], ["not", ["equals", "client", ["batch"]]]],
        ["startswith", "path", ["/b"]],
    ]


def test_a_filter_for_any_rule_is_for_those_of_its_log_source(compiled: Compile) -> None:
    other = detection("c", category="api_authorizer")
    rule = compiled(A + other + correlation("1", "a, c") + exclusion("any"))["T1"]
    assert [selection.expression[0] for selection in rule.selections] == ["and", "number"]


def test_filters_apply_in_an_order_that_no_file_name_decides(tmp_path: Path) -> None:
    one, two = exclusion("any", test="client: x", number=91), exclusion("any", test="client: y", number=92)
    results = set()
    for name, first, second in (("one", one, two), ("two", two, one)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.yml").write_text(first.removesuffix("---\n"))
        (tmp_path / name / "b.yml").write_text(A + correlation("1", "a") + second.removesuffix("---\n"))
        results.add(dump_ruleset(compile_rules([tmp_path / name])))
    assert len(results) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            correlation("x", "y") + correlation("y", "x"),
            [
                "5:11: correlation.rules[0]: 'y' leads back to this rule",
                "14:11: correlation.rules[0]: 'x' leads back to this rule",
            ],
        ),
        (
            A + "".join(correlation(f"c{number}", f"c{number - 1}" if number else "a") for number in range(4)) + correlation("1", "c3"),
            ["46:11: correlation.rules[0]: 'c3' is one too many: 4 correlations may build on each other"],
        ),
        (
            A + correlation("burst", "a", group_by="source_ip") + correlation("1", "burst", group_by="source_ip, user"),
            ["19:11: correlation.rules[0]: 'burst' does not group by user (it groups by source_ip)"],
        ),
        (
            A + correlation("burst", "a") + correlation("1", "burst", kind="value_count", condition="{gte: 2, field: path}"),
            ["19:11: correlation.rules[0]: 'burst' has no path to count (it groups by user)"],
        ),
        (
            A + correlation("burst", "a") + correlation("1", "burst", kind="value_sum", condition="{gte: 2, field: latency_ms}"),
            ["19:11: correlation.rules[0]: 'burst' is a correlation, which has no quantities to measure"],
        ),
        (
            A + correlation("burst", "a") + correlation("1", "burst", condition="{gte: 626}"),
            ["22:3: correlation.condition: correlations can be counted up to 625, not to 626"],
        ),
        (
            A + correlation("quiet", "a", condition="{lt: 3}") + correlation("1", "quiet", condition="{lt: 3}"),
            ["22:3: correlation.condition: lt cannot judge 'Tquiet', which lt can undo itself (use gt or gte alone)"],
        ),
        (
            A + correlation("quiet", "a", condition="{lt: 3}") + correlation("1", "quiet", response="response: {actions: [deny]}\n"),
            ["23:22: response.actions[0]: deny is not supported here, for a late event can undo what lt of 'Tquiet' finds (alert alone)"],
        ),
        (
            A + B + correlation("1", "a, b", kind="temporal", condition="a or b"),
            ["18:3: correlation.condition: only rules joined by and are supported here (or leave the condition out)"],
        ),
        (
            A + B + correlation("1", "a, b", kind="temporal", condition="{gte: 1}"),
            ["18:3: correlation.condition: temporal is only supported with all of its rules (leave the condition out, or {gte: 2})"],
        ),
        (
            A + B + correlation("1", "a, b", kind="temporal", condition="a and c"),
            ["18:3: correlation.condition: must name every rule of the correlation, once"],
        ),
        (
            A + B + correlation("1", "a, b", kind="temporal_ordered", condition="b and a"),
            ["18:3: correlation.condition: names the rules in another order than the correlation"],
        ),
        (
            A + correlation("1", "a", kind="temporal", condition=""),
            ["10:3: correlation.rules: needs at least two rules (one rule is counted by event_count)"],
        ),
        (
            A + B + correlation("1", "a, b", group_by="user, place", more="  aliases: {place: {a: path, b: status}}\n"),
            ["19:13: correlation.aliases.place: is a number of one rule and text of another: never equal"],
        ),
        (
            A + correlation("1", "a") + exclusion("[aa]"),
            ["19:11: filter.rules[0]: no rule is named 'aa' (did you mean a?)"],
        ),
        (
            A + correlation("1", "a") + exclusion(f"['{rule_id(1)}']"),
            [f"19:11: filter.rules[0]: '{rule_id(1)}' is a correlation (filter the rules that it refers to)"],
        ),
        (
            A + correlation("1", "a") + exclusion("a", category="identity"),
            ["19:3: filter.rules: 'a' has another log source (it must be as in the filter)"],
        ),
        (
            A + correlation("1", "a") + exclusion("any", category="identity"),
            ["19:3: filter.rules: no rule has this filter's log source"],
        ),
        (
            A + correlation("1", "a") + exclusion("[]"),
            ["19:3: filter.rules: must name at least one rule (or any, for all of the log source)"],
        ),
        (
            A + correlation("1", "a") + exclusion("any").replace("  rules: any\n", ""),
            ["18:1: filter: rules is missing (names or ids of rules, or any)"],
        ),
        (
            A + correlation("1", "a") + exclusion("any").replace("condition: not known", "condition: [not known]"),
            ["21:3: filter.condition: must be text, not a list (a filter has one condition)"],
        ),
        (
            A + correlation("1", "a") + exclusion("any").replace("  known:", "  other: {status: 1}\n  known:"),
            ["20:3: filter.other: the condition never uses this detection (use it or remove it)"],
        ),
        (
            A + correlation("1", "a") + exclusion("any").replace("filter:\n", "response: {}\nfilter:\n"),
            ["18:1: response: unknown key (known: author, date, description, falsepositives, fields, filter, id, level, license, logsource, modified, name, references, related, scope, status, tags, taxonomy, title)"],
        ),
        (
            A + correlation("1", "a") + exclusion("any", number=1),
            [f"16:1: id: '{rule_id(1)}' is taken by rule.yml:7"],
        ),
    ],
)  # fmt: skip
def test_mistake_between_rules_is_named_at_its_place(
    diagnostics: Callable[[str], list[str]], text: str, expected: list[str]
) -> None:
    assert diagnostics(text) == [f"rule.yml:{line}" for line in expected]


def test_a_rule_above_a_circle_is_not_blamed_for_it(diagnostics: Callable[[str], list[str]]) -> None:
    text = correlation("x", "y") + correlation("y", "x") + correlation("1", "x")
    assert [line.split(":")[1] for line in diagnostics(text)] == ["5", "14"]


def test_one_correlation_takes_a_bounded_number_of_steps(diagnostics: Callable[[str], list[str]]) -> None:
    names = [f"d{number}" for number in range(65)]
    text = "".join(map(detection, names)) + correlation("1", ", ".join(names), kind="temporal", condition="")
    (diagnostic,) = diagnostics(text)
    assert "correlation.rules[64]: one correlation can order or build on 64 rules at most" in diagnostic
