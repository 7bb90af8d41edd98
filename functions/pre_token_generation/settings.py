"""The settings of the pre token generation trigger: which denylist is asked, and for which user pools.

They are read without pydantic, unlike those of the functions behind a queue: a sign-in waits for this
function's cold start, of which pydantic would be a third (`benchmarks/cold_start.py`). Invariant: a missing
or wrong setting stops the function, and the error names every such variable and shows no value.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import NamedTuple, Self

from sessionwarden.errors import SettingsError

TABLE = "SESSIONWARDEN_DENYLIST_TABLE"
POOLS = "SESSIONWARDEN_USER_POOLS"


class Settings(NamedTuple):
    """What the trigger is told. `pool_ids` are the watched pools; their other keys are for the authorizer."""

    denylist_table: str
    pool_ids: frozenset[str]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read and check the settings. Raises `SettingsError`, which names every mistake."""
        table, pool_ids = environment.get(TABLE), _pool_ids(environment.get(POOLS, ""))
        if table and pool_ids is not None:
            return cls(table, pool_ids)
        wrong = [] if table else [f"{TABLE} is not set"]
        if pool_ids is None:
            wrong.append(f"{POOLS} is not a JSON list of user pools, each with a pool_id")
        raise SettingsError("; ".join(wrong))


def _pool_ids(text: str) -> frozenset[str] | None:
    try:
        found = [pool["pool_id"] for pool in json.loads(text)]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return frozenset(found) if all(isinstance(one, str) and one for one in found) else None
