"""The message token: every vector of the reference, and what must not pass for one."""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.errors import BadRequestError
from libs.contracts.senml import check_shared_secret, message_token, same_secret, signing_secret

VECTORS = json.loads((Path(__file__).parent / "vectors" / "senml.json").read_bytes())["tokens"]
SECRET = "0123456789abcdefghijABCDEFGHIJ"
BODY = b'[{"bn":"urn:dev:DVNUUID:3f0e1c52-7c3f-4a0e-9d3b-2b0c1a4f5e66:"}]'


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_a_token_is_what_the_reference_says(vector: dict[str, Any]) -> None:
    body = vector["body"].encode()

    assert len(body) == vector["len"]
    assert message_token(body, vector["secret"]) == vector["token"]
    assert signing_secret(body, vector["token"].upper(), ["other", vector["secret"]]) == 1
    assert signing_secret(body + b"\n", vector["token"], [vector["secret"]]) is None


@pytest.mark.parametrize(
    "token",
    [
        hmac.digest(SECRET.encode(), BODY, "sha256").hex(),
        hashlib.sha256(SECRET.encode() + BODY).hexdigest(),
        hashlib.sha256(BODY).hexdigest(),
        message_token(BODY, SECRET)[:-1],
        f"{message_token(BODY, SECRET)}\n",
        "",
        "é" * 64,
        "\ud800" * 64,
    ],
    ids=["hmac", "secret first", "no secret", "short", "line feed", "empty", "no hex", "surrogates"],
)
def test_another_construction_is_no_token(token: str) -> None:
    assert signing_secret(BODY, token, [SECRET]) is None


def test_without_secrets_nothing_is_verified() -> None:
    assert signing_secret(BODY, message_token(BODY, ""), []) is None
    assert same_secret("", []) is None


@given(st.text())
def test_a_password_is_the_secret_and_nothing_else(given: str) -> None:
    assert same_secret(SECRET, ["x" * 30, SECRET]) == 1
    assert same_secret(given, [SECRET]) == (0 if given == SECRET else None)


@pytest.mark.parametrize("length", [30, 100])
def test_a_secret_has_30_to_100_alphanumerics(length: int) -> None:
    secret = ("aZ9" * 34)[:length]

    assert check_shared_secret(secret) == secret


@pytest.mark.parametrize(
    "secret", ["a" * 29, "a" * 101, "a" * 30 + "!", "a" * 30 + "\n", "é" * 30, "٣" * 30, ""], ids=ascii
)
def test_any_other_secret_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        check_shared_secret(secret)

    assert not secret or secret not in refused.value.reason_phrase
