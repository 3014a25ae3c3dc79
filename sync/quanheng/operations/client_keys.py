"""The private keys of our two clients in Keycloak (RFC 7523, ES256)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from quanheng.config import ClientSettings, Settings
from quanheng.errors import ConfigurationError
from quanheng.identity.files import require_private, write_private


def our_clients(settings: Settings) -> Iterator[ClientSettings]:
    """The daily client and the configurator."""
    yield settings.keycloak.sync
    yield settings.keycloak.configurator


def make_client_keys(settings: Settings) -> tuple[Path, ...]:
    """Make the private keys that are not there yet, mode 0600; returns their files."""
    made = []
    for client in our_clients(settings):
        file = client.key_file
        if file.exists():
            continue
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(file, pem)
        made.append(file)
    return tuple(made)


def read_public_key(client: ClientSettings) -> ec.EllipticCurvePublicKey:
    """The public half, which Keycloak is told.

    Raises :class:`ConfigurationError` when the file is missing, readable by others, or no such key.
    """
    require_private(client.key_file)
    try:
        key = load_pem_private_key(client.key_file.read_bytes(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigurationError(
            f"{client.key_file}: no PEM private key on the curve P-256",
            remedy="set it aside, make a new one with 'quanheng keys generate --clients-only', "
            "and tell Keycloak with 'quanheng realm apply'",
        )
    return key.public_key()
