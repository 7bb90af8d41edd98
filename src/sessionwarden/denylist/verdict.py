"""Decides whether the denylist entries of a principal refuse a verified token.

Invariants: the strictest entry wins, whatever the order; adding an entry that is not lifted never turns a
deny into an allow; equality refuses; expiry is decided here, since the table's TTL deletes days late. The
caller reads the entries (strongly consistent) and passes the time.
"""

from __future__ import annotations

from collections.abc import Iterable

from sessionwarden.model.deny import CLOCK_SKEW_SECONDS, Claims, DenyEntry, Verdict

ALLOWED = "ok"
DENIED_UNTIL = "denied_until"
SIGNED_OUT = "signed_out"
SESSION_DENIED = "session_denied"

_RANK = {SESSION_DENIED: 1, SIGNED_OUT: 2, DENIED_UNTIL: 3}


def judge(entries: Iterable[DenyEntry], claims: Claims, *, now: int) -> Verdict:
    """Whether `claims` may pass at `now` (epoch seconds), with the deciding entry if not.

    If several refuse, the verdict names the widest: `denied_until`, then `signed_out`, then
    `session_denied`; among equals, the largest decision id, so that the order of entries has no effect.
    """
    worst: tuple[int, str, str] | None = None
    for entry in entries:
        reason = _refusal(entry, claims, now)
        if reason is None:
            continue
        found = (_RANK[reason], entry.decision_id, reason)
        if worst is None or found > worst:
            worst = found
    if worst is None:
        return Verdict(True, ALLOWED)
    return Verdict(False, worst[2], worst[1])


def _refusal(entry: DenyEntry, claims: Claims, now: int) -> str | None:
    if now >= entry.expires_at:
        return None
    lifted = entry.lifted_at is not None
    if entry.deny_until is not None and not lifted and now <= entry.deny_until:
        return DENIED_UNTIL
    # a lift lets new sign-ins pass; an older token, or one of this session, may be the stolen one
    if lifted and entry.tokens_revived:
        return None
    if entry.not_before is not None:
        # who was let in again is not kept waiting for clocks that may differ
        cut_off = entry.not_before - (CLOCK_SKEW_SECONDS if lifted else 0)
        if claims.auth_time <= cut_off:
            return SIGNED_OUT
    if entry.session is not None and claims.session == entry.session:
        return SESSION_DENIED
    return None
