"""Chooses where the authorizer's own AWS credentials come from: the environment, or a container's endpoint.

Under SnapStart, Lambda sets no access keys but names an endpoint, since every environment that is restored
from a snapshot shares its variables; ECS and EKS do the same.
https://docs.aws.amazon.com/lambda/latest/dg/snapstart-activate.html#snapstart-credentials
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sessionwarden.adapters.lean.environment_credentials import environment_credentials, names_endpoint
from sessionwarden.adapters.lean.sigv4 import Credentials


def credentials_source(environ: Mapping[str, str]) -> Callable[[], Credentials]:
    """A function that returns the credentials of `environ`, or raises `StoreError`; it fetches none yet.

    Raises `ValueError` for an endpoint that may not be asked. The function is safe for threads.
    """
    if not names_endpoint(environ):
        return lambda: environment_credentials(environ)
    # imported only if needed, and before a snapshot is taken: a function with keys does not pay for it
    from sessionwarden.adapters.lean.container_credentials import ContainerCredentials

    return ContainerCredentials(environ)
