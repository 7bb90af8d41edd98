"""Explanations on a terminal, as trees, and as JSON.

Invariant: a client wrote the event, and another person may have written the rule file, so all text is made
printable here. For what did not match, the tests that failed are shown, each with what was wanted and found.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from sessionwarden.authoring.explanation import KeyAnswer, RuleAnswer, SelectionAnswer
from sessionwarden.authoring.window_progress import figure_in_words
from sessionwarden.authoring.words import actions_in_words, line, timespan
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Response
from sessionwarden.model.rules import CompiledRule
from sessionwarden.ruleset.matching.explain import Node, decisive

YES, NO = "yes", "no "
WITHHELD = {
    "observe": "observes only: {actions} of {scope} {value} would be written down, not done",
    "protected": "nothing: {scope} {value} is protected by the policy",
    "no_principal": "nothing can be denied: the event names no verified {scope} in a pool",
    "stale": "nothing: the abuse is too long ago",
}


def print_explanations(console: Console, event: Event, answers: Sequence[RuleAnswer]) -> None:
    """A tree for every rule that takes events of this source; one line for all others."""
    console.print(Text(_event_line(event), style="bold"), soft_wrap=True)
    for answer in sorted(answers, key=lambda answer: not answer.keys):
        if answer.concerns or answer.inner:
            console.print(_tree(answer))
    others = [line(answer.rule.title) for answer in answers if not (answer.concerns or answer.inner)]
    if others:
        told = f"for events of other sources than {event.source}: {', '.join(others)}"
        console.print(Text(told, style="dim"))


def explanation_json(answer: RuleAnswer) -> dict[str, Any]:
    """The same for programs."""
    return {
        "id": answer.rule.id,
        "title": answer.rule.title,
        "counts": bool(answer.keys),
        "refused_by_us": answer.refused_by_us,
        "left_out": answer.left_out,
        "sampled_one_in": answer.rule.sampled_one_in,
        "selections": [
            {
                "rule": selection.name,
                "category": selection.category,
                "matched": selection.matched,
                "missing": selection.missing,
                "tests": None if selection.tree is None else _node_json(selection.tree),
            }
            for selection in answer.selections
        ],
        "counts_firings_of": answer.inner,
        "keys": [
            {
                "key": one.key,
                "window": one.held._asdict(),
                "bounds": answer.rule.bounds,
                "timespan_ms": answer.rule.timespan_ms,
                "fires": one.fires,
                "matched_before": one.matched_before,
                "decision": msgspec.to_builtins(one.decision),
                "asks_pool": one.asks_pool,
            }
            for one in answer.keys
        ],
    }


def _node_json(node: Node) -> dict[str, Any]:
    told: dict[str, Any] = {"matched": node.matched, "wanted": node.wanted}
    if node.name is not None:
        told["name"] = node.name
    if node.field is not None:
        told |= {"field": node.field, "actual": node.actual}
    if node.children:
        told["tests"] = [_node_json(child) for child in node.children]
    return told


def _event_line(event: Event) -> str:
    moment = f"{datetime.fromtimestamp(event.time / 1000, UTC):%Y-%m-%d %H:%M:%S}Z"
    facts = (event.source, moment, event.method, event.path, event.status, event.source_ip, event.user)
    return line("  ".join(str(fact) for fact in facts if fact is not None))


def _tree(answer: RuleAnswer) -> Tree:
    rule = answer.rule
    head = Text.assemble((line(rule.title), "bold"), "  ", _verdict(answer))
    tree = Tree(head, guide_style="dim")
    if answer.refused_by_us:
        tree.add("the denylist refused this request already: our own refusals never count")
    if answer.left_out:
        tree.add(f"not looked at: of this rule's events one in {rule.sampled_one_in} is, chosen by their ids")
    for selection in answer.selections:
        if selection.tree is not None:
            _add_selection(tree, selection)
    if answer.inner:
        tree.add(Text(f"counts findings of {line(', '.join(answer.inner))}, not this event: explain those"))
    for one in answer.keys:
        _add_key(tree, rule, one)
    return tree


def _verdict(answer: RuleAnswer) -> Text:
    if any(one.fires for one in answer.keys):
        return Text("FIRES", style="bold red")
    if answer.keys:
        return Text("counts", style="yellow")
    return Text("does not count", style="dim")


def _add_selection(tree: Tree, selection: SelectionAnswer) -> None:
    node = selection.tree
    assert node is not None
    branch = tree.add(Text.assemble(_mark(node.matched), f" {line(selection.name)}"))
    if node.matched:
        _add_node(branch, node)
        for field in selection.missing:
            branch.add(Text.assemble(_mark(False), f" {field} is missing, and the rule counts by it"))
        return
    for test in decisive(node):
        unwanted = "unwanted: " if test.matched else ""
        branch.add(Text.assemble(_mark(False), f" {unwanted}", _told(test)))


def _add_node(branch: Tree, node: Node) -> None:
    """What made it match: of alternatives only those that did."""
    if not node.children:
        branch.add(Text.assemble(_mark(node.matched), " ", _told(node)))
        return
    if node.name is not None:
        branch = branch.add(Text.assemble(_mark(node.matched), f" {line(node.name)}"))
    deciding = [child for child in node.children if node.matched == child.matched]
    for child in deciding:
        _add_node(branch, child)
    if not deciding:  # `not`: what was looked for is not there
        for test in decisive(node):
            branch.add(Text.assemble(_mark(True), " not there: ", _told(test)))


def _told(node: Node) -> Text:
    name = f"{line(node.name)}: " if node.name else ""
    return Text.assemble(name, line(node.wanted), (f"   it is {_actual(node.actual)}", "dim"))


def _actual(value: Any) -> str:
    if value is None:
        return "missing"
    return line(repr(value) if isinstance(value, str) else str(value))


def _mark(matched: bool) -> tuple[str, str]:
    return (YES, "green") if matched else (NO, "red")


def _add_key(tree: Tree, rule: CompiledRule, one: KeyAnswer) -> None:
    key = "  ".join(f"{field}={value}" for field, value in one.key.items())
    branch = tree.add(Text.assemble("counts for ", (line(key), "bold")))
    if rule.is_correlation:
        branch.add(Text(f"window of {timespan(rule)}: {line(figure_in_words(rule, one.held))}"))
        if one.missing:
            branch.add(Text(f"not seen yet: {line(', '.join(one.missing))}"))
    if not rule.emits:
        branch.add("no finding of its own: it serves other rules")
        return
    if one.held.meets and not one.fires and one.matched_before:
        branch.add("no finding again: this key had one in the same cooldown")
    elif one.held.meets and not one.fires and one.held.coarse:
        branch.add(f"no finding yet: the engine cuts {timespan(rule)} into 32 steps, and is a step behind")
    when = "policy:" if one.fires else "policy, if it fired:"
    branch.add(Text(f"{when} {_policy(rule.response, one)}"))


def _policy(response: Response, one: KeyAnswer) -> str:
    decision = one.decision
    value, actions = line(decision.value), actions_in_words(response)
    if decision.withheld in WITHHELD:
        return WITHHELD[decision.withheld].format(actions=actions, scope=decision.scope, value=value)
    asks = "; unless the user pool says that it is protected" if one.asks_pool else ""
    return f"{actions} of {decision.scope} {value}{asks}"
