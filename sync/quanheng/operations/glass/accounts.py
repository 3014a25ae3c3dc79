"""The sealed accounts as the ledger knows them: which they are, when each was sealed and used."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from quanheng.keycloak.configuration_files import read_administration
from quanheng.model.ids import KeycloakId, Username
from quanheng.operations.context import Context
from quanheng.store.tables import ledger

MADE: Final = "glass_account_made"
SEALED: Final = "glass_sealed"
USED: Final = "glass_used"
LOGGED_IN: Final = "logged_in"
"""Outcome of a use; the other is :data:`REFUSED`."""
REFUSED: Final = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassAccount:
    """One of them."""

    name: Username
    id: KeycloakId | None = None
    """None while nobody sealed it. Whoever else has its name is another account."""
    made_at: datetime | None = None
    """By the server's clock, like its uses."""
    sealed_at: datetime | None = None
    sealed_by: str = ""
    credentials: str = ""
    """Digest of those that were sealed (:func:`digest_of_marks`)."""
    used_at: datetime | None = None
    """When it logged in last."""


def names_of_glass(context: Context) -> tuple[Username, ...]:
    """Their names; ``keycloak-config/ways-in.yaml``."""
    keycloak = context.settings.keycloak
    administration = read_administration(keycloak.sync.client_id, keycloak.configurator.client_id)
    return tuple(sorted(administration.sealed))


def read_glass(context: Context, connection: Connection) -> tuple[GlassAccount, ...]:
    """Each of them, sealed or not: few entries, found by their kind."""
    found = {name: GlassAccount(name=name) for name in names_of_glass(context)}
    query = (
        select(ledger.c.kind, ledger.c.at, ledger.c.body)
        .where(ledger.c.kind.in_([MADE, SEALED, USED]))
        .order_by(ledger.c.sequence)
    )
    for kind, at, text in connection.execute(query):
        body: Mapping[str, Any] = json.loads(text)
        known = found.get(Username(body["account"]))
        if known is None:
            continue
        if kind == MADE:
            # Another account than the one before, which nobody has sealed yet.
            known = GlassAccount(
                name=known.name,
                id=KeycloakId(body["user"]),
                made_at=datetime.fromisoformat(body["since"]),
                used_at=known.used_at,
            )
        elif kind == SEALED:
            known = replace(
                known,
                sealed_at=at,
                sealed_by=str(body["administrator"]),
                credentials=str(body["credentials"]),
            )
        elif body["outcome"] == LOGGED_IN:
            known = replace(known, used_at=datetime.fromisoformat(body["since"]))
        found[known.name] = known
    return tuple(found.values())


def digest_of_marks(marks: Collection[str]) -> str:
    """SHA-256 of the marks of credentials (:meth:`Realm.read_credentials`), in base 32: the ledger takes long
    numbers, as in their times, for somebody's."""
    return base64.b32encode(hashlib.sha256("\n".join(sorted(marks)).encode()).digest()).decode()


def ids_of(accounts: Collection[GlassAccount]) -> frozenset[KeycloakId]:
    """Those that were made."""
    return frozenset(account.id for account in accounts if account.id is not None)


def ids_of_glass(context: Context) -> frozenset[KeycloakId]:
    """Ids of those that were made: they may hold what no other foreign user may."""
    with context.database.reading() as connection:
        return ids_of(read_glass(context, connection))
