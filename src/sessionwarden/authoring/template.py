"""The text of a new rule and of its cases: valid, proved, and harmless until its author changes it.

Enters: a name, a log source, a kind. Leaves: two YAML texts that `rules check` and `rules test --strict`
accept as they are (a test holds that for every combination). Invariant: a new rule observes, and its findings
name a source address alone.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from sessionwarden.model.event import Category

NewKind = Literal["event", "event_count", "value_count"]

NEW_KINDS: tuple[NewKind, ...] = get_args(NewKind)


class Sample(NamedTuple):
    """What a source's template looks for: a detection, an event that has it, and one that does not."""

    detection: str
    seen: str
    spared: str


SAMPLES: dict[Category, Sample] = {
    "api_access": Sample("status: 403", "status: 403", "status: 200"),
    "api_authorizer": Sample(
        "decision: deny", "decision: deny, reason: expired", "decision: allow, reason: ok"
    ),
    "identity": Sample("error|exists: true", "error: NotAuthorizedException", "error: null"),
    "application": Sample("reason: refused", "reason: refused", "reason: accepted"),
}


class Texts(NamedTuple):
    """The contents of a rule file and of the cases file beside it."""

    rule: str
    cases: str


HEAD = """\
title: "{title}"
{names}
status: experimental
description: Say what happens, why it is abuse, and what the response does about it.
author: {author}
date: {date}
"""
DETECTION = """\
logsource:
  category: {category}
detection:
  wanted:
    {detection}
  condition: wanted
falsepositives:
  - Say who does this innocently
level: {level}
"""
CORRELATION = """\
correlation:
  type: {kind}
  rules:
    - {name}
  group-by:
    - source_ip
  timespan: 5m
  condition:
    {condition}
falsepositives:
  - Say who does this innocently
level: medium
"""
RESPONSE = """\
response:
  scope: source_ip
  mode: observe
  actions: [alert]
"""
AUTHOR = "Say who"
CONDITIONS: dict[NewKind, str] = {"event_count": "gte: 20", "value_count": "field: path\n    gte: 20"}


def template(*, name: str, category: Category, kind: NewKind, rule_id: str, date: str) -> Texts:
    """Both files for a rule called `name` (lower-case words joined by `-`). `date` is `YYYY-MM-DD`."""
    title = " ".join(word.capitalize() for word in name.split("-"))
    detection = SAMPLES[category].detection

    def head(title: str, names: str) -> str:
        return HEAD.format(title=title, names=names, author=AUTHOR, date=date)

    if kind == "event":
        selects = DETECTION.format(category=category, detection=detection, level="low")
        return Texts(head(title, f"id: {rule_id}") + selects + RESPONSE, _cases_of_event(rule_id, category))
    counted = f"{name.replace('-', '_')}_event"
    selects = DETECTION.format(category=category, detection=detection, level="informational")
    counts = CORRELATION.format(kind=kind, name=counted, condition=CONDITIONS[kind])
    first = head(f"Event of {title}", f"name: {counted}") + selects
    second = head(title, f"id: {rule_id}") + counts + RESPONSE
    return Texts(f"{first}---\n{second}", _cases_of_count(rule_id, category))


def _cases_of_event(rule_id: str, category: Category) -> str:
    sample = SAMPLES[category]
    return f"""\
rule: {rule_id}
defaults: {{source: {category}, source_ip: 203.0.113.9, path: /orders}}
cases:
  - name: it happens once
    kind: matching
    events:
      - {{{sample.seen}}}
    expect: {{exactly: [{{source_ip: 203.0.113.9}}]}}
  - name: it happens, but no address is known
    kind: just_under
    events:
      - {{{sample.seen}, source_ip: null}}
    expect: none
  - name: an innocent neighbour does something like it
    kind: lookalike
    events:
      - {{{sample.spared}, repeat: 100, every: 1s}}
    expect: none
"""


def _cases_of_count(rule_id: str, category: Category) -> str:
    sample = SAMPLES[category]
    return f"""\
rule: {rule_id}
defaults: {{source: {category}, path: "/orders/{{n}}"}}
actors:
  abuser: {{source_ip: 203.0.113.9}}
  neighbour: {{source_ip: 198.51.100.7}}
cases:
  - name: twenty in three minutes
    kind: matching
    events:
      - {{as: abuser, {sample.seen}, repeat: 20, every: 9s}}
      - {{as: neighbour, {sample.seen}, repeat: 5, every: 9s}}
    expect: {{exactly: [{{source_ip: 203.0.113.9}}]}}
  - name: one too few
    kind: just_under
    events:
      - {{as: abuser, {sample.seen}, repeat: 19, every: 9s}}
    expect: none
  - name: twenty, the last of them four minutes after the first
    kind: just_over
    events:
      - {{as: abuser, {sample.seen}, repeat: 20, every: 12s}}
    expect: {{exactly: [{{source_ip: 203.0.113.9}}]}}
  - name: an innocent neighbour does something like it
    kind: lookalike
    events:
      - {{as: neighbour, {sample.spared}, repeat: 100, every: 1s}}
    expect: none
  - name: twenty, delivered backwards
    kind: out_of_order
    deliver: reversed
    events:
      - {{as: abuser, {sample.seen}, repeat: 20, every: 9s}}
    expect: {{exactly: [{{source_ip: 203.0.113.9}}]}}
"""
