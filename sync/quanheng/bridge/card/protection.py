"""How messages to and from the card platform are signed and encrypted; the part that 国密 swaps.

Whoever checks a message verifies first and opens then. A wrong signature, a wrong key, a wrong padding and a
message cut short are one and the same error: which of them it was would tell an attacker something
(S. Vaudenay, Security Flaws Induced by CBC Padding, 2002).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.padding import PKCS7

from quanheng.bridge.card.port import PlatformAnswerError
from quanheng.bridge.settings import PlatformSettings
from quanheng.errors import ConfigurationError
from quanheng.identity.files import read_private_line

BLOCK_BYTES: Final = 16
"""A block of AES and of SM4, a key of either, and an initialisation vector."""
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_HEXADECIMAL: Final = re.compile(r"[0-9A-Fa-f]{32}")


class ProtectionError(PlatformAnswerError):
    """A message is not signed or encrypted as agreed."""

    def __init__(self) -> None:
        super().__init__(
            "the card platform's answer is not signed or encrypted as agreed",
            remedy="compare protection, signing_key_file, encryption_key_file, iv_file and answers_signed of "
            "[bridge.platform] with what the platform's operator issued",
        )


class MessageProtection(Protocol):
    """Signs texts and encrypts contents. Knows nothing of what is in them."""

    def sign(self, text: str) -> str:
        """The signature of a text, in Base64."""

    def verify(self, text: str, signature: str) -> None:
        """Raise :class:`ProtectionError` unless it is the text's signature."""

    def seal(self, content: bytes) -> str:
        """The content encrypted, in Base64."""

    def open(self, sealed: str) -> bytes:
        """The content again. Raises :class:`ProtectionError`."""


class HmacSha1AesCbc:
    """HMAC-SHA1 (RFC 2104) and AES-128-CBC with PKCS #7 padding, as integrators describe the channel.

    The encryption alone protects nothing from being changed: verify the signature first.
    """

    def __init__(self, signing_key: bytes, encryption_key: bytes, iv: bytes | None = None) -> None:
        """``iv``: only where the platform insists on a fixed one; else each message has one in front."""
        self._signing_key: Final = signing_key
        self._encryption_key: Final = encryption_key
        self._iv: Final = iv

    def sign(self, text: str) -> str:
        """See :meth:`MessageProtection.sign`."""
        return _mac(self._signing_key, hashes.SHA1(), text)  # noqa: S303 -- the platform's choice; sound in HMAC

    def verify(self, text: str, signature: str) -> None:
        """See :meth:`MessageProtection.verify`."""
        _compare(self.sign(text), signature)

    def seal(self, content: bytes) -> str:
        """See :meth:`MessageProtection.seal`."""
        padder = PKCS7(BLOCK_BYTES * 8).padder()
        iv = self._iv or secrets.token_bytes(BLOCK_BYTES)
        encryptor = self._cipher(iv).encryptor()
        body = encryptor.update(padder.update(content) + padder.finalize()) + encryptor.finalize()
        return base64.b64encode(body if self._iv else iv + body).decode()

    def open(self, sealed: str) -> bytes:
        """See :meth:`MessageProtection.open`."""
        iv, body = _split(sealed, 0 if self._iv else BLOCK_BYTES)
        try:
            decryptor = self._cipher(self._iv or iv).decryptor()
            unpadder = PKCS7(BLOCK_BYTES * 8).unpadder()
            padded = decryptor.update(body) + decryptor.finalize()
            return unpadder.update(padded) + unpadder.finalize()
        except ValueError:
            raise ProtectionError from None

    def _cipher(self, iv: bytes) -> Cipher[modes.CBC]:
        return Cipher(algorithms.AES(self._encryption_key), modes.CBC(iv))


class HmacSm3Sm4Gcm:
    """HMAC-SM3 (GB/T 15852.2, GB/T 32905) and SM4-GCM (GB/T 32907; the mode as in RFC 8998).

    A nonce of 12 bytes stands in front, the tag of 16 bytes behind.
    """

    def __init__(self, signing_key: bytes, encryption_key: bytes) -> None:
        self._signing_key: Final = signing_key
        self._encryption_key: Final = encryption_key

    def sign(self, text: str) -> str:
        """See :meth:`MessageProtection.sign`."""
        return _mac(self._signing_key, hashes.SM3(), text)

    def verify(self, text: str, signature: str) -> None:
        """See :meth:`MessageProtection.verify`."""
        _compare(self.sign(text), signature)

    def seal(self, content: bytes) -> str:
        """See :meth:`MessageProtection.seal`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        encryptor = Cipher(algorithms.SM4(self._encryption_key), modes.GCM(nonce)).encryptor()
        body = encryptor.update(content) + encryptor.finalize()
        return base64.b64encode(nonce + body + encryptor.tag).decode()

    def open(self, sealed: str) -> bytes:
        """See :meth:`MessageProtection.open`."""
        nonce, rest = _split(sealed, _NONCE_BYTES)
        if len(rest) < _TAG_BYTES:
            raise ProtectionError
        body, tag = rest[:-_TAG_BYTES], rest[-_TAG_BYTES:]
        decryptor = Cipher(algorithms.SM4(self._encryption_key), modes.GCM(nonce, tag)).decryptor()
        try:
            return decryptor.update(body) + decryptor.finalize()
        except InvalidTag:
            raise ProtectionError from None


def load_protection(settings: PlatformSettings) -> MessageProtection:
    """The protection of the settings with the keys that they name. Raises :class:`ConfigurationError`."""
    signing_key = read_private_line(settings.signing_key_file).reveal().encode()
    encryption_key = read_block(settings.encryption_key_file)
    if settings.protection == "hmac-sha1-aes-cbc":
        iv = None
        if settings.iv_file is not None:
            iv = read_block(settings.iv_file)
        return HmacSha1AesCbc(signing_key, encryption_key, iv)
    if settings.iv_file is not None:
        raise ConfigurationError(
            "bridge.platform.iv_file: with hmac-sm3-sm4-gcm a fixed nonce would give the key away",
            remedy="leave iv_file out",
        )
    return HmacSm3Sm4Gcm(signing_key, encryption_key)


def read_block(file: Path) -> bytes:
    """16 bytes, written as 32 hexadecimal digits or as 16 characters. Raises :class:`ConfigurationError`."""
    value = read_private_line(file).reveal()
    block = bytes.fromhex(value) if _HEXADECIMAL.fullmatch(value) else value.encode()
    if len(block) != BLOCK_BYTES:
        raise ConfigurationError(
            f"{file}: neither 16 characters nor 32 hexadecimal digits",
            remedy="write it as the platform's operator issued it; 24 characters that end in == are Base64: "
            "decode them and write the bytes as hexadecimal digits",
        )
    return block


def _mac(key: bytes, algorithm: hashes.HashAlgorithm, text: str) -> str:
    mac = HMAC(key, algorithm)
    mac.update(text.encode("utf-8", "surrogatepass"))  # JSON may hold half a character
    return base64.b64encode(mac.finalize()).decode()


def _compare(expected: str, signature: str) -> None:
    if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogatepass")):
        raise ProtectionError


def _split(sealed: str, front: int) -> tuple[bytes, bytes]:
    try:
        content = base64.b64decode(sealed.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise ProtectionError from None
    if len(content) < front:
        raise ProtectionError
    return content[:front], content[front:]
