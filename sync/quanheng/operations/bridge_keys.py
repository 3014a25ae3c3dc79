"""The bridge's own keys: the file that wraps, and the keys that sign."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Final

from quanheng.bridge.provider.signing import SigningKeys
from quanheng.bridge.settings import BridgeSettings
from quanheng.clock import Clock
from quanheng.identity.wrapping import WrappingKey, make_wrapping_key
from quanheng.store.bridge_keys import StoredKey, read_keys
from quanheng.store.database import Database

_MAKE_ONE: Final = "make one with 'quanheng bridge init', or put the one that was there back"


def open_signing_keys(settings: BridgeSettings, database: Database, clock: Clock) -> SigningKeys:
    """The signing keys, with the key file that opens them. Raises :class:`ConfigurationError`."""
    wrapping = WrappingKey.read(settings.key_file, if_missing=_MAKE_ONE)
    return SigningKeys(database, wrapping, clock, token_life=timedelta(seconds=settings.token_seconds))


def initialise_bridge(settings: BridgeSettings, database: Database, clock: Clock) -> Path:
    """Make the key file and a signing key that counts at once; returns the file.

    Raises :class:`ConfigurationError` when there is such a file.
    """
    make_wrapping_key(settings.key_file)
    open_signing_keys(settings, database, clock).rotate(at_once=True)
    return settings.key_file


def rotate_signing_key(
    settings: BridgeSettings, database: Database, clock: Clock, *, at_once: bool = False
) -> StoredKey:
    """Make the next signing key. ``at_once``: the one before is not to be trusted, and counts no longer."""
    return open_signing_keys(settings, database, clock).rotate(at_once=at_once)


def list_signing_keys(database: Database, clock: Clock) -> tuple[StoredKey, ...]:
    """Keys that are published, the one that signs last at the end."""
    with database.reading() as connection:
        return tuple(read_keys(connection, clock()))
