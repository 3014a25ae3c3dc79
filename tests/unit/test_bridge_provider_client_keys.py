"""Key sets of clients: what of them is taken."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from fixtures.bridge_provider import ec_key, key_set, public_jwk, rsa_key
from quanheng.bridge.provider.client_keys import MAX_KEYS, parse_keys


def test_a_set_is_read() -> None:
    """Keys of both types, by name, with the algorithm that they are for."""
    found = parse_keys(key_set(public_jwk(ec_key(), "e"), public_jwk(rsa_key(), "r", alg="PS256"))) or {}
    assert isinstance(found["e"].public, ec.EllipticCurvePublicKey)
    assert isinstance(found["r"].public, rsa.RSAPublicKey)
    assert (found["e"].algorithm, found["r"].algorithm) == (None, "PS256")


@pytest.mark.parametrize(
    "changes",
    [
        {"use": "enc"},
        {"use": 5},
        {"key_ops": ["sign"]},
        {"key_ops": "verify"},
        {"key_ops": 7},
        {"kid": None},
        {"kid": 5},
        {"kty": None},
        {"kty": "oct", "k": "AAAA"},
        {"kty": "OKP"},
        {"kty": ["EC"]},
        {"kty": {}},
        {"crv": "P-999"},
        {"crv": None},
        {"x": None},
        {"x": 5},
        {"x": "AA"},
        {"x": "!!!"},
        {"y": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
        {"d": "AAAA"},
    ],
)
def test_a_key_that_cannot_be_used_is_passed_over(changes: dict[str, Any]) -> None:
    """And the next one is taken all the same."""
    found = parse_keys(key_set(public_jwk(ec_key(), "bad", **changes), public_jwk(ec_key(), "good"))) or {}
    assert set(found) == {"good"}


@pytest.mark.parametrize("changes", [{"n": None}, {"n": 5}, {"n": ""}, {"e": "AA"}, {"e": "AQ"}, {"e": []}])
def test_an_rsa_key_that_cannot_be_used_is_passed_over(changes: dict[str, Any]) -> None:
    """Also one with the exponent 1, with which everything is its own signature."""
    assert parse_keys(key_set(public_jwk(rsa_key(), "bad", **changes))) == {}


@pytest.mark.parametrize("key", [ec_key(), rsa_key()])
def test_a_private_key_is_passed_over(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    """Whoever publishes one has lost it: everybody could sign."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        made = ECAlgorithm.to_jwk(key, as_dict=True)
    else:
        made = RSAAlgorithm.to_jwk(key, as_dict=True)
    private = {**made, "kid": "lost", "use": "sig", "key_ops": ["verify"]}
    assert "d" in private
    assert parse_keys(key_set(private)) == {}


def test_no_more_keys_are_read_than_a_client_may_need() -> None:
    """The rest is passed over."""
    assert len(parse_keys(key_set(*(public_jwk(ec_key(), f"k{n}") for n in range(100)))) or {}) == MAX_KEYS


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"null", b"[]", b"{}", b'{"keys":5}', b'{"keys":{}}', b"\xff", b"[" * 60_000]
)
def test_what_is_no_key_set_is_none(body: bytes) -> None:
    """It is told from an empty one, which takes every key back."""
    assert parse_keys(body) is None
    assert parse_keys(b'{"keys":[]}') == {}


members = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "alg", "use", "key_ops", "kid", "d"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


@given(st.dictionaries(members, values, max_size=4), st.booleans())
def test_a_key_of_any_form_is_read_or_passed_over(changes: dict[str, Any], of_rsa: bool) -> None:
    """Nothing that a client publishes is a fault of ours."""
    jwk = public_jwk(rsa_key() if of_rsa else ec_key(), "k") | changes
    found = parse_keys(json.dumps({"keys": [jwk, public_jwk(ec_key(), "good")]}).encode()) or {}
    assert "good" in found
    assert all(isinstance(name, str) for name in found)
