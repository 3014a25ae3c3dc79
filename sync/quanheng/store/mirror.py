"""What Keycloak held when we last looked or wrote (decision 19), kept so that a sync need not crawl."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select

from quanheng.engine.sessions import FindsHolders, Held
from quanheng.model.ids import KeycloakId, RoleName
from quanheng.model.realm import ObservedRealm, RealmGroup, RealmRole, RealmUser
from quanheng.store import tables
from quanheng.store.codec import (
    decode_group,
    decode_role,
    decode_user,
    encode_group,
    encode_role,
    encode_user,
)
from quanheng.store.database import Database, upsert

_AT_A_TIME: Final = 500
"""Keys in one query: a store allows only so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorState:
    """How fresh the mirror is."""

    cursor: datetime
    """Server time up to which admin events were read."""
    swept_at: datetime
    """Server time of the last complete reading."""


def read_mirror_state(connection: Connection, realm: str) -> MirrorState | None:
    """The state, or None when this realm was never read."""
    row = connection.execute(
        select(tables.mirror_state).where(tables.mirror_state.c.realm == realm)
    ).one_or_none()
    return None if row is None else MirrorState(cursor=row.cursor, swept_at=row.swept_at)


def write_mirror_state(connection: Connection, realm: str, state: MirrorState) -> None:
    """Remember how fresh the mirror is."""
    connection.execute(delete(tables.mirror_state).where(tables.mirror_state.c.realm == realm))
    connection.execute(
        insert(tables.mirror_state).values(realm=realm, cursor=state.cursor, swept_at=state.swept_at)
    )


def read_mirror(connection: Connection, *, users: Collection[KeycloakId] | None = None) -> ObservedRealm:
    """Everything in the mirror; or of its users these alone."""
    return ObservedRealm(
        groups={
            KeycloakId(row.id): decode_group(row.id, row.body)
            for row in connection.execute(select(tables.mirror_group))
        },
        users=_read_all_users(connection) if users is None else read_users(connection, users),
        roles={
            RoleName(row.name): decode_role(row.name, row.body)
            for row in connection.execute(select(tables.mirror_role))
        },
    )


def _read_all_users(connection: Connection) -> dict[KeycloakId, RealmUser]:
    rows = connection.execute(select(tables.mirror_user))
    return {KeycloakId(row.id): decode_user(row.id, row.body) for row in rows}


def read_users(connection: Connection, users: Collection[KeycloakId]) -> dict[KeycloakId, RealmUser]:
    """These users as the mirror has them; one that it lacks is absent."""
    table = tables.mirror_user
    found: dict[KeycloakId, RealmUser] = {}
    wanted = sorted(users)
    for at in range(0, len(wanted), _AT_A_TIME):
        rows = connection.execute(select(table).where(table.c.id.in_(wanted[at : at + _AT_A_TIME])))
        found |= {KeycloakId(row.id): decode_user(row.id, row.body) for row in rows}
    return found


def find_in_mirror(database: Database) -> FindsHolders:
    """Finds people among all that the mirror has, one by one; for what is rare, and concerns many."""

    def find(held: Held, most: int) -> Collection[KeycloakId]:
        with database.reading() as connection:
            rows = connection.execute(select(tables.mirror_user))
            users = (decode_user(row.id, row.body) for row in rows)
            return [user.id for user in islice(filter(held, users), most + 1)]

    return find


def count_users(connection: Connection) -> int:
    """How many users are in the mirror."""
    return connection.scalar(select(func.count()).select_from(tables.mirror_user)) or 0


def replace_mirror(connection: Connection, observed: ObservedRealm) -> None:
    """Put a complete reading in place of what was there."""
    connection.execute(delete(tables.mirror_user))
    put_users(connection, observed.users.values())
    replace_groups(connection, observed.groups)
    replace_roles(connection, observed.roles)


def replace_groups(connection: Connection, groups: Mapping[KeycloakId, RealmGroup]) -> None:
    """Put a complete reading of the groups in place of what was there."""
    connection.execute(delete(tables.mirror_group))
    rows = [{"id": group.id, "body": encode_group(group)} for group in groups.values()]
    if rows:
        connection.execute(insert(tables.mirror_group), rows)


def replace_roles(connection: Connection, roles: Mapping[RoleName, RealmRole]) -> None:
    """Put a complete reading of the roles in place of what was there."""
    connection.execute(delete(tables.mirror_role))
    rows = [{"name": role.name, "body": encode_role(role)} for role in roles.values()]
    if rows:
        connection.execute(insert(tables.mirror_role), rows)


def put_users(connection: Connection, users: Iterable[RealmUser]) -> None:
    """Write users as they are now."""
    upsert(connection, tables.mirror_user, [{"id": user.id, "body": encode_user(user)} for user in users])


def drop_users(connection: Connection, users: Iterable[KeycloakId]) -> None:
    """Forget users that are gone from Keycloak."""
    for user in users:
        connection.execute(delete(tables.mirror_user).where(tables.mirror_user.c.id == user))


def put_groups(connection: Connection, groups: Iterable[RealmGroup]) -> None:
    """Write groups as they are now."""
    upsert(
        connection, tables.mirror_group, [{"id": group.id, "body": encode_group(group)} for group in groups]
    )
