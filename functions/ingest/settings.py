"""The settings of ingest, checked once at start. A wrong one fails every delivery, which sets off alarms."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, Json, StringConstraints

from functions.ingest.records import LogKind

PREFIX = "SESSIONWARDEN_"
Name = Annotated[str, StringConstraints(min_length=1)]


class Settings(BaseModel):
    """The settings, whose environment variables docs/reference/data.md lists."""

    model_config = ConfigDict(frozen=True)

    bus: Name
    log_groups: Annotated[Json[dict[Name, LogKind]], Field(min_length=1)]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read and check them; raises pydantic's `ValidationError`, which names every wrong variable."""
        ours = {name: environment.get(f"{PREFIX}{name.upper()}") for name in cls.model_fields}
        return cls.model_validate(ours)
