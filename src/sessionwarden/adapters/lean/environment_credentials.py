"""Reads AWS credentials from environment variables, or sees that those name an endpoint instead.

Lambda sets access keys for a function without SnapStart. Variables as in the SDKs:
https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
"""

from __future__ import annotations

from collections.abc import Mapping

from sessionwarden.adapters.lean.sigv4 import Credentials
from sessionwarden.errors import StoreError

ACCESS_KEY = "AWS_ACCESS_KEY_ID"
FULL_URI = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
RELATIVE_URI = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"


def names_endpoint(environ: Mapping[str, str]) -> bool:
    """Whether credentials come from the endpoint that `environ` names; keys in `environ` win over it."""
    return not environ.get(ACCESS_KEY) and bool(environ.get(RELATIVE_URI) or environ.get(FULL_URI))


def environment_credentials(environ: Mapping[str, str]) -> Credentials:
    """The keys in `environ`. Call it for each use, as the SDKs do, because Lambda may replace them.

    Raises `StoreError` if there are none.
    """
    access_key, secret_key = environ.get(ACCESS_KEY), environ.get("AWS_SECRET_ACCESS_KEY")
    if not access_key or not secret_key:
        raise StoreError("no AWS credentials in the environment")
    return Credentials(access_key, secret_key, environ.get("AWS_SESSION_TOKEN", ""))
