"""The settings of the ingest function: a wrong one fails every delivery, loudly."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Json

from functions.ingest.records import LogKind
from functions.settings import FunctionSettings, Name


class Settings(FunctionSettings):
    """Where events go, and what each log group holds."""

    bus: Name
    log_groups: Annotated[Json[dict[Name, LogKind]], Field(min_length=1)]

    @property
    def rest_api_ids(self) -> frozenset[str]:
        """Ids of the REST APIs that are watched, with which the names of their log groups end."""
        return frozenset(
            group.rpartition("/")[2] for group, kind in self.log_groups.items() if kind == "rest_api"
        )
