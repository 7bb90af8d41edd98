from __future__ import annotations

import pytest

from sessionwarden.denylist.verdict import judge
from sessionwarden.model.deny import Claims, DenyEntry, Verdict

NOW = 1000
FAR = 100_000
CLAIMS = Claims(
    pool="p", token_use="access", sub="u", client="c", user="u", username="alice", session="s-1", token="t",
    auth_time=500, issued_at=600, expires_at=2000,
)  # fmt: skip


def reason(*entries: DenyEntry, claims: Claims = CLAIMS, now: int = NOW) -> str:
    return judge(entries, claims, now=now).reason


def test_without_entries_a_token_is_allowed() -> None:
    assert judge((), CLAIMS, now=NOW) == Verdict(True, "ok")


@pytest.mark.parametrize(("not_before", "expected"), [(499, "ok"), (500, "signed_out"), (501, "signed_out")])
def test_a_token_from_a_sign_in_at_or_before_the_cutoff_is_refused(not_before: int, expected: str) -> None:
    assert reason(DenyEntry("d", FAR, not_before=not_before)) == expected


@pytest.mark.parametrize(
    ("deny_until", "expected"), [(999, "ok"), (1000, "denied_until"), (1001, "denied_until")]
)
def test_every_token_is_refused_up_to_and_including_deny_until(deny_until: int, expected: str) -> None:
    assert reason(DenyEntry("d", FAR, deny_until=deny_until)) == expected


def test_a_denied_session_is_refused_and_another_of_the_user_is_not() -> None:
    entry = DenyEntry("d", FAR, session="s-1")
    assert reason(entry) == "session_denied"
    assert reason(entry, claims=CLAIMS._replace(session="s-2")) == "ok"
    assert reason(entry, claims=CLAIMS._replace(session=None)) == "ok"


def test_a_token_without_a_session_is_not_taken_for_one_of_an_entry_without_a_session() -> None:
    assert reason(DenyEntry("d", FAR, not_before=499), claims=CLAIMS._replace(session=None)) == "ok"


@pytest.mark.parametrize("expires_at", [0, 999, 1000])
def test_an_expired_entry_has_no_effect_though_the_table_still_has_it(expires_at: int) -> None:
    assert reason(DenyEntry("d", expires_at, not_before=FAR, deny_until=FAR, session="s-1")) == "ok"


def test_an_entry_counts_until_its_last_second() -> None:
    assert reason(DenyEntry("d", NOW + 1, session="s-1")) == "session_denied"


def test_lifting_lets_new_sign_ins_in_and_keeps_old_tokens_dead() -> None:
    entry = DenyEntry("d", FAR, not_before=700, deny_until=FAR, session="s-1", lifted_at=900)
    assert reason(entry) == "signed_out"
    assert reason(entry, claims=CLAIMS._replace(auth_time=701, session="s-2")) == "ok"


def test_reviving_tokens_by_name_lets_them_in_too() -> None:
    entry = DenyEntry(
        "d", FAR, not_before=700, deny_until=FAR, session="s-1", lifted_at=900, tokens_revived=True
    )
    assert reason(entry) == "ok"


def test_revived_without_having_been_lifted_changes_nothing() -> None:
    assert reason(DenyEntry("d", FAR, not_before=700, tokens_revived=True)) == "signed_out"


def test_one_lifted_decision_does_not_lift_another() -> None:
    lifted = DenyEntry("a", FAR, session="s-1", lifted_at=900)
    assert judge([lifted, DenyEntry("b", FAR, session="s-1")], CLAIMS, now=NOW).decision_id == "b"


def test_the_widest_refusal_is_named() -> None:
    session, signed_out, until = (
        DenyEntry("z", FAR, session="s-1"),
        DenyEntry("y", FAR, not_before=700),
        DenyEntry("x", FAR, deny_until=FAR),
    )
    assert judge([session, signed_out], CLAIMS, now=NOW) == Verdict(False, "signed_out", "y")
    assert judge([until, session, signed_out], CLAIMS, now=NOW) == Verdict(False, "denied_until", "x")


def test_a_machine_token_is_judged_like_any_other() -> None:
    machine = CLAIMS._replace(sub="c", user=None, username=None, session=None)
    assert reason(DenyEntry("d", FAR, not_before=500), claims=machine) == "signed_out"
