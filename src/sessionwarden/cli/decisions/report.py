"""Shows decisions on a terminal or as JSON lines.

Usernames, sessions and addresses are text that clients chose. For a terminal, everything invisible in them is
escaped; JSON escapes by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from sessionwarden.model.decision import ActionResult, Enforcement, Reduced
from sessionwarden.printable import printable

LIMIT = 120


def as_json(known: Enforcement) -> str:
    """One decision with its results, on one line."""
    # ASCII only: a terminal obeys C1 control characters too, which JSON would leave as they are
    return json.dumps(msgspec.to_builtins(known), ensure_ascii=True)


def as_lines(found: Sequence[Enforcement]) -> Iterator[str]:
    """A table, newest first, or a sentence if there are no decisions."""
    if not found:
        yield "No decisions."
        return
    rows = [("TIME", "STATE", "SCOPE", "VALUE", "RULE", "DECISION"), *map(_row, found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def as_details(known: Enforcement) -> Iterator[str]:
    """Everything that is known of one decision, a fact a line."""
    decision = known.decision
    facts = {
        "decision": decision.id,
        "state": state_of(known),
        "made": _time_ms(decision.created_at),
        "by": decision.created_by or decision.origin,
        "rule": decision.rule,
        "title": decision.title,
        "level": decision.level,
        "reason": decision.reason,
        "scope": f"{decision.scope} {decision.value}",
        "user pool": decision.pool,
        "user (sub)": decision.user,
        "username": decision.username,
        "tokens refused": _until("of sign-ins up to", decision.not_before),
        "all refused": _until("until", decision.deny_until),
        "session refused": ", ".join(filter(None, (decision.session, *decision.more_sessions))),
        "reduced": _because(decision.reduced),
        "narrowed": "to the one session that did it" if decision.narrowed else None,
        "repeated": f"act {decision.repeats + 1} within a day" if decision.repeats else None,
        "covered by": decision.covered_by,
        "forgotten": _until("after", decision.expires_at),
        "lifted": _until("at", known.lifted_at),
        "lifted by": known.lifted_by,
    }
    for name, value in facts.items():
        if value:
            yield f"{name:<16} {printable(value, limit=LIMIT)}"
    for action in decision.actions:
        yield f"{action:<16} {_outcome(action, known.results)}"


def state_of(known: Enforcement) -> str:
    """In one word, what the decision amounts to now."""
    if known.lifted_at is not None:
        return "lifted"
    if known.decision.simulated:
        return f"simulated ({known.decision.withheld})"
    return "enforced" if "deny" in known.decision.actions else "alert only"


def _row(known: Enforcement) -> tuple[str, ...]:
    decision = known.decision
    cells = (
        state_of(known),
        decision.scope,
        decision.value,
        decision.title or decision.reason or "",
        decision.id,
    )
    return (
        _time_ms(decision.created_at),
        *(printable(cell, limit=48) for cell in cells[:-1]),
        _id(cells[-1]),
    )


def _id(decision_id: str) -> str:
    # never shortened: it is there to be copied
    return printable(decision_id, limit=1000)


def _outcome(action: str, results: Sequence[ActionResult]) -> str:
    for result in results:
        if result.action == action:
            detail = f" ({printable(result.detail, limit=LIMIT)})" if result.detail else ""
            return f"{result.outcome}{detail} {_time_ms(result.time)}"
    return "no result"


def _until(word: str, epoch_s: int | None) -> str | None:
    return None if epoch_s is None else f"{word} {_time_ms(epoch_s * 1000)}"


def _because(reduced: Reduced | None) -> str | None:
    return None if reduced is None else f"to this session ({reduced})"


def _time_ms(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
