"""The function's settings, checked once at start: a wrong one stops the deployment, not an enforcement."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Json, PositiveInt, StringConstraints

from sessionwarden.policy.compiled import load_policy
from sessionwarden.policy.deployment import DEFAULT_SESSION_LIFETIME_SECONDS, Deployment

PREFIX = "SESSIONWARDEN_"
CODE = Path(__file__).resolve().parents[2]
Name = Annotated[str, StringConstraints(min_length=1)]


class Pool(BaseModel):
    """One watched user pool; the other keys are the authorizer's."""

    model_config = ConfigDict(frozen=True)
    pool_id: Name


class Settings(BaseModel):
    """`docs/reference/data.md` lists the environment that these come from."""

    model_config = ConfigDict(frozen=True)

    mode: Literal["observe", "enforce"]
    bus: Name
    denylist_table: Name
    decisions_table: Name
    control_table: Name
    alert_topic_arn: Name
    stack: Name
    user_pools: Json[tuple[Pool, ...]]
    """May be empty: then no user and no client can be denied, and findings still alert."""
    region: Name
    session_lifetime_seconds: PositiveInt = DEFAULT_SESSION_LIFETIME_SECONDS
    policy: Path = Path("policy.json")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read and check them; raises pydantic's `ValidationError`, which names every mistake."""
        ours = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in environment.items()
            if name.startswith(PREFIX)
        }
        return cls.model_validate({**ours, "region": environment.get("AWS_REGION", "")})

    @property
    def policy_path(self) -> Path:
        """The compiled policy; a relative path is beside the code, whatever the working directory is."""
        return CODE / self.policy

    def read_deployment(self) -> Deployment:
        """What decisions depend on besides the finding. Raises `PolicyError` or `OSError` without a
        policy.
        """
        return Deployment(
            mode=self.mode,
            pools=tuple(pool.pool_id for pool in self.user_pools),
            policy=load_policy(self.policy_path.read_bytes()),
            session_lifetime_seconds=self.session_lifetime_seconds,
        )
