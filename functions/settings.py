"""How a function reads its settings: environment variables, checked once at start.

Each field of a `FunctionSettings` is read from the variable `SESSIONWARDEN_<FIELD>`, or from the one that it
names as its alias. docs/reference/data.md lists them all. Invariant: a wrong or missing setting stops the
function before it touches an event, and the error names every such variable and shows no value. The
authorizer and the pre token generation trigger, which a client waits for, read theirs without pydantic.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from sessionwarden.errors import SettingsError

CODE = Path(__file__).resolve().parents[1]
"""The folder that holds the `functions` package: the root of the bundle. A function's working directory is
not ours to choose, so files of the bundle are found from here."""

Name = Annotated[str, StringConstraints(min_length=1)]


def _variable(field: str) -> str:
    return f"SESSIONWARDEN_{field.upper()}"


class WatchedPool(BaseModel):
    """One watched user pool; its other keys are for the authorizer alone."""

    model_config = ConfigDict(frozen=True)

    pool_id: Name


class FunctionSettings(BaseModel):
    """Base of the settings of a function."""

    model_config = ConfigDict(frozen=True, alias_generator=_variable, hide_input_in_errors=True)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read and check the settings. Raises `SettingsError`, which names every mistake."""
        try:
            return cls.model_validate(dict(environment))
        except ValidationError as error:
            wrong = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
            raise SettingsError("; ".join(wrong)) from error
