"""Coverage: up to when what a user, a machine or an address did has been acted upon.

An act ends what it is aimed at, from then on. It covers the events before it: a finding that needs one of
them to meet its rule asks for nothing that was not done. Events after it are new abuse, by a new sign-in.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

NOTHING_DONE: Mapping[str, int] = MappingProxyType({})


class Coverage(NamedTuple):
    """What is covered of one principal, or of one series of findings. Times are epoch ms.

    Events up to `until` are, by the decision `by`. `lockout` if that decision kept new sign-ins out, or
    disabled the account: it covers findings that ask for as much. `enforced` are the times of the last
    acts, by the ids of their decisions.
    """

    until: int = 0
    by: str = ""
    lockout: bool = False
    enforced: Mapping[str, int] = NOTHING_DONE


NOT_COVERED = Coverage()
