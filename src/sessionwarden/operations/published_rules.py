"""Finds the published rules of a deployment, for the commands that compare, publish and take back.

The stack's outputs name the AppConfig profile, its strategies, and what came with the code. Nothing is
cached: an operator who publishes must not compare with another deployment than the one named.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sessionwarden.adapters.aws.appconfig import ConfigurationIds
from sessionwarden.adapters.aws.appconfig_publishing import AppConfigPublishing
from sessionwarden.operations.deployment import DeploymentError, Target
from sessionwarden.policy.compiled import policy_digest
from sessionwarden.ruleset.compiler.compile import compile_policy


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


class PolicyComparison(NamedTuple):
    """Digests of the deployed policy and of what `file` compiles to. No file: nothing was compared."""

    deployed: str
    file: str | None
    compiled: str | None

    @property
    def same(self) -> bool | None:
        """Whether the file says what is deployed; `None` without a file."""
        return None if self.compiled is None else self.compiled == self.deployed


def compare_policy(live: Live, file: Path | None) -> PolicyComparison:
    """Compare a policy file with the deployed policy. Raises `InputFileError` for a mistake in the file."""
    if file is None:
        return PolicyComparison(live.policy_digest, None, None)
    return PolicyComparison(live.policy_digest, str(file), policy_digest(compile_policy(file)))
