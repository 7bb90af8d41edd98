"""What an enforcing rule may do only if its author says so: act upon everybody, or for good.

Enters: a compiled rule that enforces. Leaves: the words of `acknowledge` that it needs, each with what it
would do. Three things are looked for: a rule that a single ordinary request makes act, for most of the people
of `ordinary_traffic` (any rule that matches all requests does); blocks of addresses that together hold most
addresses; and `disable_user`, which no expiry undoes. Left out: how many requests of honest people within a
timespan are ordinary, so thresholds above one are not judged, and neither is a rule that spares just the
people made up here: a replay of a real log says that (`rules publish`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Any, NamedTuple

from sessionwarden.correlations.bounds import Condition
from sessionwarden.correlations.registry import type_of
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Action
from sessionwarden.model.rules import CompiledRule, Selection
from sessionwarden.ruleset.dangers.ordinary_traffic import Person, ordinary_people
from sessionwarden.ruleset.matching.predicates import Predicate, compile_expression

MATCHES_EVERYBODY = "matches_everybody"
MOST_ADDRESSES = "most_addresses"
DISABLES_USERS = "disables_users"

ACKNOWLEDGEABLE = (MATCHES_EVERYBODY, MOST_ADDRESSES, DISABLES_USERS)
"""The words of `acknowledge`."""

HARMLESS: frozenset[Action] = frozenset({"alert"})

_GLOBAL_IPV6 = IPv6Network("2000::/3")
"""All addresses that are routed: the others of IPv6 are on no public network."""


class Danger(NamedTuple):
    """A word of `acknowledge` that a rule needs, and what the rule would do."""

    word: str
    effect: str


class Dangers:
    """Judges the rules of one set. `rules` are those that others build on, by id."""

    def __init__(self, rules: Mapping[str, CompiledRule]) -> None:
        self._rules = rules
        self._predicates: dict[int, Predicate] = {}
        self._suffices: dict[tuple[str, str, str, int], bool] = {}

    def of(self, rule: CompiledRule) -> Iterator[Danger]:
        """What the rule must not do unsaid; nothing if it observes, serves others or only alerts."""
        response = rule.response
        if not rule.emits or response.mode != "enforce" or HARMLESS.issuperset(response.actions):
            return
        actions = " and ".join(action for action in response.actions if action not in HARMLESS)
        people = self._people_at_risk(rule)
        if people is not None:
            yield Danger(MATCHES_EVERYBODY, f"{actions}: one ordinary request of {people} is enough")
        family = _most_addresses(self._expressions(rule))
        if family is not None:
            yield Danger(MOST_ADDRESSES, f"{actions}: its cidr holds most addresses of {family}")
        if "disable_user" in response.actions:
            yield Danger(DISABLES_USERS, "disables accounts until an operator enables each again")

    def _people_at_risk(self, rule: CompiledRule) -> str | None:
        """Of which people a single request is enough, of most of them."""
        for category in sorted(self._categories(rule)):
            for name, people in ordinary_people(category).items():
                acted_upon = sum(
                    self._is_enough(rule, person, (category, name, number))
                    for number, person in enumerate(people)
                )
                if 2 * acted_upon >= len(people):
                    return name
        return None

    def _categories(self, rule: CompiledRule) -> set[Any]:
        return {selection.category for selection in self._selections(rule)}

    def _selections(self, rule: CompiledRule) -> Iterator[Selection]:
        waiting, seen = [rule], {rule.id}
        while waiting:
            one = waiting.pop()
            yield from one.selections
            below = [self._rules[inner.rule] for inner in one.inner if inner.rule not in seen]
            seen.update(inner.id for inner in below)
            waiting += below

    def _expressions(self, rule: CompiledRule) -> Iterator[Any]:
        return (selection.expression for selection in self._selections(rule))

    def _is_enough(self, rule: CompiledRule, person: Person, name: tuple[str, str, int]) -> bool:
        """Whether the rule has a finding about a person after a single request of theirs (or one a step)."""
        key = (rule.id, *name)
        if key not in self._suffices:
            steps = type_of(rule).has_steps if rule.is_correlation else False
            selected = (self._is_selected(rule, selection, person) for selection in rule.selections)
            matched = (self._counts(rule, inner.rule, person, name) for inner in rule.inner)
            members = (*selected, *matched) if steps else (any(selected) or any(matched),)
            self._suffices[key] = all(members)
        return self._suffices[key]

    def _counts(self, rule: CompiledRule, inner: str, person: Person, name: tuple[str, str, int]) -> bool:
        return self._is_enough(self._rules[inner], person, name) and _is_met(rule, 1)

    def _is_selected(self, rule: CompiledRule, selection: Selection, person: Person) -> bool:
        matches = self._predicate(selection)
        fields = selection.fields or rule.group_by
        return any(
            event.source == selection.category
            and all(getattr(event, field) for field in fields)
            and _is_met(rule, _measure(rule, event))
            and matches(event)
            for event in person
        )

    def _predicate(self, selection: Selection) -> Predicate:
        # rules of one selection share its expression
        key = id(selection.expression)
        if key not in self._predicates:
            self._predicates[key] = compile_expression(selection.expression)
        return self._predicates[key]


def _measure(rule: CompiledRule, event: Event) -> int | None:
    """What the rule measures of an interval that holds just this event; `None` if it is no member."""
    if rule.value_field is None:
        return 1
    value = getattr(event, rule.value_field)
    return value if value is None or type_of(rule).shows_value else 1


def _is_met(rule: CompiledRule, measure: int | None) -> bool:
    return measure is not None and Condition(rule.bounds, grows=False, least=1).met(measure)


def _most_addresses(expressions: Iterable[Any]) -> str | None:
    """The family of addresses of which most are in the blocks that the expressions name, taken together."""
    blocks = {block for expression in expressions for block in _blocks_in(expression)}
    networks = [ip_network(block) for block in sorted(blocks)]
    ipv4 = [network for network in networks if isinstance(network, IPv4Network)]
    ipv6 = [network for network in networks if isinstance(network, IPv6Network)]
    if 2 * sum(one.num_addresses for one in collapse_addresses(ipv4)) >= 1 << 32:
        return "IPv4"
    routed = (_within(one, _GLOBAL_IPV6) for one in collapse_addresses(ipv6))
    if 2 * sum(routed) >= _GLOBAL_IPV6.num_addresses:
        return "IPv6"
    return None


def _within(network: IPv6Network, other: IPv6Network) -> int:
    """How many addresses two networks share: one of them holds the other, or none."""
    return min(network.num_addresses, other.num_addresses) if network.overlaps(other) else 0


def _blocks_in(expression: Any) -> Sequence[str]:
    """The blocks of every `cidr` test, negated ones too: whose complement is meant makes no difference."""
    name, *operands = expression
    if name == "cidr":
        return list(operands[1])
    if name in ("and", "or", "not"):
        return [block for operand in operands for block in _blocks_in(operand)]
    return []
