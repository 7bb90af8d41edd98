from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import certifi
import pytest

from sessionwarden.adapters.lean.tls_trust import first_context, system_context, wider_context
from tests.support.certificates import write_certificate

AWS_HOST = "dynamodb.eu-west-1.amazonaws.com"

NAMES = {
    "Amazon Root CA 1",
    "Amazon Root CA 2",
    "Amazon Root CA 3",
    "Amazon Root CA 4",
    "Starfield Services Root Certificate Authority - G2",
}
"""What https://www.amazontrust.com/repository/ lists as the roots of Amazon Trust Services."""


@pytest.fixture(autouse=True)
def _no_roots_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


def roots(context: ssl.SSLContext) -> set[bytes]:
    return set(context.get_ca_certs(binary_form=True))


def common_names(subject: Any) -> list[str]:
    return [value for part in subject for name, value in part if name == "commonName"]


def test_our_roots_are_the_five_of_amazon_trust_services() -> None:
    found = first_context(AWS_HOST, None).get_ca_certs()
    assert {name for root in found for name in common_names(root["subject"])} == NAMES


def test_our_roots_are_byte_for_byte_in_the_public_root_programme() -> None:
    ours = roots(first_context(AWS_HOST, None))
    assert len(ours) == len(NAMES)
    assert ours <= roots(ssl.create_default_context(cafile=certifi.where()))


def test_every_context_verifies_certificate_and_name(tmp_path: Path) -> None:
    cafile = str(write_certificate(tmp_path, address="127.0.0.1"))
    for context in (first_context(AWS_HOST, None), first_context(AWS_HOST, cafile), system_context()):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname


@pytest.mark.parametrize("host", ["127.0.0.1", "a.example", "amazonaws.com.a.example", "xamazonaws.com"])
def test_a_host_that_is_not_of_aws_is_verified_with_the_systems_roots(host: str) -> None:
    assert first_context(host, None) is system_context()


def test_an_aws_host_that_our_roots_do_not_verify_is_tried_with_the_systems_roots_only() -> None:
    assert wider_context(first_context(AWS_HOST, None)) is system_context()
    assert wider_context(system_context()) is None


def test_a_named_file_replaces_every_other_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cafile = str(write_certificate(tmp_path, address="127.0.0.1"))
    named = first_context(AWS_HOST, cafile)
    assert len(roots(named)) == 1
    assert wider_context(named) is None

    monkeypatch.setenv("AWS_CA_BUNDLE", cafile)
    assert first_context(AWS_HOST, None) is named


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_roots_that_openssl_was_given_replace_ours(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "/nowhere")
    assert first_context(AWS_HOST, None) is system_context()


def test_a_named_file_without_roots_is_a_mistake_and_not_the_systems_roots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for content in (None, "", "no certificate"):
        path = tmp_path / f"roots-{content}.pem"
        if content is not None:
            path.write_text(content)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(path))
        with pytest.raises(ValueError, match="cannot be read"):
            first_context(AWS_HOST, None)
