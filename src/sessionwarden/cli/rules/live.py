"""Finds the published rules of a deployment, for the commands that compare, publish and take back.

The stack's outputs name the AppConfig profile, its strategies, and what came with the code. Nothing is
cached: a person who publishes must not compare with another deployment than the one named.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

from sessionwarden.adapters.aws.appconfig import ConfigurationIds
from sessionwarden.adapters.aws.appconfig_publishing import AppConfigPublishing, Deployment
from sessionwarden.cli.default_rules import default_rules
from sessionwarden.errors import Diagnostic, InputFileError, RulesetError
from sessionwarden.operations.deployment import DeploymentError, Target
from sessionwarden.printable import printable
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.compiler.compile import compile_rules
from sessionwarden.ruleset.load import load_ruleset

DIGEST_SHOWN = 12
"""Characters: enough to tell sets apart, and what detect's metric carries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Where a deployment's rules are published, and what was deployed with its code.

    `staged` and `at_once` are AppConfig's deployment strategies.
    """

    publishing: AppConfigPublishing
    staged: str
    at_once: str
    shipped_digest: str
    policy_digest: str

    @classmethod
    def of(cls, target: Target) -> Live:
        """Raises `DeploymentError`."""
        outputs = target.outputs()

        def named(output: str) -> str:
            if output not in outputs:
                raise DeploymentError(f"stack {target.stack} has no output {output}: deploy it anew")
            return outputs[output]

        parts = named("LiveRules").split("/")
        if len(parts) != len(ConfigurationIds._fields):
            raise DeploymentError(f"stack {target.stack}: the output LiveRules cannot be read")
        return cls(
            publishing=AppConfigPublishing(target.client("appconfig"), ConfigurationIds(*parts)),
            staged=named("LiveRulesStaged"),
            at_once=named("LiveRulesAtOnce"),
            shipped_digest=named("ShippedRulesetDigest"),
            policy_digest=named("PolicyDigest"),
        )


def read_ruleset(paths: tuple[Path, ...], policy: Path | None) -> CompiledRuleset:
    """Rules compiled from files and folders (default: rules/), or one compiled set by its name in `.json`."""
    if len(paths) != 1 or paths[0].suffix != ".json":
        return compile_rules(paths or default_rules(), policy)
    try:
        return load_ruleset(paths[0].read_bytes())
    except RulesetError as error:
        raise InputFileError([Diagnostic(str(paths[0]), 0, 0, "", str(error))]) from error


def described(deployment: Deployment) -> dict[str, object]:
    """A deployment for JSON; times are epoch ms."""
    started = deployment.started_at
    return {
        **deployment._asdict(),
        "started_at": int(started.timestamp() * 1000) if started is not None else None,
    }


def in_words(deployment: Deployment) -> str:
    """A deployment on a line."""
    started = deployment.started_at
    since = f", since {started.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}" if started is not None else ""
    return f"{short(deployment.digest)} (version {deployment.version}{since})"


def short(digest: str) -> str:
    """The beginning of a digest, as people compare it; a label may be any text, hence printable."""
    return printable(digest, limit=64)[:DIGEST_SHOWN] or "of unknown origin"
