from __future__ import annotations

from typing import Any

import pytest

from sessionwarden.denylist.item import entry_of, from_item, to_item
from sessionwarden.errors import DamagedItemError
from sessionwarden.model.deny import DenyEntry
from sessionwarden.model.principal import principal

FULL = DenyEntry(
    decision_id="d-1",
    expires_at=1_800_000_000,
    not_before=1_790_000_000,
    deny_until=1_790_003_600,
    session="s-1",
    lifted_at=1_790_000_100,
    tokens_revived=True,
)


@pytest.mark.parametrize("entry", [FULL, DenyEntry("d-2", 5), DenyEntry("d-3", 5, session="s")])
def test_an_entry_survives_the_way_to_the_table_and_back(entry: DenyEntry) -> None:
    assert from_item(to_item("p#u", entry)) == ("p#u", entry)


def test_a_time_of_twelve_digits_is_read() -> None:
    latest = DenyEntry("d", 999_999_999_999)
    assert from_item(to_item("p#u", latest)) == ("p#u", latest)


def test_the_item_has_exactly_the_documented_attributes() -> None:
    assert to_item("pool#sub", FULL) == {
        "principal": {"S": "pool#sub"},
        "decision_id": {"S": "d-1"},
        "expires_at": {"N": "1800000000"},
        "not_before": {"N": "1790000000"},
        "deny_until": {"N": "1790003600"},
        "lifted_at": {"N": "1790000100"},
        "session": {"S": "s-1"},
        "tokens_revived": {"BOOL": True},
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"future_field": {"S": "x"}},
        {"principal": None},
        {"decision_id": None},
        {"expires_at": None},
        {"expires_at": {"S": "5"}},
        {"expires_at": {"N": 5}},
        {"expires_at": {"N": "5.0"}},
        {"expires_at": {"N": "-5"}},
        {"expires_at": {"N": " 5"}},
        {"expires_at": {"N": ""}},
        {"expires_at": {"N": "\u0665"}},
        {"expires_at": {"N": "1" * 13}},
        {"expires_at": {"N": "5", "S": "5"}},
        {"expires_at": {}},
        {"expires_at": "5"},
        {"not_before": {"NULL": True}},
        {"deny_until": {"N": "1E9"}},
        {"session": {"S": ""}},
        {"session": {"S": 1}},
        {"session": {"NULL": True}},
        {"lifted_at": {"BOOL": True}},
        {"tokens_revived": {"BOOL": "true"}},
        {"tokens_revived": {"N": "1"}},
    ],
)
def test_an_item_that_cannot_be_read_completely_is_refused(changes: dict[str, Any]) -> None:
    item = {name: value for name, value in (to_item("p#u", FULL) | changes).items() if value is not None}
    with pytest.raises(DamagedItemError):
        from_item(item)


@pytest.mark.parametrize("owner", ["p#u2", "p#U", "p#u ", "q#u", "#polled"])
def test_an_item_of_another_owner_is_refused_whatever_it_says(owner: str) -> None:
    assert entry_of("p#u", to_item("p#u", FULL)) == FULL
    with pytest.raises(DamagedItemError, match="another principal"):
        entry_of("p#u", to_item(owner, FULL))


@pytest.mark.parametrize("item", [None, [], "x", 5])
def test_what_is_no_item_is_refused(item: Any) -> None:
    with pytest.raises(DamagedItemError):
        from_item(item)


def test_a_principal_names_one_sub_of_one_pool() -> None:
    assert principal("eu-west-1_A", "u#1") == "eu-west-1_A#u#1"


@pytest.mark.parametrize(("pool", "sub"), [("", "u"), ("p", ""), ("p#q", "u")])
def test_a_principal_that_could_name_another_user_is_refused(pool: str, sub: str) -> None:
    with pytest.raises(ValueError, match="principal"):
        principal(pool, sub)
