"""A signed-in attacker whose log lines make a shipped rule match, for measurements and end-to-end tests.

Invariant: the lines are one real request of its session, repeated with new ids from other addresses, because
the emulator's gateway writes no access log itself.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from msgspec.structs import replace

from sessionwarden.errors import LocalStackError
from sessionwarden.local.demo.stack import LocalStack
from sessionwarden.local.demo.traffic import AccessLog, SignIn, Tokens, Visitor, new_id
from sessionwarden.model.event import Event

# The shipped rule ends a session that is used from four addresses.
ADDRESSES = 5


class _Kept(AccessLog):
    """An access log that keeps lines instead of writing them."""

    def record(self, event: Event) -> None:
        self.lines.append(event)


class SampleAttacker:
    """One user with one session."""

    def __init__(self, stack: LocalStack) -> None:
        people = SignIn(stack.emulator, stack.api)
        self.account = people.create(f"attacker-{secrets.token_hex(4)}")
        self.tokens: Tokens = people.sign_in(self.account)
        # addresses of its own (RFC 3849), each in its own /64, so that no rule about addresses matches
        network = f"2001:db8:{secrets.token_hex(2)}"
        self.addresses = tuple(f"{network}:{number}::1" for number in range(ADDRESSES))
        self._stack = stack

    @property
    def user(self) -> str:
        """The `sub`."""
        return self.account.user

    def visitor(self) -> Visitor:
        """A connection with the session's token; the caller closes it."""
        return Visitor(self.tokens, address=self.addresses[0])

    def status(self) -> int:
        """The status with which the guarded route answers now."""
        visitor = self.visitor()
        try:
            return visitor.request(self._stack.guarded).status
        finally:
            visitor.close()

    def abuse(self) -> Sequence[Event]:
        """Log lines that cross the threshold. Raises `LocalStackError` if the session is refused already."""
        kept = _Kept(self._stack.emulator, self._stack.access_log_groups)
        visitor = self.visitor()
        status = visitor.request(self._stack.guarded, kept).status
        visitor.close()
        if status != 200:
            raise LocalStackError(f"a fresh session was answered {status}")
        (real,) = kept.lines
        return [
            replace(real, id=new_id(), time=real.time + number, source_ip=address)
            for number, address in enumerate(self.addresses)
        ]
