"""How long roles were where they give power to many, counted when they were taken out again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from quanheng.keycloak.guard import Restored
from quanheng.keycloak.representation import plain_name
from quanheng.model.change import ChangeKind
from quanheng.model.ids import KeycloakId
from quanheng.model.realm import ObservedRealm
from quanheng.operations.context import Context
from quanheng.operations.watching.doubting import read_doubt
from quanheng.operations.watching.repairing import Repaired
from quanheng.store.lease import Lease
from quanheng.store.watching import put_exposures, read_exposures
from quanheng.watch.doubt import doubted
from quanheng.watch.exposure import UndoneCause, exposures_of_causes, undone_group, undone_role

_BACK: Final = timedelta(days=1)
"""What was put in longer ago is dated by nothing: nobody keeps what every such event was."""
_SECOND: Final = timedelta(seconds=1)
"""The server tells its time at most so early; the guard's own acts make no event."""


def count_causes(
    context: Context,
    lease: Lease,
    observed: ObservedRealm,
    restored: Sequence[Restored],
    done: Repaired | None,
) -> None:
    """Keep an exposure for each group or role out of which a look took something. Costs two requests, when
    there is any. ``observed``: roles as they were before."""
    undone = [*_roles(observed, restored), *_groups(done)]
    if not undone:
        return
    own = context.realm.own_actors
    until = context.realm.read_server_time() + _SECOND
    events = list(context.realm.read_role_events(until - _BACK))
    with context.database.transaction() as connection:
        lease.assert_held(connection)
        ours = {event.id for event in events if event.actor_user in own}
        ours -= {event.id for event in doubted(events, own, read_doubt(connection))}
        events = [event for event in events if event.id not in ours]
        known = read_exposures(connection, since=until - _BACK)
        put_exposures(connection, exposures_of_causes(undone, events, known, until))


def _roles(observed: ObservedRealm, restored: Sequence[Restored]) -> list[UndoneCause]:
    names = {item.subject for item in restored if item.kind == "composite"}
    return [undone_role(role) for name, role in observed.roles.items() if plain_name(name) in names]


def _groups(done: Repaired | None) -> list[UndoneCause]:
    if done is None:
        return []
    refused = [item.change for item in done.outcome.refused]
    taken = {
        KeycloakId(str(change.detail["id"]))
        for change in done.plan.changes
        if change.kind is ChangeKind.GROUP_ROLE_REMOVE and change not in refused
    }
    return [undone_group(group) for group in sorted(taken)]
