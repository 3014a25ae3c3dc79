"""What was read of Keycloak, taken in: which console changes stand, what the guard vetoed, whom to judge.

Everything here is written in the transaction that brings the mirror up to date, so that each event has its
effect once, whoever reads it: a sync or the watcher.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from quanheng.clock import day_in_china
from quanheng.engine.trees import Trees
from quanheng.keycloak.events import Affected, affected
from quanheng.keycloak.representation import GUARD_EVENT
from quanheng.ledger.chain import Ledger
from quanheng.logs import get_logger
from quanheng.model.change import Json
from quanheng.model.ids import KeycloakId, OrgCode, PostId, join
from quanheng.model.realm import AdminEvent, ObservedRealm, RealmGroup, RealmUser
from quanheng.model.registry import RegistryDelta
from quanheng.notify.port import NoticeKind
from quanheng.operations.committing import commit
from quanheng.operations.context import Context
from quanheng.operations.guarding import exchanged_names, names_of
from quanheng.operations.noting import note, note_all
from quanheng.operations.organisations import read_recoded, units_of
from quanheng.operations.trust import read_trusted_part, sign_basis, sign_withholding
from quanheng.operations.watching.accounts import (
    Brought,
    find_gone,
    find_passwords,
    tell_of_gone,
    tell_of_passwords,
)
from quanheng.operations.watching.announcing import announce
from quanheng.operations.watching.doubting import keep_doubt
from quanheng.operations.watching.drafts import note_drafts
from quanheng.operations.watching.news import CLOCK_SLACK
from quanheng.policy.effective import Powers
from quanheng.policy.units import Units
from quanheng.store.mirror import read_users
from quanheng.store.watching import ToJudge, put_exposures, put_to_judge
from quanheng.watch.actors import Move, MoveKind, are_overtaken, find_moves
from quanheng.watch.adopting import Adopter, Adoption, Stood
from quanheng.watch.doubt import doubted
from quanheng.watch.exposure import exposures_of

_LONGEST: Final = 300
"""Characters of one fact that came from outside."""
_LEDGER_KINDS: Final = {
    "basis": "basis_adopted",
    "basis_ended": "basis_ended",
    "withholding": "withholding_adopted",
    "withholding_ended": "withholding_ended",
    "": "console_change_refused",
}

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What was there, what is there, and what was told of it."""

    before: ObservedRealm | None
    """None when nothing is known of it: then nothing can have been granted since."""
    after: ObservedRealm
    events: Sequence[AdminEvent]
    later: Sequence[AdminEvent] = ()
    """Read after the users were, and for who did it alone: they are new at the next look."""
    hint: Affected | None = None
    """What was read again; None for everything."""
    unseen: datetime | None = None
    """When events are missing, the server's time then."""
    gone: frozenset[KeycloakId] = frozenset()
    """Accounts of ours that were there and are not."""
    passwords: Mapping[KeycloakId, Brought] = field(default_factory=dict)
    """Of accounts of ours that others made or saved."""


def attribute(context: Context, seen: Observation, since: datetime) -> Observation:
    """The same, with who is gone, whose passwords others may have set, and the events of what was done
    between the reading of events and of users.

    Without those an entitled administrator's grant would be undone for having no event. Costs a request only
    when there is such a change. ``since``: from where on those events are dated.
    """
    before = seen.before
    if before is None:
        return seen
    missing = before.users.keys() - seen.after.users.keys()
    seen = replace(
        seen,
        gone=find_gone(context, missing, listed=seen.hint is None),
        passwords=find_passwords(context, seen.after.users, seen.events),
    )
    if not are_overtaken(seen.events, _moves(context, seen, before)):
        return seen
    known = {event.id for event in seen.events}
    read = context.realm.read_admin_events(since - CLOCK_SLACK)
    later = tuple(event for event in read if event.id not in known)
    # What those held before who acted then says what they were entitled to.
    actors = {KeycloakId(event.actor_user) for event in later} - before.users.keys()
    with context.database.reading() as connection:
        users = {**read_users(connection, actors), **before.users}
    return replace(seen, before=replace(before, users=users), later=later)


