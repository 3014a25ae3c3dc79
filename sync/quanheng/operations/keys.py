"""What keys there are, and changing them under the lease."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from quanheng.config import Settings
from quanheng.errors import ConfigurationError
from quanheng.identity.keys import FileKeyring, KeyName, add_key_version, key_file, key_versions
from quanheng.identity.rules_key import PRIVATE, read_rules_key, thumbprint
from quanheng.keycloak.credentials import public_jwk
from quanheng.ledger.chain import Ledger
from quanheng.ledger.entry import Entry
from quanheng.model.change import Json
from quanheng.operations.carrying_out import hold_lease
from quanheng.operations.client_keys import our_clients, read_public_key
from quanheng.operations.context import Context
from quanheng.store.rotation import open_keyring, rotate_data, rotate_index


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """One file that holds a key."""

    name: str
    """``data``, ``index``, ``ledger``, the id of a client, or ``rules``."""
    version: int | None
    file: Path
    mode: str
    """Octal, ``0600``."""
    writes: bool
    """Whether what is written now is written with it."""
    thumbprint: str | None = None
    """Of a client's public key (RFC 7638), as Keycloak shows it; of the rules' one, SHA-256."""


def list_keys(settings: Settings) -> tuple[KeyFile, ...]:
    """Every key file. Raises :class:`ConfigurationError` when the folder or a client's key is not there."""
    return (
        *_our_keys(settings.keys_directory),
        *_client_keys(settings),
        *_rules_key(settings.keys_directory),
    )


def rotate_key(context: Context, name: KeyName) -> int:
    """Make the next version of a key, use it, and write that into the ledger; returns its number."""
    directory = context.settings.keys_directory
    with hold_lease(context) as lease:
        match name:
            case KeyName.DATA:
                keyring = rotate_data(context.database, directory, lease)
            case KeyName.INDEX:
                keyring = rotate_index(context.database, directory, lease)
            case KeyName.LEDGER:
                add_key_version(directory, name)
                keyring = open_keyring(context.database, directory)
        version = max(key_versions(directory, name))
        _note(context, keyring, name, version)
    return version


def _note(context: Context, keyring: FileKeyring, name: KeyName, version: int) -> None:
    with context.database.transaction() as connection:
        ledger = Ledger(connection, keyring, context.clock)
        if ledger.last() is not None:
            body: dict[str, Json] = {"key": str(name), "version": version, "by": context.who}
            ledger.append([Entry(kind="key_rotated", body=body)])


def _our_keys(directory: Path) -> Iterator[KeyFile]:
    if not directory.is_dir():
        raise ConfigurationError(
            f"{directory}: there is no such folder", remedy="make the keys with 'quanheng keys generate'"
        )
    for name in KeyName:
        versions = key_versions(directory, name)
        for version in versions:
            file = key_file(directory, name, version)
            yield KeyFile(
                name=str(name),
                version=version,
                file=file,
                mode=_mode(file),
                writes=version == max(versions),
            )


def _client_keys(settings: Settings) -> Iterator[KeyFile]:
    for client in our_clients(settings):
        if client.key_file.exists():
            yield KeyFile(
                name=client.client_id,
                version=None,
                file=client.key_file,
                mode=_mode(client.key_file),
                writes=True,
                thumbprint=str(public_jwk(read_public_key(client))["kid"]),
            )


def _rules_key(directory: Path) -> Iterator[KeyFile]:
    file = directory / PRIVATE
    if file.exists():
        yield KeyFile(
            name="rules",
            version=None,
            file=file,
            mode=_mode(file),
            writes=True,
            thumbprint=thumbprint(read_rules_key(directory).public_key()),
        )


def _mode(file: Path) -> str:
    return f"{stat.S_IMODE(file.stat().st_mode):04o}"
