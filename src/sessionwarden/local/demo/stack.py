"""Everything the demo plays on: emulator, sample API, Sessionwarden beside it, authorizer attached.

Enters: a progress reporter. Leaves: a running `LocalStack`, gone when the block ends. The order is the
product's promise: the API comes first and knows nothing; Sessionwarden is told ids as context values.
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
    """One line of progress."""

    def update(self, text: str) -> None:
        """Say how far it is."""
        ...


class Progress(Protocol):
    """Who is told what happens while it happens."""

    def step(self, text: str) -> AbstractContextManager[Step]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStack:
    """A deployment to play with. `outputs` are those of the `sessionwarden` stack."""

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
        """Log group names by API id, out of the ARNs that the stack's outputs give."""
        api_ids = (self.api.http_api_id, self.api.rest_api_id)
        return {
            api_id: self.outputs[f"AccessLogGroup{api_id}"].split(":log-group:")[1].removesuffix(":*")
            for api_id in api_ids
        }


@contextmanager
def running_local_stack(progress: Progress) -> Iterator[LocalStack]:
    """Start, deploy and attach; about 10 to 20 s, most of it synthesis.

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