def take_in(context: Context, connection: Connection, seen: Observation) -> None:
    """Write down everything that follows from an observation but the mirror itself."""
    own = context.realm.own_actors
    doubt = keep_doubt(context, connection, seen.events, unseen=seen.unseen)
    put_to_judge(connection, _to_judge(seen), context.clock())
    if Ledger(connection, context.keyring, context.clock).last() is None:
        return  # before the bootstrap nobody is entitled to anything
    for event in seen.events:
        if event.resource_type == GUARD_EVENT:
            _note_guard(context, connection, event)
    tell_of_passwords(context, connection, seen.events, seen.passwords)
    if seen.before is None:
        return
    told = [*seen.events, *seen.later]
    tell_of_gone(context, connection, seen.gone, seen.before.users, told)
    note_drafts(context, connection, seen.before, seen.after, _touched(seen, seen.before), told)
    trusted = {event.id for event in told if event.actor_user in own}
    trusted -= {event.id for event in doubted(told, own, doubt)}
    moves = [move for move in _moves(context, seen, seen.before) if move.event not in trusted]
    moves = _without_exchanged(context, seen.after, moves)
    if moves:
        _judge_moves(context, connection, seen, seen.before, moves)


def tell_gap(context: Context, connection: Connection, why: str) -> None:
    """Say that events are missing, loudly: somebody may have hidden something."""
    log.error("admin events are missing; everything was read again", why=why)
    if Ledger(connection, context.keyring, context.clock).last() is not None:
        note(context, connection, "events_missing", {"why": why})
        announce(context, connection, NoticeKind.GAP, {"reason": why})


def _to_judge(seen: Observation) -> ToJudge:
    if seen.hint is None:
        return ToJudge(everybody=True)
    hint = seen.hint
    return ToJudge(
        users=hint.users, structure=bool(hint.all_groups or hint.groups or hint.roles or hint.configuration)
    )


def _moves(context: Context, seen: Observation, before: ObservedRealm) -> Sequence[Move]:
    return find_moves(
        [*seen.events, *seen.later],
        before.users,
        _touched(seen, before),
        default_role=context.realm.default_role,
    )


def _touched(seen: Observation, before: ObservedRealm) -> Mapping[KeycloakId, RealmUser]:
    """Users who may have changed."""
    after = seen.after.users
    if seen.hint is None:
        return {key: user for key, user in after.items() if before.users.get(key) != user}
    return {key: after[key] for key in seen.hint.users if key in after}


def _without_exchanged(context: Context, after: ObservedRealm, moves: Sequence[Move]) -> list[Move]:
    """Without what nobody did: who holds a role that was given another's name seems to gain that other, and
    no event tells of it."""
    if all(move.event or not move.roles for move in moves):
        return list(moves)
    names = exchanged_names(context, names_of(after)).names
    return [move for move in moves if move.event or not move.roles or move.roles - names]


def _judge_moves(
    context: Context,
    connection: Connection,
    seen: Observation,
    before: ObservedRealm,
    moves: Sequence[Move],
) -> None:
    now = context.clock()
    users = {move.user for move in moves} | {move.actor for move in moves if move.actor is not None}
    trusted = read_trusted_part(connection, context.keyring, users)
    units = units_of(context, trusted.registry, read_recoded(context))
    adopter = Adopter(
        registry=trusted.registry,
        pack=context.pack,
        rules=context.rules,
        units=units,
        standing=before.users,
        posts=posts_of_groups(context, units, seen.after.groups),
        today=day_in_china(now),
        now=now,
    )
    adoption = adopter.adopt(moves)
    if not adoption.empty:
        _commit(context, connection, adoption)
    powers = Powers(seen.after, context.rules)
    refused = [stood for stood in adoption.moves if not stood.outcome and _matters(stood, powers)]
    adopted = [stood for stood in adoption.moves if stood.outcome not in ("", "as_desired")]
    note_all(
        context,
        connection,
        [(_LEDGER_KINDS[stood.outcome], _told(stood, seen.after.groups)) for stood in [*adopted, *refused]],
    )
    put_exposures(connection, [item for stood in refused for item in exposures_of(stood.move)])


