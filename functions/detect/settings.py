"""The function's settings, checked once, at the first batch; docs/reference/data.md lists them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PositiveInt, StringConstraints

from sessionwarden.adapters.aws.appconfig import ConfigurationIds
from sessionwarden.detection.storage.admission import NEW_KEYS_PER_MINUTE
from sessionwarden.detection.storage.shared_log_size import SMALLEST_MEMORY_MB, shared_log_limit_for

PREFIX = "SESSIONWARDEN_"
MEMORY_SIZE = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
"""Set by Lambda, in MB: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"""
Name = Annotated[str, StringConstraints(min_length=1)]


def _place(value: Any) -> Any:
    parts = value.split("/") if isinstance(value, str) else ()
    if len(parts) != 3 or not all(parts):
        raise ValueError("must be application/environment/profile, by their ids")
    return ConfigurationIds(*parts)


LivePlace = Annotated[ConfigurationIds, BeforeValidator(_place)]

CODE = Path(__file__).parents[2]
"""The folder that holds the `functions` package: the root of the bundle."""


class Settings(BaseModel):
    """Names of what the stack made, and where the compiled rule set is."""

    model_config = ConfigDict(frozen=True)

    bus: Name
    windows_table: Name
    findings_queue_url: Name
    ruleset: Path = Path("ruleset.json")
    live_rules: LivePlace | None = None
    """Unset: the rule set beside the code, for as long as that code is deployed."""
    new_keys_per_minute: PositiveInt = NEW_KEYS_PER_MINUTE
    memory_mb: PositiveInt = SMALLEST_MEMORY_MB
    """Of this process. What it allows of shared logs is decided here, so that no two settings can
    contradict."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read and check them; raises pydantic's `ValidationError`, which names every mistake."""
        names = {field: f"{PREFIX}{field.upper()}" for field in cls.model_fields} | {"memory_mb": MEMORY_SIZE}
        return cls.model_validate(
            {field: environment[name] for field, name in names.items() if name in environment}
        )

    @property
    def ruleset_path(self) -> Path:
        """The rule set's file; a relative path is beside the code."""
        return CODE / self.ruleset

    @property
    def shared_log_limit(self) -> int:
        """Members that an epoch of a shared log takes: the same in all processes of this size."""
        return shared_log_limit_for(memory_mb=self.memory_mb)
