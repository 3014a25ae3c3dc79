"""Signatures and encryption of the card platform's messages, against answers that OpenSSL gave.

The simulator signs with the same code as the adapter, so that the two agree proves little: these do. For each
known answer the command is beside it.
"""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from fixtures.card_platform import ENCRYPTION_KEY, SIGNING_KEY, platform_settings
from quanheng.bridge.card.messages import canonical_text
from quanheng.bridge.card.protection import (
    HmacSha1AesCbc,
    HmacSm3Sm4Gcm,
    MessageProtection,
    ProtectionError,
    load_protection,
)
from quanheng.errors import ConfigurationError

KEY = bytes.fromhex(ENCRYPTION_KEY)
IV = bytes.fromhex("0f0e0d0c0b0a09080706050403020100")
CLASSIC = HmacSha1AesCbc(SIGNING_KEY.encode(), KEY)
NATIONAL = HmacSm3Sm4Gcm(SIGNING_KEY.encode(), KEY)
CONTENT = b'{"qrCode":"abc"}'
PARAMETERS = {
    "security": "c2VhbGVk",
    "_api_version": "1.0.0",
    "_api_name": "service",
    "_api_timestamp": "1700000000000",
    "_api_access_key": "key",
}
LINE = (
    "_api_access_key=key&_api_name=service&_api_timestamp=1700000000000&_api_version=1.0.0&security=c2VhbGVk"
)
# openssl enc -aes-128-cbc -K 00112233445566778899aabbccddeeff -iv 0f0e0d0c0b0a09080706050403020100 | base64
SEALED_BY_OPENSSL = "bhsQEDyUvWHVfEPWJfPOX3EKuvGZiP03ZaH/ctv0vMw="
# openssl enc -sm4-ctr with the counter 0f0e0d0c0b0a090807060504 00000002 for the text; -sm4-ecb of zeros for
# the hash key, of the counter 00000001 for the tag's mask; GHASH (NIST SP 800-38D, section 6.4) by hand.
SEALED_BY_HAND = "Dw4NDAsKCQgHBgUERQnfDl13ygZXRaA9yz+BUP9gMUxywVDrmoia3/iVXjQ="

both = pytest.mark.parametrize("protection", [CLASSIC, NATIONAL], ids=["classic", "national"])


def test_parameters_are_signed_in_their_order() -> None:
    """Sorted by name, name=value, joined with &, nothing escaped."""
    assert canonical_text(PARAMETERS) == LINE
    assert canonical_text({"b": "2&=", "a": "一"}) == "a=一&b=2&="


@pytest.mark.parametrize(
    ("protection", "signature"),
    [
        # openssl dgst -sha1 -mac HMAC -macopt key:a-signing-key-of-nobody -binary | base64
        (CLASSIC, "tVXIVJqhOUSX01WyEtGI2X3XfF4="),
        # openssl dgst -sm3 -mac HMAC -macopt key:a-signing-key-of-nobody -binary | base64
        (NATIONAL, "5dVBH1nHQSxcdO6/phjNW+GB0xSyAJxupiY35vFJs04="),
    ],
)
def test_a_signature_is_what_openssl_says(protection: MessageProtection, signature: str) -> None:
    """Also in the other direction."""
    assert protection.sign(LINE) == signature
    protection.verify(LINE, signature)


def test_aes_is_what_openssl_says() -> None:
    """With a fixed vector the very same text; without one the vector stands in front."""
    assert HmacSha1AesCbc(b"x", KEY, IV).seal(CONTENT) == SEALED_BY_OPENSSL
    assert HmacSha1AesCbc(b"x", KEY, IV).open(SEALED_BY_OPENSSL) == CONTENT
    in_front = base64.b64encode(IV + base64.b64decode(SEALED_BY_OPENSSL)).decode()
    assert CLASSIC.open(in_front) == CONTENT


def test_sm4_gcm_is_what_openssl_says() -> None:
    """Nonce in front, tag behind."""
    assert NATIONAL.open(SEALED_BY_HAND) == CONTENT