def posts_of_groups(
    context: Context, units: Units, groups: Mapping[KeycloakId, RealmGroup]
) -> Mapping[KeycloakId, tuple[PostId, OrgCode]]:
    """Post and area of each group that carries a post's role.

    A group is known by its whole path, which is unique; anybody with a group could write our key into it.
    """
    places: dict[tuple[str, ...], tuple[PostId, OrgCode]] = {}
    for node in Trees(context.pack, units).nodes():
        word, _, seat = node.key.partition(":")
        if word in ("duty", "admin") and ":" in seat:
            area, _, post = seat.partition(":")
            places[node.path] = (PostId(post), OrgCode(area))
    return {key: places[group.path] for key, group in groups.items() if group.path in places}


def _matters(stood: Stood, powers: Powers) -> bool:
    """Whether a move that does not stand gave, or took, a power."""
    move = stood.move
    if move.kind is MoveKind.ROLES_ADDED:
        return any(powers.of_role(role) for role in move.roles)
    return move.group is not None and bool(powers.of_group(move.group))


def _commit(context: Context, connection: Connection, adoption: Adoption) -> None:
    keyring = context.keyring
    delta = RegistryDelta(
        bases_put=tuple(sign_basis(keyring, basis) for basis in adoption.bases_put),
        bases_ended=adoption.bases_ended,
        withholdings_put=tuple(sign_withholding(keyring, item) for item in adoption.withholdings_put),
        withholdings_ended=adoption.withholdings_ended,
        next_serial=adoption.registry.next_serial,
    )
    commit(context, connection, delta)


def _told(stood: Stood, groups: Mapping[KeycloakId, RealmGroup]) -> dict[str, Json]:
    move = stood.move
    body: dict[str, Json] = {
        "user": str(move.user),
        "change": str(move.kind),
        "actor": move.actor,
        "event": move.event,
    }
    if move.group is not None:
        body["group"] = join(groups[move.group].path) if move.group in groups else str(move.group)
    if move.roles:
        body["roles"] = [str(role) for role in sorted(move.roles)]
    if stood.seat is not None:
        person, post, area = stood.seat
        body |= {"person": str(person), "post": str(post), "area": str(area)}
    if stood.why:
        body["why"] = stood.why
    return body


def _note_guard(context: Context, connection: Connection, event: AdminEvent) -> None:
    """A veto, or a use of break-glass, into the ledger; once, since an event is new only once."""
    detail = _detail(event)
    kind = "guard_break_glass" if detail.get("kind") == "break_glass" else "guard_veto"
    user = event.resource_path.removeprefix("users/")
    body: dict[str, Json] = {
        "event": event.id,
        "user": user,
        "actor": event.actor_user,
        "actor_client": event.actor_client,
        "rule": detail.get("rule", ""),
        "article": detail.get("article", ""),
        "duty": detail.get("duty", ""),
        "reason": detail.get("reason", ""),
    }
    note(context, connection, kind, body)
    notice = NoticeKind.BREAK_GLASS if kind == "guard_break_glass" else NoticeKind.VETO
    announce(context, connection, notice, {**body, "until": ""})


def _detail(event: AdminEvent) -> dict[str, str]:
    try:
        body: Any = json.loads(event.detail)
    except ValueError:
        return {}
    if not isinstance(body, dict):
        return {}
    return {str(name): str(value)[:_LONGEST] for name, value in body.items()}


def structure_actors(context: Context, events: Sequence[AdminEvent]) -> tuple[str, ...]:
    """Who changed groups, roles, settings or permissions, other than us."""
    own = context.realm.own_actors
    found = []
    for event in events:
        hint = affected([event])
        structure = (hint.all_groups, hint.groups, hint.roles, hint.configuration, hint.permissions)
        if event.actor_user not in own and (hint.everything or any(structure)):
            found.append(event.actor_user)
    return tuple(dict.fromkeys(found))
