"""The published rules of a deployment, as the commands on them find it, and how they name things.

Enters: `--stack` and friends. Leaves: the deployment's AppConfig profile, its strategies, what came with its
code. Nothing is cached: who publishes must not compare with another deployment than the one named.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

from sessionwarden.adapters.aws.appconfig import Place
from sessionwarden.adapters.aws.appconfig_publishing import AppConfigPublishing, Deployment
from sessionwarden.cli.default_rules import default_rules
from sessionwarden.errors import Diagnostic, InputFileError, RulesetError
from sessionwarden.operations.deployment import DeploymentError, Target
from sessionwarden.printable import printable
from sessionwarden.ruleset.compiled import CompiledRuleset, Policy
from sessionwarden.ruleset.compiler.compile import compile_rules
from sessionwarden.ruleset.load import load_ruleset, policy_digest

DIGEST_SHOWN = 12
"""Characters: enough to tell sets apart, and what detect's metric carries."""

POLICY_DIFFERS = (
    "policy.yml is not the deployed one: who is protected and how much may happen in an hour "
    "changes with a deployment, never by publishing"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Where a deployment's rules are published. `staged` and `at_once` are deployment strategies."""

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
        if len(parts) != len(Place._fields):
            raise DeploymentError(f"stack {target.stack}: the output LiveRules cannot be read")
        return cls(
            publishing=AppConfigPublishing(target.client("appconfig"), Place(*parts)),
            staged=named("LiveRulesStaged"),
            at_once=named("LiveRulesAtOnce"),
            shipped_digest=named("ShippedRulesetDigest"),
            policy_digest=named("PolicyDigest"),
        )

    def policy_differs(self, policy: Policy) -> bool:
        """Whether enforcement works by another policy than this one."""
        return policy_digest(policy) != self.policy_digest


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
    """A digest as people compare it; a label may be anybody's text."""
    return printable(digest, limit=64)[:DIGEST_SHOWN] or "of unknown origin"
