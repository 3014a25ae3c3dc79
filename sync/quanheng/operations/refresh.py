"""Keep the mirror fresh: events say what to read again, a sweep proves it (decision 19)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from quanheng.keycloak.events import Affected, affected
from quanheng.keycloak.port import Realm
from quanheng.model.ids import KeycloakId
from quanheng.model.realm import AdminEvent, ObservedRealm, RealmGroup
from quanheng.operations.context import Context
from quanheng.store import tables
from quanheng.store.meta import read_number, write_number
from quanheng.store.mirror import (
    MirrorState,
    drop_users,
    put_users,
    read_mirror,
    read_mirror_state,
    replace_groups,
    replace_mirror,
    replace_roles,
    write_mirror_state,
)

OVERLAP: Final = timedelta(minutes=5)
"""How far before the cursor events are read again: an event's time is set before its commit."""

_DISTRUST: Final = "mirror_distrust"
MANY_USERS: Final = 500
"""From so many users on (or a quarter of all) reading all of them costs less than one after another."""


def read_live(realm: Realm) -> ObservedRealm:
    """Read everything from Keycloak. Writes nothing."""
    return ObservedRealm(
        roles=realm.read_roles(),
        groups=realm.read_groups(),
        users={user.id: user for user in realm.sweep_users()},
    )


def sweep(context: Context) -> ObservedRealm:
    """Read everything and put it in place of the mirror."""
    # The time is taken first: what happens during the sweep is read again as events.
    moment = context.realm.read_server_time()
    events = list(context.realm.read_admin_events(moment - OVERLAP))
    observed = read_live(context.realm)
    with context.database.transaction() as connection:
        replace_mirror(connection, observed)
        _remember(connection, context, MirrorState(cursor=moment, swept_at=moment), events, anew=True)
    return observed


def distrust_mirror(connection: Connection) -> None:
    """Have the run after the next refresh read everything, within the caller's transaction.

    A process that was killed may have left a request under way, which Keycloak carried out after we had
    looked. Its event is our own, and those are passed over: the mirror was told of what they did. Not of
    this one.
    """
    write_number(connection, _DISTRUST, 2)


def refresh_mirror(context: Context) -> ObservedRealm:
    """The mirror, brought up to now by the admin events since the last time."""
    with context.database.reading() as connection:
        state = read_mirror_state(connection, context.realm_name)
        observed = None if state is None else read_mirror(connection)
        seen = _seen(connection)
        distrust = read_number(connection, _DISTRUST, 0)
    if distrust:
        with context.database.transaction() as connection:
            write_number(connection, _DISTRUST, distrust - 1)
    if state is None or observed is None or distrust == 1:
        return sweep(context)
    moment = context.realm.read_server_time()
    events = [
        event for event in context.realm.read_admin_events(state.cursor - OVERLAP) if event.id not in seen
    ]
    hint = affected(events, known_actors=context.realm.own_actors)
    if hint.everything or len(hint.users) > max(MANY_USERS, len(observed.users) // 4):
        return sweep(context)
    return _read_again(context, observed, hint, events, replace(state, cursor=moment))


def _seen(connection: Connection) -> frozenset[str]:
    return frozenset(connection.execute(select(tables.seen_event.c.id)).scalars())


def _read_again(
    context: Context,
    observed: ObservedRealm,
    hint: Affected,
    events: list[AdminEvent],
    state: MirrorState,
) -> ObservedRealm:
    realm = context.realm
    groups = _groups_again(realm, observed, hint)
    roles = realm.read_roles() if hint.roles else observed.roles
    wanted = sorted(hint.users)
    with ThreadPoolExecutor(context.settings.keycloak.workers) as pool:
        found = dict(zip(wanted, pool.map(realm.read_user, wanted), strict=True))
    there = {key: user for key, user in found.items() if user is not None}
    gone = [key for key, user in found.items() if user is None]
    with context.database.transaction() as connection:
        put_users(connection, there.values())
        drop_users(connection, gone)
        if groups is not observed.groups:
            replace_groups(connection, groups)
        if hint.roles:
            replace_roles(connection, roles)
        _remember(connection, context, state, events)
    users = {key: user for key, user in {**observed.users, **there}.items() if key not in gone}
    return ObservedRealm(groups=groups, users=users, roles=roles)


def _remember(
    connection: Connection,
    context: Context,
    state: MirrorState,
    events: Iterable[AdminEvent],
    *,
    anew: bool = False,
) -> None:
    """How fresh the mirror is, and which events are in it. ``anew``: these alone."""
    write_mirror_state(connection, context.realm_name, state)
    table, shown_again = tables.seen_event, state.cursor - 2 * OVERLAP
    connection.execute(delete(table) if anew else delete(table).where(table.c.at < shown_again))
    rows = [{"id": event.id, "at": event.at} for event in events if event.at >= shown_again]
    if rows:
        connection.execute(insert(table), rows)


def _groups_again(realm: Realm, observed: ObservedRealm, hint: Affected) -> Mapping[KeycloakId, RealmGroup]:
    if hint.all_groups:
        return realm.read_groups()
    if not hint.groups:
        return observed.groups
    groups = dict(observed.groups)
    for identifier in sorted(hint.groups):
        group = realm.read_group(identifier)
        if group is None:
            groups.pop(identifier, None)
        else:
            groups[identifier] = group
    return groups
