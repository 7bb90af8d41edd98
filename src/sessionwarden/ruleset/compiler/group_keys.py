"""From which field of each rule a correlation takes each part of its group key.

Enters: a correlation with the rules it refers to. Leaves: for each of them the fields that make the
key, empty if they are called as in the group-by (Sigma's `aliases` say otherwise,
https://sigmahq.io/docs/meta/correlations.html). Invariant: an alias can never stand for a field that
must not group, and a rule that groups by itself offers only the fields of its own group-by.
"""

from __future__ import annotations

from collections.abc import Sequence

from sessionwarden.documents.check import nearest, quoted
from sessionwarden.model.event import FIELDS, INTEGER_FIELDS
from sessionwarden.ruleset.compiler.correlation_condition import Reference
from sessionwarden.ruleset.compiler.correlation_section import why_ungroupable
from sessionwarden.ruleset.compiler.sigma_document import RuleDraft
from sessionwarden.ruleset.vocabulary import field_hint, groupable

PATH = ("correlation", "aliases")


def key_fields(draft: RuleDraft, targets: Sequence[RuleDraft]) -> list[tuple[str, ...]] | None:
    """For each of `targets` the fields of the key; `None` if there was a mistake."""
    part = draft.correlation
    assert part is not None
    before = len(draft.check.diagnostics)
    chosen = _aliased(draft, targets)
    references = list(zip(part.rules, targets, strict=True))
    fields: list[tuple[str, ...]] = []
    for reference, target in references:
        named = chosen[id(target)]
        taken = tuple(named.get(name, name) for name in part.group_by or ())
        if target.correlation is not None:
            _check_given(draft, reference, target, taken)
        fields.append(() if taken == part.group_by else taken)
    return fields if len(draft.check.diagnostics) == before else None


def _aliased(draft: RuleDraft, targets: Sequence[RuleDraft]) -> dict[int, dict[str, str]]:
    """For each target by its `id()`, the field that each alias stands for."""
    part = draft.correlation
    assert part is not None
    found: dict[int, dict[str, str]] = {id(target): {} for target in targets}
    words = {
        word.lower(): target for target in targets for word, _ in target.names
    }  # a rule can be called by its id in `rules` and by its name here
    for alias, mapping in part.aliases.items():
        for word, field in mapping.items():
            path = (*PATH, alias, word)
            named = words.get(word.lower())
            if named is None:
                names = [name for name, _ in part.rules]
                draft.check.refuse(
                    path, f"{quoted(word)} is no rule of this correlation", nearest(word, names)
                )
            elif named.correlation is not None or _check_groupable(draft, field, path):
                found[id(named)][alias] = field
        missing = [
            name
            for (name, _), target in zip(part.rules, targets, strict=True)
            if alias not in found[id(target)]
            and not any(words.get(word.lower()) is target for word in mapping)
        ]
        if missing:
            draft.check.refuse((*PATH, alias), f"does not say which field of {quoted(missing[0])} it is")
        numbers = {
            found[id(target)][alias] in INTEGER_FIELDS for target in targets if alias in found[id(target)]
        }
        if len(numbers) > 1:
            draft.check.refuse((*PATH, alias), "is a number of one rule and text of another: never equal")
    return found


def _check_groupable(draft: RuleDraft, field: str, path: tuple[str, ...]) -> bool:
    if groupable(field):
        return True
    if field in FIELDS:
        draft.check.refuse(path, f"{field} cannot be a group key", why_ungroupable(field))
    else:
        draft.check.refuse(path, f"no event has a field {quoted(field)}", field_hint(field))
    return False


def _check_given(draft: RuleDraft, reference: Reference, inner: RuleDraft, taken: Sequence[str]) -> None:
    """A match of an inner rule has no fields but those of its own key."""
    part, own = draft.correlation, inner.correlation
    if part is None or own is None or own.group_by is None:
        return
    name, path = reference
    if part.type is not None and not part.type.counts_matches:
        draft.check.refuse(path, f"{quoted(name)} is a correlation, which has no quantities to measure")
        return
    given = ", ".join(own.group_by)
    for field in taken:
        if field not in own.group_by:
            draft.check.refuse(path, f"{quoted(name)} does not group by {field}", f"it groups by {given}")
    value_field = part.correlation.value_field if part.correlation else None
    if value_field is not None and value_field not in own.group_by:
        draft.check.refuse(path, f"{quoted(name)} has no {value_field} to count", f"it groups by {given}")
