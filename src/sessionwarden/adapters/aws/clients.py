"""boto3 clients whose every wait is bounded.

botocore's defaults wait 60 s for a connection and 60 s for an answer, longer than the functions that
use these clients live. `standard` retries throttling and 5xx with jitter; what lasts longer goes back
to the queue. boto3 reads Region, credentials and `AWS_ENDPOINT_URL` from the environment.
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
    """A client for `service`; callers annotate it. At worst a call takes `attempts` times both waits."""
    config = Config(
        connect_timeout=connect_seconds,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )
    maker: Any = session or boto3.session.Session()
    return maker.client(service, endpoint_url=endpoint_url, config=config)