def test_sm4_gcm_is_that_of_the_standard() -> None:
    """The ciphertext of RFC 8998, appendix A.1; its tag covers additional data, of which we have none."""
    protection = HmacSm3Sm4Gcm(b"x", bytes.fromhex("0123456789abcdeffedcba9876543210"))
    plain = bytes.fromhex(
        "aa" * 8 + "bb" * 8 + "cc" * 8 + "dd" * 8 + "ee" * 8 + "ff" * 8 + "ee" * 8 + "aa" * 8
    )
    sealed = bytes.fromhex(
        "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
        "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
    )
    nonce = bytes.fromhex("00001234567800000000abcd")
    # GCM is counter mode: what encrypts to this text under the nonce is found by sealing with that nonce.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("quanheng.bridge.card.protection.secrets.token_bytes", lambda _size: nonce)
        assert base64.b64decode(protection.seal(plain))[12:-16] == sealed


@both
def test_what_is_sealed_opens_again_and_never_looks_the_same(protection: MessageProtection) -> None:
    """Mistake 4 of deployed code: a constant vector."""
    for content in (b"", b"x" * 15, b"x" * 16, "中文".encode()):
        assert protection.open(protection.seal(content)) == content
    assert len({protection.seal(CONTENT) for _ in range(20)}) == 20


@both
def test_every_way_to_be_wrong_is_the_same_error(protection: MessageProtection) -> None:
    """Wrong signature, padding, tag, length, Base64: an attacker learns nothing from the difference."""
    sealed = base64.b64decode(protection.seal(CONTENT))
    told: set[tuple[str, BaseException | None]] = set()
    wrong = [b"", sealed[:5], sealed[:-1], sealed[:-16], sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed[:16]]
    for item in wrong:
        with pytest.raises(ProtectionError) as refused:
            protection.open(base64.b64encode(item).decode())
        told.add((str(refused.value), refused.value.__cause__))
    for text in ("*", "é", "AAA"):
        with pytest.raises(ProtectionError) as refused:
            protection.open(text)
        told.add((str(refused.value), refused.value.__cause__))
    for signature in ("", "é", protection.sign("other"), protection.sign(LINE)[:-2], "\ud800"):
        with pytest.raises(ProtectionError) as refused:
            protection.verify(LINE, signature)
        told.add((str(refused.value), refused.value.__cause__))
    assert len(told) == 1
    assert {cause for _, cause in told} == {None}


def test_sm4_gcm_notices_each_bit() -> None:
    """Mistake 4 of deployed code: encryption without integrity."""
    sealed = bytearray(base64.b64decode(NATIONAL.seal(CONTENT)))
    for place in range(len(sealed)):
        changed = bytes(sealed[:place]) + bytes([sealed[place] ^ 1]) + bytes(sealed[place + 1 :])
        with pytest.raises(ProtectionError):
            NATIONAL.open(base64.b64encode(changed).decode())


@pytest.mark.parametrize("key", [ENCRYPTION_KEY, "sixteen-letters!"])
def test_keys_come_from_files(tmp_path: Path, key: str) -> None:
    """16 characters, or 32 hexadecimal digits."""
    settings = platform_settings(tmp_path, "http://127.0.0.1/CSB/")
    settings.encryption_key_file.write_text(key)
    protection = load_protection(settings)
    block = bytes.fromhex(key) if key == ENCRYPTION_KEY else key.encode()
    assert HmacSha1AesCbc(SIGNING_KEY.encode(), block).open(protection.seal(CONTENT)) == CONTENT


@pytest.mark.parametrize("key", ["short", "seventeen-letters", "MDEyMzQ1Njc4OWFiY2RlZg=="])
def test_a_key_of_another_length_is_refused_without_showing_it(tmp_path: Path, key: str) -> None:
    """And the remedy says what a Base64 one is."""
    settings = platform_settings(tmp_path, "http://127.0.0.1/CSB/")
    settings.encryption_key_file.write_text(key)
    with pytest.raises(ConfigurationError) as refused:
        load_protection(settings)
    assert key not in str(refused.value)
    assert "Base64" in refused.value.remedy


def test_a_fixed_vector_is_for_aes_alone(tmp_path: Path) -> None:
    """A GCM nonce that comes twice gives the key of the tags away (NIST SP 800-38D, appendix A)."""
    iv = tmp_path / "iv"
    iv.touch(mode=0o600)
    iv.write_text(IV.hex())
    fixed = platform_settings(tmp_path, "http://127.0.0.1/CSB/", iv_file=iv)
    assert load_protection(fixed).seal(CONTENT) == SEALED_BY_OPENSSL
    with pytest.raises(ConfigurationError, match="iv_file"):
        load_protection(fixed.model_copy(update={"protection": "hmac-sm3-sm4-gcm"}))
