"""No attack is allowed, and the docs count them as they are."""

from __future__ import annotations

from pathlib import Path

from tests.attack_cases import attacks, decide, table

DOC = Path(__file__).resolve().parents[2] / "docs/explanation/attack-cases.md"


def test_every_attack_is_refused_with_a_reason_that_is_ours() -> None:
    for name, cases in attacks():
        for number, case in enumerate(cases):
            decision = decide(case)
            assert decision.status in (401, 403), (name, number)
            # a mistake of ours refuses too, but nobody should need it: except where one is injected
            assert decision.reason != "internal_error" or isinstance(case.entries, Exception), (name, number)


def test_the_docs_show_this_table() -> None:
    assert table() in DOC.read_text(encoding="utf-8"), "run python -m tests.attack_cases"
