"""Everything an operation works with: settings, pack, store, keys, realm, clock."""

from __future__ import annotations

import getpass
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

from quanheng.clock import Clock, system_clock
from quanheng.config import Settings
from quanheng.engine.merge import Issuer
from quanheng.identity.port import Keyring
from quanheng.identity.sealed import document_index, phone_index
from quanheng.keycloak.guard import Guard
from quanheng.keycloak.open import open_realm
from quanheng.keycloak.port import Realm
from quanheng.keycloak.rest import RestRealm
from quanheng.policy.compiling import compile_rules
from quanheng.policy.pack import Pack, load_packs
from quanheng.policy.rules import CompiledRules
from quanheng.store.database import Database, migrate, open_database
from quanheng.store.rotation import open_keyring


def operator() -> str:
    """Who runs this process, as the operating system knows it."""
    return f"os:{getpass.getuser()}@{os.uname().nodename}"


@dataclass
class Context:
    """One realm's worth of everything. Parts are opened when they are first used."""

    settings: Settings
    clock: Clock = system_clock
    who: str = field(default_factory=operator)
    make_realm: Callable[[Settings], Realm] = open_realm
    """How the realm is opened; tests and rehearsals give the fake."""

    @cached_property
    def pack(self) -> Pack:
        """The policy packs, stacked into one."""
        return load_packs(self.settings.packs)

    @cached_property
    def rules(self) -> CompiledRules:
        """The rules of the pack in the form in which they are matched."""
        return compile_rules(self.pack)

    @cached_property
    def keyring(self) -> Keyring:
        """The three keys."""
        return open_keyring(self.database, self.settings.keys_directory)

    @cached_property
    def database(self) -> Database:
        """The store, with its tables as this version needs them."""
        database = open_database(self.settings.store_url, clock=self.clock)
        migrate(database.engine)
        return database

    @cached_property
    def realm(self) -> Realm:
        """The realm, through the daily service client and, while it is open, the configurator."""
        return self.make_realm(self.settings)

    @property
    def guard(self) -> Guard:
        """The guard inside Keycloak, whether or not the server has one."""
        return self.realm.guard

    @property
    def realm_name(self) -> str:
        """Name of the realm: the key of lease and mirror."""
        return self.settings.keycloak.realm

    def close(self) -> None:
        """Close what was opened; the context can be used again and opens anew."""
        realm, database = self.__dict__.pop("realm", None), self.__dict__.pop("database", None)
        self.__dict__.pop("keyring", None)  # the next use asks the store again which keys are its own
        if isinstance(realm, RestRealm):
            realm.close()
        if database is not None:
            database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def issuer(self) -> Issuer:
        """Where new identities come from."""
        keyring = self.keyring
        return Issuer(
            document_index=lambda document: document_index(keyring, document),
            phone_index=lambda phone: phone_index(keyring, phone),
            new_id=lambda: secrets.token_hex(16),
        )
