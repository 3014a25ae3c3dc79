"""The key under the guard's rules: Ed25519, private here, public in the server's configuration.

It is no secret of people: lost, it is made anew, and the server is told its new public half.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from quanheng.errors import ConfigurationError
from quanheng.identity.files import require_private, write_private

PRIVATE: Final = "quanheng-rules.pem"
PUBLIC: Final = "quanheng-rules.pub.pem"
_MAKE: Final = "make it with 'quanheng keys generate --clients-only', and give the server its public half"


def make_rules_key(directory: Path) -> Path | None:
    """Make the key (PKCS #8, 0600) when there is none, and write its public half beside it (0644).

    Returns the public file when either was written.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    private, public = directory / PRIVATE, directory / PUBLIC
    made = not private.exists()
    if made:
        key = Ed25519PrivateKey.generate()
        write_private(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    content = (
        read_rules_key(directory).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    if not made and public.exists() and public.read_bytes() == content:
        return None
    public.unlink(missing_ok=True)
    write_private(public, content)
    public.chmod(0o644)
    return public


def read_rules_key(directory: Path) -> Ed25519PrivateKey:
    """Read the private key.

    Raises :class:`ConfigurationError` when it is missing, readable by others, or no such key.
    """
    file = directory / PRIVATE
    require_private(file, if_missing=_MAKE)
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"{file}: no Ed25519 private key in PEM", remedy=f"set it aside; {_MAKE}")
    return key


def thumbprint(key: Ed25519PublicKey) -> str:
    """SHA-256 of the public key, hex: tells two keys apart."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()
