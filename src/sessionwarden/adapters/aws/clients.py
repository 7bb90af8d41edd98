"""Makes boto3 clients that never wait longer than the functions that use them may run.

botocore's defaults wait 60 s for a connection and 60 s for an answer. The retry mode `standard` repeats
throttled and failed calls with jitter; a failure that lasts longer sends the message back to its queue.
boto3 reads Region, credentials and `AWS_ENDPOINT_URL` from the environment.
"""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

CONNECT_SECONDS = 2.0
READ_SECONDS = 5.0
ATTEMPTS = 3


def client(
    service: str,
    *,
    session: boto3.session.Session | None = None,
    endpoint_url: str | None = None,
    connect_seconds: float = CONNECT_SECONDS,
    read_seconds: float = READ_SECONDS,
    attempts: int = ATTEMPTS,
) -> Any:
    """A client for `service`; the caller annotates it. A call takes at most `attempts` times both waits."""
    config = Config(
        connect_timeout=connect_seconds,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )
    maker: Any = session or boto3.session.Session()
    return maker.client(service, endpoint_url=endpoint_url, config=config)
