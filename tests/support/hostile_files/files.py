# ruff: noqa: E501  a file on one line can be compared with the next
"""The hostile files: for each name, the kind of file it is and a function from a size to its text.

A file of each kind that ordinary people write has one part here that grows until the file is as large as
asked for. What it may cost is asked by `measure` (all, at full size) and by the tests (all, small).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

RULE_ID = "6a1f7c1e-52a5-4a4e-9d0f-3c1f0b6f2d11"


class Hostile(NamedTuple):
    """`kind` is rules, policy, cases, routes or mapping; `text` makes about as many characters as asked."""

    kind: str
    text: Callable[[int], str]


def repeated(part: str, size: int) -> str:
    """`part` as often as fits; `{n}` in it counts up."""
    if "{n}" not in part:
        return part * max(1, size // len(part))
    pieces: list[str] = []
    length = 0
    while length + len(part) + 5 < size:
        pieces.append(part.replace("{n}", str(len(pieces))))
        length += len(pieces[-1])
    return "".join(pieces)


def rows(row: str, size: int) -> str:
    """As many lines as fit, each saying `row`."""
    return repeated(row + "\n", size)


def rule(detection: str, *, more: str = "") -> str:
    """A rule of single events around a detection section that is indented by four."""
    return (
        f"title: Rule\nid: {RULE_ID}\nlogsource:\n    category: api_access\ndetection:\n{detection}"
        f"level: low\n{more}"
    )


RULE = rule("    s: {path: /none}\n    condition: s\n")
"""A rule without hostility."""


def values(key: str, part: str, size: int) -> str:
    """A rule that tests one field against many values."""
    return rule(f"    s:\n        {key}:\n{rows(f'            - {part}', size)}    condition: s\n")


def value(key: str, text: str) -> str:
    """A rule that tests one field against one long value."""
    return rule(f"    s:\n        {key}: {text}\n    condition: s\n")


def correlation(section: str, *, more: str = "", type_: str = "event_count") -> str:
    """A correlation over `base`, around lines that are indented by four."""
    detection = "detection: {s: {status: 1}, condition: s}\n"
    base = f"title: Base\nname: base\nlogsource: {{category: api_access}}\n{detection}"
    return f"{base}---\ntitle: Rule\nid: {RULE_ID}\n{more}correlation:\n    type: {type_}\n{section}"


COUNTED = "    timespan: 1m\n    condition: {gte: 10}\n"
BY_USER = f"    rules: [base]\n    group-by: [user]\n{COUNTED}"


def selections(size: int, condition: str) -> str:
    """A rule with as many small detections as fit, and one condition."""
    found = repeated("    s{n}: {status: {n}}\n", size - len(condition))
    return rule(f"{found}    condition: {condition}\n")


def condition(text: str) -> str:
    """A rule with two detections and a condition."""
    return rule(f"    a: {{status: 1}}\n    b: {{status: 2}}\n    condition: {text}\n")


def rule_documents(size: int, more: str) -> str:
    """As many small rules as fit, each with more lines of its own."""
    document = (
        "title: R{n}\nname: r{n}\nlogsource: {category: api_access}\n"
        "detection: {s: {status: {n}}, condition: s}\n"
    )
    return repeated(document + more + "---\n", size)


def enforcing_rules(size: int) -> str:
    """As many rules without a mistake as fit, each of which enforces."""
    pieces: list[str] = []
    length = 0
    while length < size:
        number = len(pieces)
        pieces.append(
            f"title: R{number}\nid: 00000000-0000-4000-8000-{number:012}\nlogsource: {{category: api_access}}\n"
            f"detection: {{s: {{path: /x{number}}}, condition: s}}\nresponse: {{mode: enforce, actions: [deny]}}\n---\n"
        )
        length += len(pieces[-1])
    return "".join(pieces)


def chained(size: int, rules: str, name: str = "c{n}") -> str:
    """As many correlations as fit, each referring to others."""
    section = f"correlation: {{type: event_count, rules: {rules}, group-by: [user], timespan: 1m, condition: {{gte: 2}}}}\n"
    pieces: list[str] = []
    length = 0
    while length < size:
        number = len(pieces)
        text = f"title: C\nname: {name}\n{section}---\n"
        for word, shift in (("{n}", 0), ("{n+1}", 1), ("{n+2}", 2)):
            text = text.replace(word, str(number + shift))
        pieces.append(text)
        length += len(text)
    return "".join(pieces)


def nested_block(size: int) -> str:
    """Maps in maps, each indented by one more space."""
    lines: list[str] = []
    length = 0
    while length < size:
        lines.append(" " * len(lines) + "a:\n")
        length += len(lines[-1])
    return "".join(lines)


def cases(events: str, *, actors: str = "    m: {user: m}\n", more: str = "") -> str:
    """A cases file around the events of one case, which are indented by six."""
    return (
        f"rule: {RULE_ID}\ndefaults: {{source: api_access}}\nactors:\n{actors}{more}cases:\n"
        f"  - name: x\n    kind: matching\n    expect: none\n    events:\n{events}"
    )


def mapping(more: str, *, fields: str = "  user: sub\n") -> str:
    """A mapping file around some more lines."""
    return f"fields:\n{fields}time: {{key: t, unit: ms}}\n{more}"


HOSTILE: dict[str, Hostile] = {}


def _add(kind: str, **made: Callable[[int], str]) -> None:
    for name, text in made.items():
        HOSTILE[f"{kind}-{name.replace('_', '-')}"] = Hostile(kind, text)


_add(
    "rules",
    # numbers
    sexagesimal=lambda size: value("status", "1" + repeated(":1", size)),
    sexagesimal_float=lambda size: value("status", "1" + repeated(":1", size) + ".5"),
    sexagesimal_keys=lambda size: "1" + repeated(":1", size) + ": x\n",
    underscores=lambda size: value("status", "1" + repeated("_", size)),
    hex_number=lambda size: value("status|gte", "0x" + repeated("f", size)),
    hex_of_6000_digits=lambda size: value("status|gte", "0x" + "f" * 6000),
    octal_number=lambda size: value("status|gte", "0o" + repeated("7", size)),
    old_octal_number=lambda size: value("status|gte", "0" + repeated("7", size)),
    binary_number=lambda size: value("status|gte", "0b" + repeated("1", size)),
    decimal_number=lambda size: value("status|gte", repeated("9", size)),
    quoted_number=lambda size: value("status|gte", f"'{repeated('9', size)}'"),
    number_of_5000_digits=lambda size: value("status|gte", "9" * 5000),
    fraction=lambda size: value("status|gte", "0." + repeated("9", size)),
    exponent=lambda size: value("status|gte", "1e" + repeated("9", size)),
    bound_hex=lambda size: correlation(
        f"    rules: base\n    group-by: user\n    timespan: 1m\n    condition: {{gte: 0x{repeated('f', size)}}}\n"
    ),
    bound_hex_of_6000=lambda size: correlation(
        f"    rules: base\n    group-by: user\n    timespan: 1m\n    condition: {{gte: 0x{'f' * 6000}}}\n"
    ),
    timespan=lambda size: correlation(
        f"    rules: base\n    group-by: user\n    timespan: {repeated('9', size)}s\n    condition: {{gte: 3}}\n"
    ),
    dates=lambda size: value("user", repeated("2024-01-01T", size)),
    # lists and maps
    block_list=lambda size: values("user", "{n}", size),
    quoted_list=lambda size: values("user", "'u{n}'", size),
    numbers_list=lambda size: values("status", "{n}", size),
    flow_list=lambda size: value("status", f"[{repeated('{n},', size)}]"),
    cidr_list=lambda size: values("source_ip|cidr", "10.1.0.0/16", size),
    cidr_list_v6=lambda size: values("source_ip|cidr", "2001:db8:{n}::/48", size // 2),
    contains_all=lambda size: values("path|contains|all", "x{n}", size),
    wrong_values=lambda size: values("status", "x{n}", size),
    keywords=lambda size: rule(f"    s:\n{rows('        - k{n}', size)}    condition: s\n"),
    list_of_maps=lambda size: rule(f"    s:\n{rows('        - {user: u{n}}', size)}    condition: s\n"),
    keys_unknown=lambda size: repeated("k{n}: 1\n", size),
    keys_near=lambda size: rule(
        "    s: {status: 1}\n    condition: s\n", more=repeated("titl{n}: 1\n", size)
    ),
    keys_twice=lambda size: repeated("title: a\n", size),
    key_long=lambda size: repeated("k", size) + ": 1\n",
    keys_quoted_long=lambda size: f'? "{repeated("k", size)}"\n: 1\n',
    fields_unknown=lambda size: rule(f"    s:\n{rows('        usr{n}: 1', size)}    condition: s\n"),
    modifiers=lambda size: value("status" + repeated("|gte", size), "1"),
    modifiers_unknown=lambda size: value("status" + repeated("|gt{n}", size), "1"),
    # syntax
    aliases=lambda size: "a: &x 1\nb:\n" + repeated("- *x\n", size),
    aliases_flow=lambda size: "a: &x 1\nb: [" + repeated("*x,", size) + "]\n",
    alias_keys=lambda size: "a: &x 1\n" + repeated("*x : 1\n", size),
    alias_long=lambda size: f"a: *{repeated('x', size)}\n",
    anchors=lambda size: "b:\n" + repeated("- &x{n} 1\n", size),
    anchor_long=lambda size: f"a: &{repeated('x', size)} 1\n",
    merges=lambda size: repeated("- {<<: {a: 1}}\n", size),
    tags=lambda size: repeated("- !t 1\n", size),
    tags_python=lambda size: repeated("- !!python/object:os.system {a: 1}\n", size),
    tag_long=lambda size: f"a: !{repeated('t', size)} 1\n",
    tag_percent=lambda size: f"a: !<{repeated('%41', size)}> 1\n",
    tag_directives=lambda size: repeated("%TAG !t{n}! tag:x,2000:\n", size) + "---\na: 1\n",
    version_directive=lambda size: "%YAML 1." + repeated("1", size) + "\n---\na: 1\n",
    escape_beyond_unicode=lambda size: repeated('- "\\Uffffffff"\n', size),
    directives=lambda size: repeated("%FOO bar\n", size) + "---\na: 1\n",
    documents_empty=lambda size: repeated("---\n", size),
    documents=lambda size: repeated("--- a\n", size),
    documents_of_maps=lambda size: repeated("---\na: 1\n", size),
    comment=lambda size: "#" + repeated("x", size),
    comments=lambda size: repeated("#\n", size) + "a: 1\n",
    empty_lines=lambda size: repeated("\n", size) + "a: 1\n",
    spaces=lambda size: "a:" + repeated(" ", size) + "1\n",
    line_breaks=lambda size: "a: 'x" + repeated("\u2028", size // 3) + "'\n",
    carriage_returns=lambda size: repeated("a: 1\r", size),
    flow_open=lambda size: "a: " + repeated("[", size),
    flow_maps_open=lambda size: "a: " + repeated("{a: ", size),
    flow_mixed_open=lambda size: "a: " + repeated("[{a: ", size),
    flow_closed=lambda size: "a: " + "[" * (size // 2) + "]" * (size // 2),
    flow_shallow=lambda size: "a: [" + repeated("[" * 30 + "]" * 30 + ",", size) + "]\n",
    flow_pairs=lambda size: "a: [" + repeated("a: 1,", size) + "]\n",
    flow_empty=lambda size: "a: [" + repeated("{},", size) + "]\n",
    flow_keys=lambda size: "a: {" + repeated("a{n},", size) + "}\n",
    flow_questions=lambda size: "a: {" + repeated("? ", size) + "}\n",
    block_nested=nested_block,
    dashes=lambda size: repeated("- ", size) + "a\n",
    questions=lambda size: repeated("? ", size) + "a\n",
    colons=lambda size: repeated(": ", size) + "a\n",
    plain_lines=lambda size: "a: x\n" + repeated("  x\n", size),
    plain_words=lambda size: "a: " + repeated("x ", size) + "\n",
    literal=lambda size: "description: |\n" + repeated("  x\n", size),
    folded=lambda size: "description: >\n" + repeated("  x\n", size),
    literal_indent=lambda size: "description: |\n" + repeated(" ", size) + "\n  x\n",
    escapes=lambda size: 'a: "' + repeated("\\x41", size) + '"\n',
    escapes_of_lines=lambda size: 'a: "' + repeated("\\\n", size) + '"\n',
    half_characters=lambda size: repeated('- "\\ud800"\n', size),
    single_quotes=lambda size: "a: '" + repeated("''", size) + "'\n",
    quoted_lines=lambda size: "a: 'x" + repeated("\n", size) + "'\n",
    control_character=lambda size: "a: " + repeated("x", size) + "\x01\n",
    # Sigma's own sections
    title=lambda size: rule("    s: {status: 1}\n    condition: s\n").replace("Rule", repeated("T", size)),
    id_long=lambda size: rule("    s: {status: 1}\n    condition: s\n").replace(RULE_ID, repeated("a", size)),
    id_number=lambda size: rule("    s: {status: 1}\n    condition: s\n").replace(
        RULE_ID, repeated("1", size)
    ),
    level=lambda size: rule("    s: {status: 1}\n    condition: s\n").replace("low", repeated("l", size)),
    date=lambda size: rule("    s: {status: 1}\n    condition: s\n", more=f"date: {repeated('2', size)}\n"),
    date_parts=lambda size: rule(
        "    s: {status: 1}\n    condition: s\n", more=f"date: {repeated('2-', size)}\n"
    ),
    rule_tags=lambda size: rule(
        "    s: {status: 1}\n    condition: s\n", more="tags:\n" + repeated("    - attack.t{n}\n", size)
    ),
    rule_tag_long=lambda size: rule(
        "    s: {status: 1}\n    condition: s\n", more=f"tags: [{repeated('a.', size)}]\n"
    ),
    references=lambda size: rule(
        "    s: {status: 1}\n    condition: s\n", more="references:\n" + repeated("    - r{n}\n", size)
    ),
    references_twice=lambda size: rule(
        "    s: {status: 1}\n    condition: s\n", more="references:\n" + repeated("    - r\n", size)
    ),
    related=lambda size: rule(
        "    s: {status: 1}\n    condition: s\n",
        more="related:\n" + repeated(f"    - {{id: {RULE_ID}, type: similar}}\n", size),
    ),
    regex_long=lambda size: value("path|re", "'" + repeated("a?", size) + "'"),
    regexes=lambda size: values("path|re", "'x{n}(" + "a|" * 900 + "b)'", size),
    regexes_nested=lambda size: values(
        "path|re", "'((((a{{1,99}}){{1,99}}){{1,99}})x{n}'".replace("{{", "{").replace("}}", "}"), size
    ),
    regexes_counted=lambda size: values("path|re", "'x{n}.{900}'", size),
    regexes_optional=lambda size: values("path|re", "'(a?){999}x{n}'", size),
    regexes_many_valid=lambda size: values("path|re", "'x{n}.*y.*z[a-f]+\\\\d'", size),
    list_used_often=lambda size: rule(
        "    a:\n        user:\n"
        + rows("            - u{n}", size - 4000)
        + "    condition: a"
        + " or a" * 380
        + "\n"
    ),
    list_in_many_conditions=lambda size: rule(
        "    a:\n        user:\n"
        + rows("            - u{n}", size // 2)
        + "    condition:\n"
        + rows("        - a", size // 2)
    ),
    list_in_many_correlations=lambda size: (
        "title: Base\nname: base\nlogsource: {category: api_access}\ndetection:\n    s:\n        user:\n"
        + rows("            - u{n}", size // 2)
        + "    condition: s\n---\n"
        + chained(size // 2, "[base]")
    ),
    regex_parentheses=lambda size: value("path|re", "'" + "(" * 900 + "a" + ")" * 900 + "'"),
    wildcards=lambda size: value("path", "'" + repeated("*a", size) + "'"),
    wildcards_many=lambda size: values("path", "'" + "*a" * 400 + "{n}'", size),
    question_marks=lambda size: value("path", "'" + repeated("?", size) + "'"),
    backslashes=lambda size: value("path", "'" + repeated("\\\\*", size) + "'"),
    text_long=lambda size: value("path|contains", "'" + repeated("a", size) + "'"),
    condition_parentheses=lambda size: condition("(" * (size // 2) + "a" + ")" * (size // 2)),
    condition_and=lambda size: condition("a" + repeated(" and b", size)),
    condition_not=lambda size: condition(repeated("not ", size) + "a"),
    condition_of=lambda size: selections(size, "1 of *"),
    condition_all_of=lambda size: selections(size, "all of s*"),
    condition_named=lambda size: selections(size, "s0 and s1"),
    condition_stars=lambda size: selections(size, "1 of s" + "*1" * 900),
    condition_many_selectors=lambda size: selections(size // 2, " or ".join(["1 of s*1*"] * 150)),
    condition_nested_2000=lambda size: condition("not " * 480 + "a"),
    condition_parentheses_20=lambda size: condition(" and ".join(["(" * 20 + "a" + ")" * 20] * 40)),
    conditions_parentheses_20=lambda size: rule(
        "    a: {status: 1}\n    b: {status: 2}\n    condition:\n"
        + repeated("        - " + " and ".join(["(" * 20 + "a" + ")" * 20] * 40) + "\n", size)
    ),
    conditions_and=lambda size: rule(
        "    a: {status: 1}\n    b: {status: 2}\n    condition:\n"
        + repeated("        - a" + " and b" * 300 + "\n", size)
    ),
    many_long_conditions=lambda size: (
        rule_documents(size, "")
        .replace("condition: s}", "condition: s" + " and s" * 320 + "}")[:size]
        .rpartition("---")[0]
    ),
    many_nested_conditions=lambda size: (
        rule_documents(size, "")
        .replace(
            "condition: s}",
            "condition: '" + "(" * 20 + "s" + ")" * 20 + (" or " + "(" * 20 + "s" + ")" * 20) * 40 + "'}",
        )[:size]
        .rpartition("---")[0]
    ),
    many_not_conditions=lambda size: (
        rule_documents(size, "")
        .replace("condition: s}", "condition: " + "not " * 80 + "s}")[:size]
        .rpartition("---")[0]
    ),
    conditions=lambda size: rule("    a: {status: 1}\n    condition:\n" + repeated("        - a\n", size)),
    conditions_of=lambda size: rule(
        repeated("    s{n}: {status: {n}}\n", size // 2)
        + "    condition:\n"
        + repeated("        - 1 of *\n", size // 2)
    ),
    condition_unknown=lambda size: condition(repeated("c ", size)),
    conditions_unknown=lambda size: rule(
        repeated("    s{n}: {status: {n}}\n", size // 2)
        + "    condition:\n"
        + repeated("        - sx{n}\n", size // 2)
    ),
    # correlations
    group_by=lambda size: correlation(
        f"    rules: [base]\n{COUNTED}    group-by:\n{rows('        - u{n}', size)}"
    ),
    group_by_twice=lambda size: correlation(
        f"    rules: [base]\n{COUNTED}    group-by:\n{rows('        - user', size)}"
    ),
    correlated=lambda size: correlation(
        f"    group-by: [user]\n{COUNTED}    rules:\n{rows('        - r{n}', size)}"
    ),
    correlated_condition=lambda size: correlation(
        f"    group-by: [user]\n    timespan: 1m\n    condition: a{repeated(' and a{n}', size)}\n",
        type_="temporal",
    ),
    correlated_temporal=lambda size: correlation(
        f"    group-by: [user]\n    timespan: 1m\n    rules:\n{rows('        - r{n}', size)}",
        type_="temporal",
    ),
    correlation_aliases=lambda size: correlation(
        f"{BY_USER}    aliases:\n{rows('        a{n}: {base: user}', size)}"
    ),
    actions=lambda size: correlation(
        BY_USER, more="response:\n    actions:\n" + repeated("        - a{n}\n", size)
    ),
    actions_twice=lambda size: correlation(
        BY_USER, more="response:\n    actions:\n" + repeated("        - deny\n", size)
    ),
    many=lambda size: rule_documents(size, ""),
    many_enforcing=enforcing_rules,
    many_same_name=lambda size: rule_documents(size, "").replace("name: r", "name: s #"),
    many_unknown=lambda size: rule_documents(size, "foo: 1\n"),
    many_filtered=lambda size: (
        rule_documents(size // 2, "")
        + repeated(
            "title: F{n}\nlogsource: {category: api_access}\nfilter: {rules: any, s: {user: u{n}}, condition: s}\n---\n",
            size // 2,
        )
    ),
    many_filters_unknown=lambda size: (
        rule_documents(size // 2, "")
        + repeated(
            "title: F{n}\nlogsource: {category: api_access}\nfilter: {rules: [rx{n}], s: {user: u{n}}, condition: s}\n---\n",
            size // 2,
        )
    ),
    chain=lambda size: chained(size, "[c{n+1}]"),
    chain_of_two=lambda size: chained(size, "[c{n+1}, c{n+2}]"),
    chain_unknown=lambda size: chained(size, "[x{n}, y{n}, z{n}]"),
    chain_of_itself=lambda size: chained(size, "[c{n}]"),
    chain_all_to_first=lambda size: chained(size, "[c0]"),
    chain_dense=lambda size: chained(size, "[" + ", ".join(f"c{number}" for number in range(64)) + "]"),
)

_add(
    "policy",
    users=lambda size: "protected:\n  users:\n" + repeated("    - u{n}\n", size),
    users_twice=lambda size: "protected:\n  users:\n" + repeated("    - u\n", size),
    users_empty=lambda size: "protected:\n  users:\n" + repeated("    - ''\n", size),
    users_numbers=lambda size: "protected:\n  users:\n" + repeated("    - {n}\n", size),
    networks=lambda size: "protected:\n  source_ips:\n" + repeated("    - 2001:db8:{n}::/48\n", size // 2),
    networks_wrong=lambda size: "protected:\n  source_ips:\n" + repeated("    - x{n}\n", size),
    keys=lambda size: repeated("k{n}: 1\n", size),
    limit_hex=lambda size: f"limits: {{alerts_per_hour: 0x{repeated('f', size)}}}\n",
    limit_hex_6000=lambda size: f"limits: {{alerts_per_hour: 0x{'f' * 6000}}}\n",
    limit_4000_digits=lambda size: f"limits: {{broad_denies_per_hour: {'9' * 4000}}}\n",
    cooldown=lambda size: f"defaults: {{cooldown: {repeated('9', size)}s}}\n",
    mode=lambda size: f"defaults: {{mode: {repeated('e', size)}}}\n",
    actions=lambda size: "defaults:\n  actions:\n    user:\n" + repeated("      - deny\n", size),
    documents=lambda size: repeated("--- {}\n", size),
)

_add(
    "cases",
    actors=lambda size: cases("      - as: m\n", actors=repeated("    m{n}: {user: u{n}}\n", size)),
    actors_unknown=lambda size: cases(
        repeated("      - as: x{n}\n", size // 2), actors=repeated("    m{n}: {user: u}\n", size // 2)
    ),
    events=lambda size: cases(repeated("      - as: m\n", size)),
    events_wrong=lambda size: cases(repeated("      - usr: m\n", size)),
    events_repeated=lambda size: cases(repeated("      - {as: m, repeat: 10000}\n", size)),
    events_long=lambda size: cases(
        "      - {as: m, repeat: 10000, user_agent: '" + "{n}" * (size // 3 - 100) + "'}\n"
    ),
    events_numbered=lambda size: (
        cases("      - as: m\n")
        + (
            "  - {name: x, kind: matching, expect: none, events: [{as: m, repeat: 9999, user_agent: '"
            + "{n}" * 6_000
            + "'}]}\n"
        )
        * (size // 18_200)
    ),
    events_of_lists=lambda size: cases(
        f"      - {{as: m, repeat: 10000, groups: [{repeated('g,', size)}]}}\n"
    ),
    event_keys=lambda size: cases("      - as: m\n" + repeated("        k{n}: 1\n", size)),
    many=lambda size: (
        cases("      - as: m\n")
        + repeated("  - {name: x, kind: matching, expect: none, events: [{as: m, repeat: 10000}]}\n", size)
    ),
    many_twice=lambda size: (
        cases("      - as: m\n")
        + repeated(
            "  - {name: x, kind: matching, deliver: twice, expect: none, events: [{as: m, repeat: 9999}]}\n",
            size,
        )
    ),
    expected=lambda size: cases("      - as: m\n").replace(
        "none", "{exactly: [" + repeated("{user: u{n}},", size) + "]}"
    ),
    offset=lambda size: cases(f"      - {{as: m, at: {repeated('9', size)}ms}}\n"),
    offset_units=lambda size: cases(f"      - {{as: m, at: 1{repeated('ms', size)}}}\n"),
    repeat_hex=lambda size: cases(f"      - {{as: m, repeat: 0x{'f' * 6000}}}\n"),
)

_add(
    "routes",
    many=lambda size: "routes:\n" + repeated("  GET /a{n}: {scopes: [a]}\n", size),
    many_wrong=lambda size: "routes:\n" + repeated("  GT /a{n}: {scopes: [a]}\n", size),
    many_same=lambda size: "routes:\n" + repeated("  GET /{x{n}}: {}\n", size),
    segments=lambda size: f"routes:\n  ? GET {repeated('/a', size)}\n  : {{}}\n",
    braces=lambda size: f"routes:\n  ? GET /{repeated('{', size)}\n  : {{}}\n",
    scopes=lambda size: "default:\n  scopes:\n" + repeated("    - s{n}\n", size),
    scopes_twice=lambda size: "default:\n  scopes:\n" + repeated("    - s\n", size),
    groups=lambda size: "routes:\n  GET /a:\n    groups:\n" + repeated("      - s{n}\n", size),
    keys=lambda size: repeated("k{n}: 1\n", size),
)

_add(
    "mapping",
    fields=lambda size: mapping("", fields=repeated("  f{n}: k{n}\n", size)),
    ignore=lambda size: mapping("ignore:\n" + repeated("  - k{n}\n", size)),
    ignore_read=lambda size: mapping("ignore:\n" + repeated("  - sub\n", size)),
    optional=lambda size: mapping("optional:\n" + repeated("  - k{n}\n", size)),
    missing=lambda size: mapping("missing:\n" + repeated("  - k{n}\n", size)),
    time_key=lambda size: (
        f"fields: {{user: u}}\ntime: {{key: {repeated('k', size)}, unit: {repeated('m', 9)}}}\n"
    ),
)
