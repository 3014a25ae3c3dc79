"""Keep the mirror fresh: events say what to read again, a sweep proves it (decision 19).

What is taken into the mirror is judged in the same transaction (:mod:`quanheng.operations.watching.intake`),
so that an administrator's grant is known for one before any plan could undo it. Each of these transactions
asserts the lease first: a writer that was paused while another took over must not put an old reading in
place of a newer one.
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
from quanheng.model.realm import ObservedRealm, RealmGroup, RealmUser
from quanheng.operations.context import Context
from quanheng.operations.watching.doubting import read_again
from quanheng.operations.watching.intake import Observation, attribute, take_in, tell_gap
from quanheng.operations.watching.news import OVERLAP, News, read_news
from quanheng.operations.watching.protection import EVENTS_OFF
from quanheng.store.lease import Lease
from quanheng.store.meta import read_number, read_text, write_number
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

__all__ = [
    "MANY_USERS",
    "OVERLAP",
    "Seen",
    "distrust_mirror",
    "hint_of",
    "is_stale",
    "read_changed",
    "read_live",
    "refresh_by",
    "refresh_mirror",
    "sweep",
]

_DISTRUST: Final = "mirror_distrust"
MANY_USERS: Final = 500
"""From so many users on (or a quarter of all) reading all of them costs less than one after another."""
_MANY_GROUPS: Final = 50
"""The same of groups, which are not read side by side."""


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


def sweep(context: Context, lease: Lease, *, gap: str = "", blind: bool = False) -> ObservedRealm:
    """Read everything and put it in place of the mirror.

    ``gap``: why events are missing. ``blind``: none are kept, as was told already. Raises
    :class:`LeaseLostError` when another writer took over meanwhile; nothing is written then.
    """
    with context.database.reading() as connection:
        state = read_mirror_state(connection, context.realm_name)
        before = None if state is None else read_mirror(connection)
        seen = read_seen(connection)
    # The time is taken first: what happens during the sweep is read again as events.
    moment = context.realm.read_server_time()
    since = moment if state is None else min(moment, state.cursor)
    events = tuple(context.realm.read_admin_events(since - OVERLAP))
    observed = read_live(context.realm)
    new = tuple(event for event in events if event.id not in seen)
    unseen = moment if gap or blind else None
    observation = Observation(before=before, after=observed, events=new, unseen=unseen)
    observation = attribute(context, observation, moment)
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.transaction() as connection:
        lease.assert_held(connection)
        replace_mirror(connection, observed)
        if gap:
            tell_gap(context, connection, gap)
        take_in(context, connection, observation)
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


def refresh_mirror(context: Context, lease: Lease, *, everybody: bool = True) -> ObservedRealm:
    """The whole mirror, brought up to now by the admin events since the last time. ``everybody``: return all
    users, not only those that were touched.

    Raises :class:`LeaseLostError` when another writer took over meanwhile; nothing is written then.
    """
    with context.database.reading() as connection:
        state = read_mirror_state(connection, context.realm_name)
        seen = read_seen(connection)
        distrust = read_number(connection, _DISTRUST, 0)
        blind = bool(read_text(connection, EVENTS_OFF))
    if distrust:
        with context.database.transaction() as connection:
            lease.assert_held(connection)
            write_number(connection, _DISTRUST, distrust - 1)
    if state is None or distrust == 1 or blind:
        return sweep(context, lease, blind=blind)
    moment = context.realm.read_server_time()
    news = read_news(context.realm, state, seen, moment=moment)
    return refresh_by(context, lease, state, news, everybody=everybody).observed


def is_stale(connection: Connection) -> bool:
    """Whether the mirror may differ from Keycloak in what no event will tell of."""
    return bool(read_number(connection, _DISTRUST, 0)) or bool(read_text(connection, EVENTS_OFF))


def hint_of(context: Context, news: News) -> tuple[Affected, int]:
    """What has to be read again for news, and from how many users on everything is."""
    hint = affected(news.events, known_actors=context.realm.own_actors) | read_again(context, news.events)
    with context.database.reading() as connection:
        return hint, max(MANY_USERS, count_users(connection) // 4)


def refresh_by(context: Context, lease: Lease, state: MirrorState, news: News, *, everybody: bool) -> Seen:
    """Take news into the mirror. ``everybody``: return all users, not only those that were touched.

    Raises :class:`LeaseLostError` when another writer took over meanwhile; nothing is written then.
    """
    hint, many = hint_of(context, news)
    if news.gap or news.blind or hint.everything or len(hint.users) > many:
        return Seen(observed=sweep(context, lease, gap=news.gap, blind=news.blind), hint=hint, whole=True)
    # Those who acted as well: what they held before says what they were entitled to.
    concerned = hint.users | {KeycloakId(event.actor_user) for event in news.events}
    with context.database.reading() as connection:
        observed = read_mirror(connection, users=None if everybody or len(concerned) > many else concerned)
    observed = _read_again(context, lease, observed, hint, news, replace(state, cursor=news.cursor))
    return Seen(observed=observed, hint=hint, whole=False)


def _read_again(
    context: Context, lease: Lease, observed: ObservedRealm, hint: Affected, news: News, state: MirrorState
) -> ObservedRealm:
    after = read_changed(context, observed, hint)
    there = [after.users[key] for key in hint.users if key in after.users]
    gone = hint.users - after.users.keys()
    seen = Observation(before=observed, after=after, events=news.events, hint=hint)
    seen = attribute(context, seen, state.cursor)
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.transaction() as connection:
        lease.assert_held(connection)
        put_users(connection, there)
        drop_users(connection, gone)
        if after.groups is not observed.groups:
            replace_groups(connection, after.groups)
        if hint.roles:
            replace_roles(connection, after.roles)
        take_in(context, connection, seen)
        write_mirror_state(connection, context.realm_name, state)
        remember_events(connection, news.events, state.cursor - 2 * OVERLAP)
    return after


def read_changed(context: Context, observed: ObservedRealm, hint: Affected) -> ObservedRealm:
    """What was observed, with what a hint names read anew. Writes nothing."""
    realm = context.realm
    groups = _groups_again(realm, observed, hint)
    roles = realm.read_roles() if hint.roles else observed.roles
    wanted = sorted(hint.users)

    def read(user: KeycloakId) -> RealmUser | None:
        known = observed.users.get(user)
        if known is None or user not in hint.memberships:
            return realm.read_user(user)
        groups = realm.read_memberships(user)  # a third of the requests, and most of what attackers do
        return None if groups is None else replace(known, groups=groups)

    with ThreadPoolExecutor(context.settings.keycloak.workers) as pool:
        found = dict(zip(wanted, pool.map(read, wanted), strict=True))
    users = {key: user for key, user in {**observed.users, **found}.items() if user is not None}
    return ObservedRealm(groups=groups, users=users, roles=roles)


def _groups_again(realm: Realm, observed: ObservedRealm, hint: Affected) -> Mapping[KeycloakId, RealmGroup]:
    if hint.all_groups or len(hint.groups) > _MANY_GROUPS:
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
