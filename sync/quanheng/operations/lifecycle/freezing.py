"""Freezing an account at once (S6): what leaked, or is misused, does not wait for a plan.

The hold is written first, in a transaction of its own and without the lease, so that it stands whatever comes
next; then Keycloak switches the account off and ends its sessions, offline ones too. Whatever is written to
the account meanwhile by a sync that does not know of it is set right by the next look
(:func:`quanheng.operations.switched_off.judge_held_again`).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

from sqlalchemy import Connection, select, update

from quanheng.clock import day_in_china
from quanheng.engine.adopt import CONSOLE, RESTORED
from quanheng.errors import ConfigurationError, QuanhengError, RefusedError
from quanheng.keycloak.port import RealmRefusedError
from quanheng.logs import get_logger, redact_text
from quanheng.model.change import Json
from quanheng.model.ids import KeycloakId, PersonId, Username
from quanheng.model.person import Hold, HoldKind
from quanheng.model.registry import AccountRecord
from quanheng.notify.port import NoticeKind
from quanheng.operations.answering.looking import find_persons
from quanheng.operations.committing import put_hold
from quanheng.operations.context import Context
from quanheng.operations.lifecycle.requesting import require_reason
from quanheng.operations.noting import note
from quanheng.operations.watching.announcing import announce
from quanheng.store import tables
from quanheng.store.faults import StoreBusyError, StoreConflictError
from quanheng.store.mirror import put_users, read_users
from quanheng.store.registry_rows import account_of, hold_of
from quanheng.store.watching import ToJudge, put_to_judge

ORIGIN: Final = "freeze"
"""Begins the origin of such a hold; who ran the command follows."""
_TRIES: Final = 5
"""A sync may write the same counter at the same moment; it is there a moment later."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """What became of it."""

    username: Username
    new: bool
    """False when it was frozen by command before."""
    off: bool
    """Whether the account is off and its sessions are ended, or there is none."""
    problem: str = ""
    """Why it is not off yet."""
    exit_code: int = 0


def freeze(context: Context, who: str, *, reason: str) -> Frozen:
    """Freeze somebody's account, by user name or staff number. Done again it does nothing again.

    Raises :class:`ConfigurationError` when nobody, or more than one, is called so, :class:`RefusedError` for
    a reason that says nothing. That Keycloak is away raises nothing: the hold stands, and the daemon switches
    the account off as soon as it can.
    """
    require_reason(reason)
    if redact_text(who) != who:
        raise RefusedError(
            "nobody is looked up by an ID number or a phone", remedy="give the user name or the staff number"
        )
    with context.database.reading() as connection:
        person = _find(connection, who)
    return freeze_person(context, person, reason=reason)


def freeze_person(context: Context, person: PersonId, *, reason: str) -> Frozen:
    """The same by the person, for whoever has that: a user name may be another's staff number.

    Raises :class:`ConfigurationError` for somebody who is not in the registry, and as :func:`freeze` does.
    """
    require_reason(reason)
    _ = context.keyring  # opened before the transaction: it may need one of its own
    written = _write(context, person, reason.strip())
    if written.account is None:
        return Frozen(username=written.username, new=written.new, off=True)
    try:
        _switch_off(context, written, written.account)
    except QuanhengError as error:
        log.error("a frozen account is still on", user=written.username, problem=str(error.args[0]))  # noqa: TRY400 -- expected
        return Frozen(
            username=written.username,
            new=written.new,
            off=False,
            problem=str(error.args[0]),
            exit_code=error.exit_code,
        )
    return Frozen(username=written.username, new=written.new, off=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    username: Username
    account: AccountRecord | None
    new: bool


def _write(context: Context, person: PersonId, reason: str) -> _Written:
    """Put the hold, and have the account judged; once more when somebody wrote at the same moment."""
    for _ in range(_TRIES - 1):
        with suppress(StoreConflictError, StoreBusyError):
            return _try_to_write(context, person, reason)
    return _try_to_write(context, person, reason)


def _try_to_write(context: Context, person: PersonId, reason: str) -> _Written:
    with context.database.transaction() as connection:
        username = _name(connection, person)
        account = _account(connection, person)
        held = _freeze_of(connection, person)
        new = held is None or held.origin in (CONSOLE, RESTORED)
        if new:
            put_hold(
                context,
                connection,
                Hold(
                    person=person,
                    kind=HoldKind.FROZEN,
                    since=day_in_china(context.clock()),
                    reason=reason,
                    origin=f"{ORIGIN}:{context.who}",
                ),
            )
            announce(context, connection, NoticeKind.FROZEN, {"username": str(username), "by": context.who})
        if account is not None and (new or account.enabled_written):
            put_to_judge(connection, ToJudge(users=frozenset({account.keycloak_id})), context.clock())
        return _Written(username=username, account=account, new=new)


def _find(connection: Connection, who: str) -> PersonId:
    found = find_persons(connection, who)
    if len(found) != 1:
        raise ConfigurationError(
            f"{len(found)} people are called {who}" if found else f"nobody of the registry is called {who}",
            remedy="give the user name, as 'quanheng explain' or the console shows it; an account that is not"
            " a person's is switched off in the console",
        )
    return found[0]


def _name(connection: Connection, person: PersonId) -> Username:
    table = tables.person
    name = connection.execute(select(table.c.username).where(table.c.id == person)).scalar()
    if name is None:
        raise ConfigurationError(
            "this person is not in the registry", remedy="look at the account with 'quanheng explain'"
        )
    return Username(name)


def _account(connection: Connection, person: PersonId) -> AccountRecord | None:
    row = connection.execute(select(tables.account).where(tables.account.c.person_id == person)).first()
    return None if row is None else account_of(row)


def _freeze_of(connection: Connection, person: PersonId) -> Hold | None:
    table = tables.hold
    same = select(table).where(table.c.person_id == person, table.c.kind == HoldKind.FROZEN)
    row = connection.execute(same).first()
    return None if row is None else hold_of(row)


def _switch_off(context: Context, written: _Written, account: AccountRecord) -> None:
    """Switch the account off and end its sessions; only then is it written down that we did.

    Whoever dies in between leaves an account that is off and that we had left on: the next look ends its
    sessions.
    """
    realm, user = context.realm, account.keycloak_id
    found = realm.read_user(user)
    if found is None or not (found.enabled or account.enabled_written or written.new):
        return
    try:
        realm.switch_off(user)
        realm.logout(user)
    except RealmRefusedError as error:
        if error.status != HTTPStatus.NOT_FOUND:  # gone this moment
            raise
    with context.database.transaction() as connection:
        table = tables.account
        same = table.c.keycloak_id == user
        connection.execute(update(table).where(same).values(enabled_written=False))
        _tell_mirror(connection, user)
        body: dict[str, Json] = {"person": str(account.person), "username": str(written.username)}
        note(context, connection, "account_frozen", body)


def _tell_mirror(connection: Connection, user: KeycloakId) -> None:
    """Our own acts make no news: the mirror is told as they are done."""
    put_users(connection, [replace(item, enabled=False) for item in read_users(connection, [user]).values()])
