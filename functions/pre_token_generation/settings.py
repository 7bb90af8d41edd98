"""The settings of the pre token generation trigger."""

from __future__ import annotations

from pydantic import Json

from functions.settings import FunctionSettings, Name, WatchedPool


class Settings(FunctionSettings):
    """Which denylist is asked, and for which user pools."""

    denylist_table: Name
    user_pools: Json[tuple[WatchedPool, ...]]
