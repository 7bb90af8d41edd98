"""Our signer against botocore's, for the one kind of request that we send."""

from __future__ import annotations

import datetime
from unittest import mock

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from sessionwarden.adapters.lean.sigv4 import CONTENT_TYPE, Credentials, Signer

TARGET = "DynamoDB_20120810.Query"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
HOST = "dynamodb.eu-west-1.amazonaws.com"


def botocores(body: bytes, token: str, now: int, host: str) -> str:
    request = AWSRequest(
        method="POST",
        url=f"https://{host}/",
        data=body,
        headers={"Host": host, "Content-Type": CONTENT_TYPE, "X-Amz-Target": TARGET},
    )
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC).replace(tzinfo=None)
    with mock.patch("botocore.auth.get_current_datetime", return_value=moment):
        SigV4Auth(BotoCredentials("AKIDEXAMPLE", SECRET, token or None), "dynamodb", "eu-west-1").add_auth(
            request
        )
    return str(request.headers["Authorization"])


def ours(signer: Signer, body: bytes, token: str, now: float) -> dict[str, str]:
    text = signer.headers(
        target=TARGET, body=body, credentials=Credentials("AKIDEXAMPLE", SECRET, token), now=now
    )
    assert text.endswith("\r\n")
    return dict(line.split(": ", 1) for line in text.removesuffix("\r\n").split("\r\n"))


tokens = st.text("ABCabc012+/=", max_size=20)


@given(
    st.binary(max_size=64), tokens, st.integers(0, 4_000_000_000), st.sampled_from([HOST, "127.0.0.1:4566"])
)
def test_the_signature_is_botocores(body: bytes, token: str, now: int, host: str) -> None:
    signer = Signer(region="eu-west-1", service="dynamodb", host=host)
    assert ours(signer, body, token, now)["Authorization"] == botocores(body, token, now, host)


@given(st.lists(st.integers(0, 4_000_000_000), min_size=2, max_size=4))
def test_a_signer_that_is_used_again_signs_for_the_day_it_is(times: list[int]) -> None:
    signer = Signer(region="eu-west-1", service="dynamodb", host=HOST)
    for now in times:
        assert ours(signer, b"{}", "", now)["Authorization"] == botocores(b"{}", "", now, HOST)


def test_changed_credentials_are_used_at_once() -> None:
    signer = Signer(region="eu-west-1", service="dynamodb", host=HOST)
    first = signer.headers(target=TARGET, body=b"", credentials=Credentials("A", "one"), now=0)
    second = signer.headers(target=TARGET, body=b"", credentials=Credentials("A", "two"), now=0)
    assert first != second
