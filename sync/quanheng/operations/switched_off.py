"""Accounts that somebody else switched off while we looked the other way: their sessions, and our own plans.

Keycloak refuses a disabled user new tokens, but keeps the sessions: switched on again, they would go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from sqlalchemy import Connection, select

from quanheng.engine.adopt import CONSOLE
from quanheng.engine.plan import Plan
from quanheng.keycloak.port import RealmRefusedError
from quanheng.model.change import ChangeKind
from quanheng.model.ids import KeycloakId, PersonId
from quanheng.model.person import HoldKind
from quanheng.model.registry import AccountRecord
from quanheng.operations.context import Context
from quanheng.store.lease import Lease
from quanheng.store.mirror import read_users
from quanheng.store.registry import accounts_among
from quanheng.store.tables import account, hold
from quanheng.store.watching import ToJudge, put_to_judge


def end_their_sessions(context: Context, lease: Lease, adopted: Iterable[AccountRecord]) -> None:
    """End every session of accounts that are found off and that we had left on, offline ones too.

    Before that is written down: whoever dies in between finds them again at the next look.
    """
    off = {item.keycloak_id for item in adopted if not item.enabled_written}
    if not off:
        return
    with context.database.reading() as connection:
        left_on = accounts_among(connection, off, left_on=True)
    for user in sorted(left_on):
        lease.check()
        with suppress(RealmRefusedError):  # gone since
            context.realm.logout(user)


def judge_held_again(context: Context, connection: Connection, plan: Plan) -> None:
    """Have those judged whom a plan has switched on and whom something holds by now, and whoever was frozen
    while Keycloak did not hear of it.

    Somebody may be frozen by command while a plan is carried out that was made before, or while a look goes
    on, whose end clears what waited. Within the transaction that ends it: after that the freeze itself finds
    the account on.
    """
    given = {change.person for change in plan.changes if _gives(change.kind, change.detail.get("enabled"))}
    held = given and given.intersection(map(PersonId, connection.execute(select(hold.c.person_id)).scalars()))
    query = select(account.c.person_id, account.c.keycloak_id)
    users = frozenset(
        KeycloakId(row.keycloak_id) for row in (connection.execute(query) if held else ()) if row[0] in held
    )
    users |= _frozen_and_on(connection)
    put_to_judge(connection, ToJudge(users=users), context.clock())


def _frozen_and_on(connection: Connection) -> frozenset[KeycloakId]:
    """Accounts that are on by all that we know, though a freeze by command holds them by now."""
    query = (
        select(account.c.keycloak_id)
        .join(hold, hold.c.person_id == account.c.person_id)
        .where(account.c.enabled_written, hold.c.kind == HoldKind.FROZEN, hold.c.origin != CONSOLE)
    )
    found = list(map(KeycloakId, connection.execute(query).scalars()))
    shown = read_users(connection, found) if found else {}
    return frozenset(user for user in found if user in shown and shown[user].enabled)


def _gives(kind: ChangeKind, enabled: object) -> bool:
    return kind is ChangeKind.ENABLE or (kind is ChangeKind.CREATE and enabled is True)
