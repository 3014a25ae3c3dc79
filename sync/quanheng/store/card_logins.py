"""Logins by card that are under way, for every process of the bridge.

A state changes by one ``UPDATE … WHERE state IN …``: of two processes, threads or tabs that want the same
step exactly one takes it, and final states stay final. What a browser holds is here as its SHA-256 alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import Connection, Row, and_, case, delete, func, insert, or_, select, text, update
from sqlalchemy.sql.dml import Update

from quanheng.bridge.values import (
    FINAL,
    OPEN,
    AuthorizationRequest,
    Locale,
    Login,
    LoginId,
    LoginState,
    Recognised,
    Refusal,
    RefusalReason,
)
from quanheng.model.ids import PersonId
from quanheng.store.tables import card_login

_COUNTING_LOCK: Final = 0x7168_636C  # any number, the same in every process ("qhcl")
_AT_ONCE: Final = 500
_UNSEEN: Final = timedelta(minutes=1)
_UNDER_WAY: Final = (LoginState.WAITING, LoginState.SCANNED)


@dataclass(frozen=True, slots=True)
class StoredLogin:
    """A login and what proves that a browser began it."""

    login: Login
    browser_hash: str
    """SHA-256 of the secret in the browser's cookie, hexadecimal."""


def create_login(
    connection: Connection, login: Login, browser_hash: str, *, limit: int, now: datetime
) -> bool:
    """Put a new login into the store; False when ``limit`` others are open, and nothing was written.

    An open login is one that is not final and whose code, if there is one, has not expired. One that nobody
    has looked at, so that it has none, counts for a minute.
    """
    if connection.dialect.name == "postgresql":
        # Without it two that count at once would both find room. SQLite has one writer anyway.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _COUNTING_LOCK})
    if count_open(connection, now) >= limit:
        return False
    request = login.request
    connection.execute(
        insert(card_login).values(
            id=login.id,
            browser_hash=browser_hash,
            state=login.state.value,
            client_id=request.client_id,
            client_name=request.client_name,
            redirect_uri=request.redirect_uri,
            client_state=request.state,
            nonce=request.nonce,
            code_challenge=request.code_challenge,
            scope=request.scope,
            locale=request.locale,
            created_at=login.created_at,
            deadline=login.deadline,
            expires_at=login.expires_at,
            qr_code=login.qr_code,
            refreshes=login.refreshes,
            address=login.address,
            browser=login.browser,
        )
    )
    return True


def count_open(connection: Connection, now: datetime) -> int:
    """How many logins are open, in every process together."""
    found = connection.execute(
        select(func.count())
        .select_from(card_login)
        .where(
            card_login.c.state.in_(_values(OPEN)),
            card_login.c.deadline > now,
            or_(
                card_login.c.expires_at > now,
                and_(card_login.c.expires_at.is_(None), card_login.c.created_at > now - _UNSEEN),
            ),
        )
    )
    return int(found.scalar_one())


def read_login(connection: Connection, login: LoginId) -> StoredLogin | None:
    """One login."""
    row = connection.execute(select(card_login).where(card_login.c.id == login)).first()
    return None if row is None else _stored(row)


def read_logins(connection: Connection, logins: Sequence[LoginId]) -> Mapping[LoginId, Login]:
    """Those of these logins that there are."""
    found: dict[LoginId, Login] = {}
    for start in range(0, len(logins), _AT_ONCE):
        part = logins[start : start + _AT_ONCE]
        for row in connection.execute(select(card_login).where(card_login.c.id.in_(part))):
            login = _stored(row).login
            found[login.id] = login
    return found


def set_code(connection: Connection, login: LoginId, qr_code: str, expires_at: datetime) -> bool:
    """The platform made a code: it waits to be scanned. False when the login has one, or has gone on.

    Raises (from the transaction) ``StoreConflictError`` when another login has, or had, this very code.
    """
    return _moved(
        connection,
        update(card_login)
        .where(card_login.c.id == login, card_login.c.state == LoginState.PREPARING.value)
        .values(
            state=LoginState.WAITING.value,
            qr_code=qr_code,
            qr_code_hash=hashlib.sha256(qr_code.encode()).hexdigest(),
            expires_at=expires_at,
        ),
    )


def advance(
    connection: Connection, login: LoginId, from_states: Collection[LoginState], to: LoginState
) -> bool:
    """Go on to another state if it is in one of these; False when it is not, and nothing was changed.

    ``from_states`` that are final are left out: nothing leads out of them.
    """
    values: dict[str, Any] = {"state": to.value}
    if to in FINAL:
        values["qr_code"] = None
    return _moved(
        connection,
        update(card_login)
        .where(card_login.c.id == login, card_login.c.state.in_(_values(set(from_states) - FINAL)))
        .values(**values),
    )


