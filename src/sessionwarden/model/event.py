"""An event: one observed request or identity event. Events are all that rules see.

`sources` makes events from log lines; their field names are those of the rule language. Invariant: `user`,
`session`, `client` and `token` come from a verified token or from a source declared trusted; a name that was
only claimed is in `claimed_user`, which rules cannot group by. A missing value is `None`, never `-` or `""`.
`path` is in one spelling (`sources.request_path`); `raw_path` is as the client wrote it, `None` if that is
the same.

These are msgspec structs, because millions are decoded, and its decoder checks types and refuses unknown keys
while it reads.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from sessionwarden.model.source_network import source_network

Category = Literal["api_access", "api_authorizer", "identity", "application"]
"""Where an event was seen. A rule names it as `logsource.category`."""


class Event(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """One observed request or identity event. `time` is epoch milliseconds, sizes are bytes.

    Pass fields by name. Only `sources.access_log` passes them by position, where an event costs 0.25 µs
    instead of 1.6. An event holds only texts, numbers and tuples of texts, so it can be part of no reference
    cycle, and the garbage collector need not track it.
    """

    id: str
    time: int
    source: Category

    api_id: str | None = None
    stage: str | None = None
    route: str | None = None
    method: str | None = None
    path: str | None = None
    raw_path: str | None = None
    query: str | None = None
    host: str | None = None
    status: int | None = None
    response_bytes: int | None = None
    latency_ms: int | None = None
    error: str | None = None

    user: str | None = None
    username: str | None = None
    session: str | None = None
    token: str | None = None
    client: str | None = None
    pool: str | None = None
    groups: tuple[str, ...] | None = None
    scope: tuple[str, ...] | None = None
    identity: str | None = None

    source_ip: str | None = None
    user_agent: str | None = None
    referer: str | None = None
    country: str | None = None
    asn: str | None = None
    ja4: str | None = None

    decision: str | None = None
    reason: str | None = None
    claimed_user: str | None = None

    @property
    def source_network(self) -> str | None:
        """The /48 or /24 of `source_ip`, by which rules can group."""
        return None if self.source_ip is None else source_network(self.source_ip)


FIELDS: frozenset[str] = frozenset(Event.__struct_fields__)
INTEGER_FIELDS: frozenset[str] = frozenset({"time", "status", "response_bytes", "latency_ms"})
LIST_FIELDS: frozenset[str] = frozenset({"groups", "scope"})

UNGROUPABLE_FIELDS: frozenset[str] = LIST_FIELDS | {"claimed_user", "id", "raw_path", "time"}
"""Fields that can never be a group key. With `claimed_user`, an attacker could name a victim; with
`raw_path`, have a key of its own for each spelling of a path."""

DERIVED_FIELDS: frozenset[str] = frozenset({"source_network"})
"""What rules can group by and no log has: it follows from a field."""

GROUPABLE_FIELDS: frozenset[str] = FIELDS - UNGROUPABLE_FIELDS | DERIVED_FIELDS

UNCOUNTABLE_FIELDS: frozenset[str] = LIST_FIELDS | {"raw_path"}
"""Fields whose values are never counted: a client could spell one path in many ways, each a value of its
own."""


class EventPack(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Many events in one EventBridge entry. It is the `detail` of entries with detail-type `Events`."""

    version: Literal[1]
    events: tuple[Event, ...]
