"""Encodes a deny entry as a DynamoDB item and decodes it again, for every adapter.

Items are in the low-level form of the DynamoDB API (`{"S": ...}`, `{"N": ...}`, `{"BOOL": ...}`), because the
authorizer reads them without boto3. Invariant: an item that cannot be read completely raises an error and is
never skipped: a damaged entry, or one that a newer version wrote, may be the very one that denies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sessionwarden.errors import DamagedItemError
from sessionwarden.model.deny import DenyEntry

Item = dict[str, dict[str, Any]]
"""One item in the low-level form of the DynamoDB API."""

ATTRIBUTES = frozenset({"principal", *DenyEntry._fields})
MAX_EPOCH_DIGITS = 12


def to_item(principal: str, entry: DenyEntry) -> Item:
    """The item of `entry` under `principal`. Values that are `None` or false are left out."""
    item: Item = {
        "principal": {"S": principal},
        "decision_id": {"S": entry.decision_id},
        "expires_at": {"N": str(entry.expires_at)},
    }
    for name in ("not_before", "deny_until", "lifted_at"):
        value = getattr(entry, name)
        if value is not None:
            item[name] = {"N": str(value)}
    if entry.session is not None:
        item["session"] = {"S": entry.session}
    if entry.tokens_revived:
        item["tokens_revived"] = {"BOOL": True}
    return item


def from_item(item: Mapping[str, Any]) -> tuple[str, DenyEntry]:
    """The principal and the entry of `item`.

    Raises `DamagedItemError` for an unknown attribute, a missing one, or a value of another type
    than `to_item` writes.
    """
    if not isinstance(item, Mapping) or not ATTRIBUTES.issuperset(item):
        raise DamagedItemError("a denylist item has unknown attributes")
    return read_text(item, "principal"), DenyEntry(
        decision_id=read_text(item, "decision_id"),
        expires_at=read_epoch(item, "expires_at"),
        not_before=read_epoch(item, "not_before") if "not_before" in item else None,
        deny_until=read_epoch(item, "deny_until") if "deny_until" in item else None,
        session=read_text(item, "session") if "session" in item else None,
        lifted_at=read_epoch(item, "lifted_at") if "lifted_at" in item else None,
        tokens_revived=_flag(item, "tokens_revived") if "tokens_revived" in item else False,
    )


def entry_of(principal: str, item: Mapping[str, Any]) -> DenyEntry:
    """The entry of `item`, which was read for `principal`; raises `DamagedItemError` as `from_item` does.

    An item of another principal is an error too: neither may its deny refuse this one, nor can an answer
    that mixes up its items be believed to hold all of this one's.
    """
    owner, entry = from_item(item)
    if owner != principal:
        raise DamagedItemError("the denylist answered for another principal")
    return entry


def read_text(item: Mapping[str, Any], name: str) -> str:
    """The text of an attribute; raises `DamagedItemError`."""
    value = _value(item, name, "S")
    if not isinstance(value, str) or not value:
        raise DamagedItemError(f"{name} of a denylist item is not a text")
    return value


def read_epoch(item: Mapping[str, Any], name: str) -> int:
    """The epoch seconds of an attribute; raises `DamagedItemError`."""
    value = _value(item, name, "N")
    # isdecimal alone would accept Arabic-Indic digits, and so would int()
    if not isinstance(value, str) or not (value.isascii() and value.isdecimal()):
        raise DamagedItemError(f"{name} of a denylist item is not a time in whole seconds")
    if len(value) > MAX_EPOCH_DIGITS:
        raise DamagedItemError(f"{name} of a denylist item is too large")
    return int(value)


def _flag(item: Mapping[str, Any], name: str) -> bool:
    value = _value(item, name, "BOOL")
    if not isinstance(value, bool):
        raise DamagedItemError(f"{name} of a denylist item is not a boolean")
    return value


def _value(item: Mapping[str, Any], name: str, kind: str) -> Any:
    value = item.get(name)
    if not isinstance(value, Mapping) or tuple(value) != (kind,):
        raise DamagedItemError(f"{name} of a denylist item is missing or of another type than {kind}")
    return value[kind]