def expire_login(connection: Connection, login: LoginId, now: datetime) -> bool:
    """Its time is past, the code's or all of it. Who was accepted in time has until the deadline."""
    table = card_login
    code_over = table.c.state.in_(_values(_UNDER_WAY)) & (table.c.expires_at <= now)
    all_over = table.c.state.in_(_values(OPEN)) & (table.c.deadline <= now)
    return _moved(
        connection,
        update(table)
        .where(table.c.id == login, or_(code_over, all_over))
        .values(state=LoginState.EXPIRED.value, qr_code=None),
    )


def accept_login(
    connection: Connection, login: LoginId, who: Recognised, region: str, *, confirmed_at: datetime
) -> bool:
    """It is known who it is, from a code that was confirmed before it expired."""
    return _moved(
        connection,
        update(card_login)
        .where(
            card_login.c.id == login,
            card_login.c.state.in_(_values(_UNDER_WAY)),
            card_login.c.expires_at > confirmed_at,
            card_login.c.deadline > confirmed_at,
        )
        .values(
            state=LoginState.ACCEPTED.value,
            qr_code=None,
            person_id=who.person,
            subject=who.subject,
            region=region,
            authenticated_at=confirmed_at,
        ),
    )


def refuse_login(connection: Connection, login: LoginId, why: Refusal, region: str) -> bool:
    """The card does not log in."""
    return _moved(
        connection,
        update(card_login)
        .where(card_login.c.id == login, card_login.c.state.in_(_values(_UNDER_WAY)))
        .values(
            state=LoginState.REFUSED.value,
            qr_code=None,
            refusal=why.reason.value,
            office=why.office,
            person_id=why.person,
            region=region,
        ),
    )


def take_login(connection: Connection, login: LoginId, browser_hash: str, now: datetime) -> Login | None:
    """The accepted login, for the browser that began it, exactly once; None for anybody else and later."""
    taken = _moved(
        connection,
        update(card_login)
        .where(
            card_login.c.id == login,
            card_login.c.browser_hash == browser_hash,
            card_login.c.state == LoginState.ACCEPTED.value,
            card_login.c.deadline > now,
        )
        .values(state=LoginState.DONE.value),
    )
    found = read_login(connection, login) if taken else None
    return None if found is None else found.login


def supersede_login(connection: Connection, login: LoginId, browser_hash: str) -> bool:
    """Another code takes its place: no browser has it any more. True exactly once, and never of one that is
    accepted or done."""
    was_open = card_login.c.state.in_(_values(OPEN))
    return _moved(
        connection,
        update(card_login)
        .where(
            card_login.c.id == login,
            card_login.c.browser_hash == browser_hash,
            card_login.c.state.not_in(_values({LoginState.ACCEPTED, LoginState.DONE})),
        )
        .values(
            browser_hash="",
            qr_code=None,
            state=case((was_open, LoginState.CANCELLED.value), else_=card_login.c.state),
        ),
    )


def forget_logins(connection: Connection, before: datetime) -> int:
    """Delete logins whose deadline was before; how many."""
    return connection.execute(delete(card_login).where(card_login.c.deadline < before)).rowcount


def _moved(connection: Connection, statement: Update) -> bool:
    return connection.execute(statement).rowcount == 1


def _values(states: Collection[LoginState]) -> list[str]:
    return sorted(state.value for state in states)


def _stored(row: Row[Any]) -> StoredLogin:
    return StoredLogin(
        Login(
            id=LoginId(row.id),
            request=AuthorizationRequest(
                client_id=row.client_id,
                client_name=row.client_name,
                redirect_uri=row.redirect_uri,
                state=row.client_state,
                nonce=row.nonce,
                code_challenge=row.code_challenge,
                scope=row.scope,
                locale=cast(Locale, row.locale),
            ),
            state=LoginState(row.state),
            created_at=row.created_at,
            deadline=row.deadline,
            expires_at=row.expires_at,
            qr_code=row.qr_code,
            refreshes=row.refreshes,
            address=row.address,
            browser=row.browser,
            refusal=None if row.refusal is None else RefusalReason(row.refusal),
            office=row.office,
            person=None if row.person_id is None else PersonId(row.person_id),
            subject=row.subject,
            region=row.region,
            authenticated_at=row.authenticated_at,
        ),
        row.browser_hash,
    )
