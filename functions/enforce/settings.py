"""The settings of the enforce function: a wrong one stops the deployment, not an enforcement."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, Json, PositiveInt

from functions.settings import CODE, FunctionSettings, Name, WatchedPool
from sessionwarden.policy.compiled import load_policy
from sessionwarden.policy.deployment import DEFAULT_SESSION_LIFETIME_SECONDS, Deployment


class Settings(FunctionSettings):
    """Names of what the stack made, and what the deployment enforces."""

    mode: Literal["observe", "enforce"]
    bus: Name
    denylist_table: Name
    decisions_table: Name
    control_table: Name
    alert_topic_arn: Name
    grouped_alerts_queue_url: Name
    """Where acts go that are told together, because their rule has sent its alerts of the hour."""
    stack: Name
    user_pools: Json[tuple[WatchedPool, ...]]
    """May be empty: then no user can be denied, and findings still send alerts."""
    region: Name = Field(alias="AWS_REGION")
    session_lifetime_seconds: PositiveInt = DEFAULT_SESSION_LIFETIME_SECONDS
    policy: Path = Path("policy.json")

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
