"""Keep the mirror fresh: events say what to read again, a sweep proves it (decision 19).

What is taken into the mirror is judged in the same transaction (:mod:`quanheng.operations.watching.intake`),
so that an administrator's grant is known for one before any plan could undo it.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection

from quanheng.keycloak.events import Affected, affected
from quanheng.keycloak.port import Realm
from quanheng.model.ids import KeycloakId
from quanheng.model.realm import ObservedRealm, RealmGroup
from quanheng.operations.context import Context
from quanheng.operations.watching.intake import Observation, take_in, tell_gap
from quanheng.operations.watching.news import OVERLAP, News, read_news
from quanheng.store.meta import read_number, write_number
from quanheng.store.mirror import (
    MirrorState,
    count_users,
    drop_users,
    put_users,
    read_mirror,
    read_mirror_state,
    replace_groups,
    replace_mirror,
    replace_roles,
    write_mirror_state,
)
from quanheng.store.watching import read_seen, remember_events

__all__ = ["MANY_USERS", "OVERLAP", "Seen", "distrust_mirror", "read_live", "refresh_mirror", "sweep"]

_DISTRUST: Final = "mirror_distrust"
MANY_USERS: Final = 500
"""From so many users on (or a quarter of all) reading all of them costs less than one after another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The mirror after events were taken in; its users may be a few."""

    observed: ObservedRealm
    hint: Affected
    whole: bool
    """Whether everything was read again."""


def read_live(realm: Realm) -> ObservedRealm:
    """Read everything from Keycloak. Writes nothing."""
    return ObservedRealm(
        roles=realm.read_roles(),
        groups=realm.read_groups(),
        users={user.id: user for user in realm.sweep_users()},
    )


def sweep(context: Context, *, gap: str = "") -> ObservedRealm:
    """Read everything and put it in place of the mirror. ``gap``: why events are missing."""
    with context.database.reading() as connection:
        state = read_mirror_state(connection, context.realm_name)
        before = None if state is None else read_mirror(connection)
        seen = read_seen(connection)
    # The time is taken first: what happens during the sweep is read again as events.
    moment = context.realm.read_server_time()
    since = moment if state is None else min(moment, state.cursor)
    events = tuple(context.realm.read_admin_events(since - OVERLAP))
    observed = read_live(context.realm)
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.transaction() as connection:
        replace_mirror(connection, observed)
        if gap:
            tell_gap(context, connection, gap)
        new = tuple(event for event in events if event.id not in seen)
        take_in(context, connection, Observation(before=before, after=observed, events=new))
        state = MirrorState(cursor=moment, swept_at=moment)
        write_mirror_state(connection, context.realm_name, state)
        remember_events(connection, events, moment - 2 * OVERLAP, anew=bool(gap))
    return observed


def distrust_mirror(connection: Connection) -> None:
    """Have the run after the next refresh read everything, within the caller's transaction.

    A process that was killed may have left a request under way, which Keycloak carried out after we had
    looked. Its event is our own, and those are passed over: the mirror was told of what they did. Not of
    this one.
    """
    write_number(connection, _DISTRUST, 2)


def refresh_mirror(context: Context) -> ObservedRealm:
    """The whole mirror, brought up to now by the admin events since the last time."""
    with context.database.reading() as connection:
        state = read_mirror_state(connection, context.realm_name)
        seen = read_seen(connection)
        distrust = read_number(connection, _DISTRUST, 0)
    if distrust:
        with context.database.transaction() as connection:
            write_number(connection, _DISTRUST, distrust - 1)
    if state is None or distrust == 1:
        return sweep(context)
    moment = context.realm.read_server_time()
    news = read_news(context.realm, state, seen, moment=moment)
    return refresh_by(context, state, news, everybody=True).observed


def refresh_by(context: Context, state: MirrorState, news: News, *, everybody: bool) -> Seen:
    """Take news into the mirror. ``everybody``: return all users, not only those that were touched."""
    hint = affected(news.events, known_actors=context.realm.own_actors)
    with context.database.reading() as connection:
        many = max(MANY_USERS, count_users(connection) // 4)
    if news.gap or news.blind or hint.everything or len(hint.users) > many:
        return Seen(observed=sweep(context, gap=news.gap), hint=hint, whole=True)
    # Those who acted as well: what they held before says what they were entitled to.
    concerned = hint.users | {KeycloakId(event.actor_user) for event in news.events}
    with context.database.reading() as connection:
        observed = read_mirror(connection, users=None if everybody or len(concerned) > many else concerned)
    observed = _read_again(context, observed, hint, news, replace(state, cursor=news.cursor))
    return Seen(observed=observed, hint=hint, whole=False)


def _read_again(
    context: Context, observed: ObservedRealm, hint: Affected, news: News, state: MirrorState
) -> ObservedRealm:
    realm = context.realm
    groups = _groups_again(realm, observed, hint)
    roles = realm.read_roles() if hint.roles else observed.roles
    wanted = sorted(hint.users)
    with ThreadPoolExecutor(context.settings.keycloak.workers) as pool:
        found = dict(zip(wanted, pool.map(realm.read_user, wanted), strict=True))
    there = {key: user for key, user in found.items() if user is not None}
    gone = [key for key, user in found.items() if user is None]
    users = {key: user for key, user in {**observed.users, **there}.items() if key not in gone}
    after = ObservedRealm(groups=groups, users=users, roles=roles)
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.transaction() as connection:
        put_users(connection, there.values())
        drop_users(connection, gone)
        if groups is not observed.groups:
            replace_groups(connection, groups)
        if hint.roles:
            replace_roles(connection, roles)
        seen = Observation(before=observed, after=after, events=news.events, hint=hint)
        take_in(context, connection, seen)
        write_mirror_state(connection, context.realm_name, state)
        remember_events(connection, news.events, state.cursor - 2 * OVERLAP)
    return after


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
