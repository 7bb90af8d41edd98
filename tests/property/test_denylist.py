from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sessionwarden.denylist.item import from_item, to_item
from sessionwarden.denylist.verdict import judge
from sessionwarden.model.deny import Claims, DenyEntry

times = st.integers(0, 60)
maybe_times = st.none() | times
sessions = st.sampled_from(["s-1", "s-2"])
entries = st.builds(
    DenyEntry,
    decision_id=st.text("abc", min_size=1, max_size=3),
    expires_at=times,
    not_before=maybe_times,
    deny_until=maybe_times,
    session=st.none() | sessions,
    lifted_at=maybe_times,
    tokens_revived=st.booleans(),
)
claims = st.builds(
    Claims,
    pool=st.just("p"),
    token_use=st.just("access"),
    sub=st.just("u"),
    client=st.just("c"),
    user=st.just("u"),
    username=st.just("alice"),
    session=st.none() | sessions,
    token=st.none(),
    auth_time=times,
    issued_at=times,
    expires_at=times,
)


@given(st.lists(entries, max_size=5), entries, claims, times)
def test_adding_an_entry_never_turns_a_deny_into_an_allow(
    known: list[DenyEntry], added: DenyEntry, token: Claims, now: int
) -> None:
    before, after = judge(known, token, now=now), judge([*known, added], token, now=now)
    assert before.allowed or not after.allowed


@given(st.lists(entries, max_size=5), claims, times, st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(
    known: list[DenyEntry], token: Claims, now: int, random: object
) -> None:
    shuffled = known * 2
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert judge(known, token, now=now) == judge(shuffled, token, now=now)


@given(entries, claims, times)
def test_lifting_never_denies_more(entry: DenyEntry, token: Claims, now: int) -> None:
    standing = judge([entry._replace(lifted_at=None)], token, now=now)
    lifted = judge([entry._replace(lifted_at=1)], token, now=now)
    assert lifted.allowed or not standing.allowed


@given(entries, claims, times, times)
def test_a_later_sign_in_is_never_refused_where_an_earlier_one_passes(
    entry: DenyEntry, token: Claims, now: int, later: int
) -> None:
    newer = token._replace(auth_time=token.auth_time + later)
    assert not judge([entry], token, now=now).allowed or judge([entry], newer, now=now).allowed


@given(entries)
def test_every_entry_survives_the_table(entry: DenyEntry) -> None:
    assert from_item(to_item("p#u", entry)) == ("p#u", entry)
