"""What ingest can have made of a line of a log: detection believes nothing else.

Enters: an event that came in a pack. Leaves: whether a line of one of our formats can have become it. The
bus lets ingest alone write packs; this is the second lock, which an event meets that was invented without
knowing the formats, and the proof that what detection relies on holds of each event. Invariants: no identity
without the pool whose key verified it; in an access log, none without our authorizer's decision; no value in
a field that the log does not have.
"""

from __future__ import annotations

from operator import attrgetter

from sessionwarden.model.event import FIELDS, Category, Event
from sessionwarden.sources import authorizer_log
from sessionwarden.sources.access_log.line import Head, is_ours
from sessionwarden.sources.values import EARLIEST_MS, MAX_ID_CHARS

CARRIED: dict[Category, frozenset[str]] = {
    "api_access": frozenset(Head.__struct_fields__) - {"v"} | {"path", "raw_path", "user_agent"},
    "api_authorizer": authorizer_log.FIELDS_OF_LINE | {"raw_path"},
}
"""The fields that each source can fill. Sign-ins and applications have no source of their own."""

_LACKED = {source: sorted(FIELDS - {"source"} - carried) for source, carried in CARRIED.items()}
_read_lacked = {source: attrgetter(*names) for source, names in _LACKED.items()}
_nothing = {source: (None,) * len(names) for source, names in _LACKED.items()}
_read_identity = attrgetter("user", "username", "session", "token", "client", "groups", "scope")
_no_identity = (None,) * 7


def could_be_ingested(event: Event) -> bool:
    """Whether ingest can have made `event` of a line."""
    source = event.source
    if source not in CARRIED or _read_lacked[source](event) != _nothing[source]:
        return False
    if not 0 < len(event.id) <= MAX_ID_CHARS or event.time < EARLIEST_MS:
        return False
    if source == "api_authorizer" and event.decision not in ("allow", "deny"):
        return False
    if event.pool is None:
        return _read_identity(event) == _no_identity
    return source == "api_authorizer" or is_ours(event.decision, event.pool)
