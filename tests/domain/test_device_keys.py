"""Device keys and refresh tokens."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hodhod_server.domain.device_keys import is_signed_by, return_message
from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.refresh_tokens import first_token, next_token, random_token
from hodhod_server.domain.secret import Secret

KEY = Secret(b"k" * 32)


def test_the_message_is_the_one_that_clients_sign() -> None:
    assert return_message(7, 1700000000000) == b"hodhod device-key v1\n7\n1700000000000"


def test_only_the_key_that_signed_is_believed() -> None:
    message = return_message(7, 1)
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    public_key = key.public_key().public_bytes_raw()
    assert is_signed_by(public_key, key.sign(message), message)
    assert not is_signed_by(public_key, other.sign(message), message)
    assert not is_signed_by(public_key, key.sign(message), return_message(8, 1))
    assert not is_signed_by(None, key.sign(message), message)
    assert not is_signed_by(public_key, b"", message)
    assert not is_signed_by(b"\xff" * 32, key.sign(message), message)


def test_derived_tokens_are_the_same_every_time_and_differ_from_one_another() -> None:
    first = first_token(KEY, ChallengeId("A"))
    second = next_token(KEY, first)
    assert first.text == first_token(KEY, ChallengeId("A")).text
    assert second.text == next_token(KEY, first).text
    tokens = {first.text, second.text, next_token(KEY, second).text, random_token().text}
    assert len(tokens | {first_token(Secret(b"o" * 32), ChallengeId("A")).text}) == 5


def test_a_token_does_not_show_itself() -> None:
    token = random_token()
    assert token.text not in repr(token)
    assert token.text.encode() not in token.stored_hash
