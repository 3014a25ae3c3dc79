"""What the provider has given: authorization codes, access tokens, and client assertions that it took.

Codes and tokens are kept as SHA-256: they have 256 random bits, so nothing slower is needed, and whoever
reads the store cannot use them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from quanheng.store.bridge_keys import forget_retired
from quanheng.store.database import insert_new
from quanheng.store.tables import bridge_assertion, bridge_code, bridge_token

_CODES_KNOWN: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeGrant:
    """What an authorization code stands for."""

    client_id: str
    redirect_uri: str
    nonce: str
    code_challenge: str
    scope: str
    subject: str = field(repr=False)
    authenticated_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenGrant:
    """What an access token stands for."""

    client_id: str
    subject: str = field(repr=False)
    scope: str


def digest(secret: str) -> str:
    """SHA-256 of a code or token, hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def put_code(connection: Connection, code: str, grant: CodeGrant) -> None:
    """Keep a new code."""
    connection.execute(
        insert(bridge_code).values(
            code_hash=digest(code),
            client_id=grant.client_id,
            redirect_uri=grant.redirect_uri,
            nonce=grant.nonce,
            code_challenge=grant.code_challenge,
            scope=grant.scope,
            subject=grant.subject,
            authenticated_at=grant.authenticated_at,
            expires_at=grant.expires_at,
        )
    )


def take_code(connection: Connection, code: str, client_id: str, now: datetime) -> CodeGrant | None:
    """The grant of a code, once: of two that take it at the same time one gets it.

    A code of another client is left as it is, and so unknown to this one. One that was taken before takes its
    tokens back (RFC 6749, section 4.1.2): whoever was first may have been the thief.
    """
    table, hashed = bridge_code, digest(code)
    mine = (table.c.code_hash == hashed) & (table.c.client_id == client_id)
    first = connection.execute(update(table).where(mine & table.c.used_at.is_(None)).values(used_at=now))
    if first.rowcount != 1:
        if connection.execute(select(table.c.code_hash).where(mine)).first() is not None:
            connection.execute(delete(bridge_token).where(bridge_token.c.code_hash == hashed))
        return None
    row = connection.execute(select(table).where(mine)).one()
    return CodeGrant(
        client_id=row.client_id,
        redirect_uri=row.redirect_uri,
        nonce=row.nonce,
        code_challenge=row.code_challenge,
        scope=row.scope,
        subject=row.subject,
        authenticated_at=row.authenticated_at,
        expires_at=row.expires_at,
    )


def put_token(connection: Connection, token: str, code: str, grant: TokenGrant, expires_at: datetime) -> None:
    """Keep a new access token, and of which code it is."""
    connection.execute(
        insert(bridge_token).values(
            token_hash=digest(token),
            code_hash=digest(code),
            client_id=grant.client_id,
            subject=grant.subject,
            scope=grant.scope,
            expires_at=expires_at,
        )
    )


def read_token(connection: Connection, token: str, now: datetime) -> TokenGrant | None:
    """What a token stands for, while it counts."""
    table = bridge_token
    query = select(table).where((table.c.token_hash == digest(token)) & (table.c.expires_at > now))
    row = connection.execute(query).first()
    if row is None:
        return None
    return TokenGrant(client_id=row.client_id, subject=row.subject, scope=row.scope)


def take_assertion(connection: Connection, client_id: str, identifier: str, expires_at: datetime) -> bool:
    """Whether this assertion of a client is new; from now on it is not."""
    key = hashlib.sha256(f"{client_id}\n{identifier}".encode()).hexdigest()
    return insert_new(connection, bridge_assertion, {"digest": key, "expires_at": expires_at})


def forget_expired(connection: Connection, now: datetime) -> None:
    """Remove what no longer counts and could not count again, and signing keys that are not published now."""
    forget_retired(connection, now)
    for table in (bridge_token, bridge_assertion):
        connection.execute(delete(table).where(table.c.expires_at < now))
    # A code that comes a second time is known as long as tokens of the first may count.
    connection.execute(delete(bridge_code).where(bridge_code.c.expires_at < now - _CODES_KNOWN))
