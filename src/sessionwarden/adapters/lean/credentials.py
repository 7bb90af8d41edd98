"""Where the authorizer's own AWS credentials come from: the environment, or the container's endpoint.

Enters: environment variables. Leaves: a function that gives credentials, or raises `StoreError`. Under
SnapStart, Lambda sets no access keys but names an endpoint, since a snapshot's environment is shared by
all that are restored from it; containers of ECS and EKS do the same. Keys in the environment win, as in
the SDKs. https://docs.aws.amazon.com/lambda/latest/dg/snapstart-activate.html#snapstart-credentials
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sessionwarden.adapters.lean.sigv4 import Credentials
from sessionwarden.errors import StoreError

CONTAINER_FULL_URI = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
CONTAINER_RELATIVE_URI = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"


def credentials_source(environ: Mapping[str, str]) -> Callable[[], Credentials]:
    """Gives the credentials of `environ` when called; asks for none yet.

    Raises `ValueError` for an endpoint that may not be asked. Not for several threads at once.
    """
    named = environ.get(CONTAINER_RELATIVE_URI) or environ.get(CONTAINER_FULL_URI)
    if environ.get("AWS_ACCESS_KEY_ID") or not named:
        return lambda: environment_credentials(environ)
    # imported here, before a snapshot is taken: whoever has keys in the environment need not pay for it
    from sessionwarden.adapters.lean.container_credentials import ContainerCredentials

    return ContainerCredentials(environ)


def environment_credentials(environ: Mapping[str, str]) -> Credentials:
    """What Lambda gives a function without SnapStart; read anew each time, as the SDKs do.

    Raises `StoreError` if there are none: nothing can be asked without.
    """
    access_key, secret_key = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    if not access_key or not secret_key:
        raise StoreError("no AWS credentials in the environment")
    return Credentials(access_key, secret_key, environ.get("AWS_SESSION_TOKEN", ""))
