"""The two targets of the stack: AWS, and the emulator on this machine.

`PROFILES` are the settings by target, and `DIFFERENCES` lists every point in which the two templates may
differ, with the reason. A test synthesizes both and fails on any other difference, and
docs/reference/local-differences.md is checked against this list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from stacks.settings import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The settings of one target. With a `batching_window_seconds` of `None`, no batch is waited for.

    `grouped_alerts_seconds` is for how long acts are collected that operators are told of in one message.
    With a `denylist_deadline_ms` of `None`, the authorizer keeps its default. A published rule set reaches
    every process within `rollout_minutes`; alarms can revert it for `bake_minutes` more.
    """

    batching_window_seconds: int | None
    detect_max_concurrency: int
    grouped_alerts_seconds: int | None
    denylist_deadline_ms: int | None
    rollout_minutes: int
    bake_minutes: int
    silent_logs: Literal["watched", "unwatched"]
    """Whether alarms compare the lines of each log with requests, which takes metric math."""


PROFILES: Mapping[Target, Profile] = {
    "aws": Profile(
        batching_window_seconds=1,
        detect_max_concurrency=10,
        grouped_alerts_seconds=300,
        denylist_deadline_ms=None,
        rollout_minutes=4,
        bake_minutes=10,
        silent_logs="watched",
    ),
    "local": Profile(
        batching_window_seconds=None,
        detect_max_concurrency=2,
        grouped_alerts_seconds=None,
        denylist_deadline_ms=3_000,
        rollout_minutes=0,
        bake_minutes=0,
        silent_logs="unwatched",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One permitted difference: a property of a resource type, or of an output, by its dotted path.

    The path `logical id` means that the resource has another logical id.
    """

    where: str
    path: str
    reason: str


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        where="AWS::Lambda::Function",
        path="Code.S3Key",
        reason="AWS gets aarch64 wheels; the emulator runs functions on this machine's Python.",
    ),
    Difference(
        where="AWS::Lambda::Function",
        path="Environment.Variables.SESSIONWARDEN_USER_POOLS",
        reason="The emulator serves a pool's keys at its own address (`jwks_url`); the issuer stays AWS's.",
    ),
    Difference(
        where="AWS::Lambda::Function",
        path="Environment.Variables.SESSIONWARDEN_DENYLIST_DEADLINE_MS",
        reason="The emulator shares this machine's cores with every function; 300 ms would test the machine.",
    ),
    Difference(
        where="AWS::Lambda::Version",
        path="logical id",
        reason="A version is named after what it publishes: the code and the environment, as above.",
    ),
    Difference(
        where="AWS::Lambda::Alias",
        path="FunctionVersion.Fn::GetAtt",
        reason="The alias points at that version.",
    ),
    Difference(
        where="Outputs",
        path="UserPools.Value",
        reason="The same value as in the functions' environment.",
    ),
    Difference(
        where="AWS::Lambda::EventSourceMapping",
        path="MaximumBatchingWindowInSeconds",
        reason="The emulator has no batching windows.",
    ),
    Difference(
        where="AWS::Lambda::EventSourceMapping",
        path="BatchSize",
        reason="Without a window, Lambda takes at most ten acts at once for a message about many.",
    ),
    Difference(
        where="AWS::SQS::Queue",
        path="VisibilityTimeout",
        reason="The time in which a batch of acts is collected comes on top.",
    ),
    Difference(
        where="AWS::Lambda::EventSourceMapping",
        path="ScalingConfig.MaximumConcurrency",
        reason="Every concurrent invocation is a process of its own on this machine.",
    ),
    Difference(
        where="AWS::AppConfig::DeploymentStrategy",
        path="DeploymentDurationInMinutes",
        reason="A rollout's minutes are real ones in the emulator too; locally, rules are live at once.",
    ),
    Difference(
        where="AWS::AppConfig::DeploymentStrategy",
        path="FinalBakeTimeInMinutes",
        reason="As above: no operator watches alarms on this machine.",
    ),
    Difference(
        where="AWS::CloudWatch::Alarm",
        path="logical id",
        reason="The emulator knows no metric math, so that no alarm on a silent log is deployed there.",
    ),
)


def jwks_url(endpoint: str, pool_id: str) -> str:
    """The URL at which the emulator at `endpoint` serves a pool's keys."""
    return f"{endpoint}/{pool_id}/.well-known/jwks.json"
