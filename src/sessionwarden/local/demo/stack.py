"""Starts everything that the demo needs: an emulator, a sample API, and Sessionwarden deployed beside it.

The order is that of a real deployment: the API exists first, its template knows nothing of Sessionwarden, and
Sessionwarden receives its ids as context values.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from sessionwarden.deploy.synthesis import synthesize
from sessionwarden.local.demo.traffic import Endpoint
from sessionwarden.local.emulator.deployer import Outputs, deploy_assembly
from sessionwarden.local.emulator.emulator import Emulator, running_emulator
from sessionwarden.local.emulator.sample_api import (
    GUARDED_ROUTE,
    HTTP_STAGE,
    LEGACY_ROUTE,
    REST_STAGE,
    SampleApi,
    attach,
    deploy_sample_api,
)

STACK = "sessionwarden"
MODE = "enforce"


class Step(Protocol):
    """A step in progress."""

    def update(self, text: str) -> None:
        """Show how far the step is."""
        ...


class Progress(Protocol):
    """Shows the steps of a run while they happen."""

    def step(self, text: str) -> AbstractContextManager[Step]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStack:
    """A running deployment. `outputs` are those of the `sessionwarden` stack."""

    emulator: Emulator
    api: SampleApi
    outputs: Outputs

    @property
    def guarded(self) -> Endpoint:
        """The route that Sessionwarden's authorizer guards."""
        return Endpoint(self.api.guarded_url, self.api.http_api_id, HTTP_STAGE, GUARDED_ROUTE)

    @property
    def legacy(self) -> Endpoint:
        """A route of the same API that Cognito's own authorizer still guards."""
        return Endpoint(self.api.legacy_url, self.api.http_api_id, HTTP_STAGE, LEGACY_ROUTE)

    @property
    def rest(self) -> Endpoint:
        """The REST API's method, behind Sessionwarden's authorizer too."""
        return Endpoint(self.api.rest_url, self.api.rest_api_id, REST_STAGE, GUARDED_ROUTE)

    @property
    def access_log_groups(self) -> dict[str, str]:
        """Log group names by API id, from the ARNs in the stack's outputs."""
        api_ids = (self.api.http_api_id, self.api.rest_api_id)
        return {
            api_id: self.outputs[f"AccessLogGroup{api_id}"].split(":log-group:")[1].removesuffix(":*")
            for api_id in api_ids
        }


@contextmanager
def running_local_stack(progress: Progress) -> Iterator[LocalStack]:
    """Start the deployment, and remove it when the block ends. A start takes 10 to 20 s, mostly synthesis.

    Raises `LocalStackError` if any part does not come up in time.
    """
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(TemporaryDirectory(prefix="sessionwarden-cdk-")))
        with progress.step("An AWS emulator starts on this machine"):
            emulator = cleanup.enter_context(running_emulator())
        yield _deploy(emulator, folder, progress)


def _deploy(emulator: Emulator, folder: Path, progress: Progress) -> LocalStack:
    with progress.step("An API runs there already, behind Cognito's own authorizers"):
        api = deploy_sample_api(emulator)
    context = {
        "target": "local",
        "local_endpoint": emulator.endpoint_url,
        "mode": MODE,
        "user_pools": [{"pool_id": api.pool_id, "client_ids": [api.client_id]}],
        "http_api_ids": [api.http_api_id],
        "rest_api_ids": [api.rest_api_id],
    }
    with progress.step("app.py is synthesized for it with CDK"):
        assembly = synthesize(folder / "cdk.out", context)
    with progress.step(f"Sessionwarden is deployed beside it, in mode {MODE}"):
        outputs = deploy_assembly(emulator, assembly)[STACK]
    with progress.step("Its authorizer takes over GET /orders; GET /legacy stays as it was"):
        attach(emulator, api, outputs)
    return LocalStack(emulator=emulator, api=api, outputs=outputs)
