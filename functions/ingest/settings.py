"""The function's settings, checked once at start: a wrong one fails every delivery, loudly."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, Json, StringConstraints

from functions.ingest.records import LogKind

PREFIX = "SESSIONWARDEN_"
Name = Annotated[str, StringConstraints(min_length=1)]


class Settings(BaseModel):
    """`docs/reference/data.md` lists the environment that these come from."""

    model_config = ConfigDict(frozen=True)

    bus: Name
    log_groups: Annotated[Json[dict[Name, LogKind]], Field(min_length=1)]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read and check them; raises pydantic's `ValidationError`, which names every mistake."""
        ours = {name: environment.get(f"{PREFIX}{name.upper()}") for name in cls.model_fields}
        return cls.model_validate(ours)
