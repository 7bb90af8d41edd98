from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sessionwarden.detection.storage.shared_log import SharedLogEpoch, pack
from sessionwarden.detection.windows.key_state import OWNER_BYTES

OWNER, OTHER = b"an owner 1", b"an owner 2"

# few letters and few owners, so that members repeat and the bytes of one occur within others
owners = st.sampled_from([bytes(OWNER_BYTES), b"a" * OWNER_BYTES, b"a" * 9 + b"b", b"b" + b"a" * 9])
members = st.builds(bytes.__add__, owners, st.text("ab\0", min_size=2, max_size=14).map(str.encode))


def test_an_epoch_counts_each_member_of_each_owner_once() -> None:
    epoch = SharedLogEpoch()
    for _ in range(2):
        epoch.add([OWNER + b"a", OWNER + b"b", OTHER + b"a", OTHER + b"a", OWNER + b"c"])
    assert epoch.count == 4
    assert epoch.of(OWNER) == {b"a", b"b", b"c"}
    assert epoch.of(OTHER) == {b"a"}
    assert not epoch.of(b"nobody----")
    assert OTHER + b"a" in epoch
    assert OTHER + b"b" not in epoch


@given(st.lists(members, max_size=40))
def test_an_epoch_is_the_set_of_its_members_whatever_their_bytes(added: list[bytes]) -> None:
    epoch, expected = SharedLogEpoch(added), set(added)
    assert epoch.count == len(expected)
    for owner in {member[:OWNER_BYTES] for member in added} | {b"b" * OWNER_BYTES}:
        own = {member[OWNER_BYTES:] for member in expected if member.startswith(owner)}
        assert epoch.of(owner) == own
    for member in expected:
        assert member in epoch
        assert (member + b"!" in epoch) == (member + b"!" in expected)


@given(st.lists(st.sets(members, max_size=20), max_size=5))
def test_what_items_carry_is_what_was_packed(items: list[set[bytes]]) -> None:
    epoch, known = SharedLogEpoch(), set[bytes]()
    for item in items:
        fresh = item - known
        epoch.add_packed(pack(fresh))
        known |= fresh
    assert epoch.count == len(known)
    assert {owner + one for owner in {m[:OWNER_BYTES] for m in known} for one in epoch.of(owner)} == known
    epoch.add(known)
    assert epoch.count == len(known)


def test_keys_that_were_searched_for_their_hash_do_not_pile_up_in_one_place() -> None:
    # whoever wants owners that begin, or end, with the same bytes finds some by trying
    searched = [
        *(b"same" + number.to_bytes(6) for number in range(2_000)),
        *(number.to_bytes(6) + b"same" for number in range(2_000)),
    ]
    epoch = SharedLogEpoch()
    epoch.add_packed(pack(owner + b"member" for owner in searched))
    (places,) = epoch._by_length.values()
    assert max(map(len, places.values())) < 20 * len(searched[0] + b"member")
    assert all(epoch.of(owner) == {b"member"} for owner in searched)
