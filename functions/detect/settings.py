"""The settings of the detect function."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, PositiveInt

from functions.settings import CODE, FunctionSettings, Name
from sessionwarden.adapters.aws.appconfig import ConfigurationIds
from sessionwarden.detection.storage.admission import NEW_KEYS_PER_MINUTE
from sessionwarden.detection.storage.shared_log_size import SMALLEST_MEMORY_MB, shared_log_limit_for

MEMORY_SIZE: Final = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
"""Set by Lambda, in MB: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"""


def _configuration_ids(value: Any) -> Any:
    parts = value.split("/") if isinstance(value, str) else ()
    if len(parts) != 3 or not all(parts):
        raise ValueError("must be application/environment/profile, by their ids")
    return ConfigurationIds(*parts)


class Settings(FunctionSettings):
    """Names of what the stack made, and where the compiled rule set is."""

    bus: Name
    mode: Literal["observe", "enforce"] = "observe"
    """Whether this deployment acts on findings: only then is enforcement reminded of those that go on."""
    windows_table: Name
    findings_queue_url: Name
    ruleset: Path = Path("ruleset.json")
    live_rules: Annotated[ConfigurationIds, BeforeValidator(_configuration_ids)] | None = None
    """Where rules are published. Unset: the rule set beside the code, as long as that code is deployed."""
    new_keys_per_minute: PositiveInt = NEW_KEYS_PER_MINUTE
    memory_mb: PositiveInt = Field(default=SMALLEST_MEMORY_MB, alias=MEMORY_SIZE)
    """The memory of this process. How large shared logs may be follows from it alone, so that no two settings
    can contradict."""

    @property
    def ruleset_path(self) -> Path:
        """The rule set's file; a relative path is beside the code."""
        return CODE / self.ruleset

    @property
    def shared_log_limit(self) -> int:
        """Members that one epoch of a shared log may hold: the same in all processes of this size."""
        return shared_log_limit_for(memory_mb=self.memory_mb)
