"""Who made each change of power: from admin events, and from what was there before and after. Pure.

What changed is read, never believed; only who did it is taken from the events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from quanheng.model.ids import KeycloakId, RoleName
from quanheng.model.realm import AdminEvent, RealmUser

_LAST: Final = datetime.max.replace(tzinfo=UTC)
"""Sorts after every event."""


class MoveKind(StrEnum):
    """What somebody did to a user."""

    JOINED = "joined"
    LEFT = "left"
    ROLES_ADDED = "roles_added"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One change of what gives a user power."""

    kind: MoveKind
    user: KeycloakId
    group: KeycloakId | None = None
    """Of JOINED and LEFT."""
    roles: frozenset[RoleName] = frozenset()
    """Of ROLES_ADDED."""
    actor: KeycloakId | None = None
    """Who did it; None when no event says."""
    event: str = ""
    """Id of the event; empty when there is none."""
    at: datetime | None = None
    """When, by Keycloak's clock."""


def find_moves(
    events: Iterable[AdminEvent],
    before: Mapping[KeycloakId, RealmUser],
    after: Mapping[KeycloakId, RealmUser],
    *,
    default_role: RoleName,
) -> tuple[Move, ...]:
    """Every change of memberships, and every gain of direct roles, of the users in ``after``, in the order in
    which they were done; what no event dates comes last.

    When several did the same, the last one counts: what stands is theirs. In one instant leaving comes before
    joining: who takes a post away and gives another that does not go with it has done so in that order.
    """
    latest: dict[tuple[str, str, str], AdminEvent] = {}
    for event in sorted(events, key=lambda item: item.at):
        latest[event.operation, _kind(event), event.resource_path] = event
    moves: list[Move] = []
    for user, have in after.items():
        had = before.get(user)
        # Who made a user gave it what it began with, and nothing that it got afterwards.
        made = latest.get(("CREATE", "USER", f"users/{user}")) if had is None else None
        groups = had.groups if had is not None else frozenset[KeycloakId]()
        for group in sorted(have.groups - groups):
            joined = latest.get(("CREATE", "GROUP_MEMBERSHIP", f"users/{user}/groups/{group}")) or made
            moves.append(_move(MoveKind.JOINED, user, joined, group=group))
        for group in sorted(groups - have.groups):
            left = latest.get(("DELETE", "GROUP_MEMBERSHIP", f"users/{user}/groups/{group}"))
            moves.append(_move(MoveKind.LEFT, user, left, group=group))
        gained = have.roles - (had.roles if had is not None else frozenset()) - {default_role}
        if gained:
            mapped = _last(latest, user) or made
            moves.append(_move(MoveKind.ROLES_ADDED, user, mapped, roles=gained))
    return tuple(sorted(moves, key=lambda move: (move.at or _LAST, move.kind is not MoveKind.LEFT)))


def are_overtaken(events: Iterable[AdminEvent], moves: Iterable[Move]) -> bool:
    """Whether more was done after these events were read: a move has none among them, or one whose effect
    a later one took back."""
    ends: dict[tuple[str, str], datetime] = {}
    for event in events:
        key = (event.operation, event.resource_path)
        ends[key] = max(ends.get(key, event.at), event.at)
    for move in moves:
        if move.at is None:
            return True
        if move.kind is not MoveKind.ROLES_ADDED:
            back = "DELETE" if move.kind is MoveKind.JOINED else "CREATE"
            undone = ends.get((back, f"users/{move.user}/groups/{move.group}"))
            if undone is not None and undone > move.at:
                return True
    return False


def _kind(event: AdminEvent) -> str:
    # A partial import tells of each user as of a part of the realm.
    imported = event.resource_type == "REALM" and event.resource_path.startswith("users/")
    return "USER" if imported else event.resource_type


def _last(latest: Mapping[tuple[str, str, str], AdminEvent], user: KeycloakId) -> AdminEvent | None:
    prefix = f"users/{user}/role-mappings/"
    found = [
        event
        for (operation, _, path), event in latest.items()
        if operation == "CREATE" and path.startswith(prefix)
    ]
    return max(found, key=lambda event: event.at, default=None)


def _move(
    kind: MoveKind,
    user: KeycloakId,
    event: AdminEvent | None,
    *,
    group: KeycloakId | None = None,
    roles: frozenset[RoleName] = frozenset(),
) -> Move:
    return Move(
        kind=kind,
        user=user,
        group=group,
        roles=roles,
        actor=KeycloakId(event.actor_user) if event is not None and event.actor_user else None,
        event=event.id if event is not None else "",
        at=event.at if event is not None else None,
    )
