"""Chooses the root certificates for a TLS connection: Amazon's five, the system's, or an operator's file.

Loading a system's hundred-odd roots costs about 50 ms of CPU on a cold start, loading five costs 1 ms.
Invariant: no server is trusted that the system does not trust, unless an operator names a file. If Amazon's
roots do not verify a host of AWS, the system's are tried, so a new root of AWS is slow but no outage.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ats-certs.html
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

from sessionwarden.adapters.lean.amazon_roots import AMAZON_ROOTS

AWS_DOMAIN = ".amazonaws.com"
# Variables by which operators replace these roots: botocore's, then OpenSSL's, which the system's
# context obeys.
CA_BUNDLE = "AWS_CA_BUNDLE"
_OPENSSL_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def first_context(host: str, cafile: str | None) -> ssl.SSLContext:
    """The context that verifies `host` first: from `cafile` or the environment, if either names roots.

    Raises `ValueError` for a file without roots, rather than trust others than the operator chose.
    """
    named = cafile or os.environ.get(CA_BUNDLE)
    if named:
        return _file_context(named)
    if host.endswith(AWS_DOMAIN) and not any(map(os.environ.get, _OPENSSL_VARIABLES)):
        return _amazon_context()
    return system_context()


def wider_context(context: ssl.SSLContext) -> ssl.SSLContext | None:
    """The context to try after `context` failed to verify a server: the system's, after Amazon's five."""
    return system_context() if context is _amazon_context() else None


@lru_cache(maxsize=1)
def system_context() -> ssl.SSLContext:
    """All roots of the system, or of the file that `SSL_CERT_FILE` names. Loading takes tens of ms, once."""
    return ssl.create_default_context()


@lru_cache(maxsize=1)
def _amazon_context() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=AMAZON_ROOTS)


@lru_cache(maxsize=4)
def _file_context(cafile: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=cafile)
    except OSError as error:
        raise ValueError(f"the roots in {cafile!r} cannot be read") from error
