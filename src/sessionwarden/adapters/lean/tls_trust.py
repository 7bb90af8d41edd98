"""Whom a TLS connection believes: the few roots that vouch for AWS, the system's, or a file's.

Enters: a host and the environment. Leaves: contexts that verify certificate and name. Reading a system's
hundred-odd roots costs about 50 ms of CPU on a cold start, five cost one. Invariant: nobody is believed
whom the system does not believe, unless an operator names a file; a host of AWS that our five roots do not
vouch for is asked again with the system's, so that a new root of AWS is slow and no outage.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ats-certs.html
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

from sessionwarden.adapters.lean.amazon_roots import AMAZON_ROOTS

AWS_DOMAIN = ".amazonaws.com"
# an operator's own choice of roots replaces ours: botocore's variable, then OpenSSL's, which the
# system's context obeys
CA_BUNDLE = "AWS_CA_BUNDLE"
_OPENSSL_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def first_context(host: str, cafile: str | None) -> ssl.SSLContext:
    """What to verify `host` with: `cafile` or the environment's choice if there is one.

    Raises `ValueError` for a file without roots: to believe others instead would be another choice.
    """
    named = cafile or os.environ.get(CA_BUNDLE)
    if named:
        return _file_context(named)
    if host.endswith(AWS_DOMAIN) and not any(map(os.environ.get, _OPENSSL_VARIABLES)):
        return _amazon_context()
    return system_context()


def wider_context(context: ssl.SSLContext) -> ssl.SSLContext | None:
    """What to try when `context` did not believe a server: the system's roots after our five."""
    return system_context() if context is _amazon_context() else None


@lru_cache(maxsize=1)
def system_context() -> ssl.SSLContext:
    """All roots of the system, or of the file that `SSL_CERT_FILE` names. Tens of milliseconds once."""
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
