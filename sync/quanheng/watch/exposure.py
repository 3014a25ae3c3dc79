"""How long somebody held what was not theirs: from the grant to its end, by Keycloak's own clock. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from quanheng.model.ids import KeycloakId, RoleName
from quanheng.model.realm import AdminEvent, RealmUser
from quanheng.watch.actors import Move, MoveKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """Something that was given without right."""

    event: str
    """Id of the event that gave it."""
    user: KeycloakId
    kind: MoveKind
    subject: str
    """Id of the group; empty for roles."""
    granted_at: datetime
    revoked_at: datetime | None = None
    """None while it is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureReport:
    """Exposure over some time; None where nothing has ended yet."""

    ended: int
    open: int
    median_seconds: float | None
    p95_seconds: float | None
    longest_seconds: float | None


def exposure_of(move: Move) -> Exposure | None:
    """The exposure that begins with a move nobody was entitled to; None when no event dates it."""
    if move.at is None or move.kind is MoveKind.LEFT:
        return None
    return Exposure(
        event=move.event,
        user=move.user,
        kind=move.kind,
        subject=str(move.group or ""),
        granted_at=move.at,
    )


def close_exposures(
    held: Iterable[Exposure],
    events: Iterable[AdminEvent],
    users: Mapping[KeycloakId, RealmUser],
    *,
    default_role: RoleName,
) -> tuple[Exposure, ...]:
    """Those that are over, with the time of the first event that ended each.

    ``users`` are the holders as they are now: what no event of a user tells of (a role taken out of the
    group) is over by the last event.
    """
    known = sorted(events, key=lambda event: (event.at, event.id))
    taken = [event for event in known if event.operation == "DELETE"]
    closed = []
    for item in held:
        end = next((event.at for event in taken if event.at >= item.granted_at and _ends(event, item)), None)
        if end is None and known and not _is_held(item, users.get(item.user), default_role):
            end = max(known[-1].at, item.granted_at)
        if end is not None:
            closed.append(replace(item, revoked_at=end))
    return tuple(closed)


def report_exposure(exposures: Sequence[Exposure]) -> ExposureReport:
    """Median, 95th percentile (nearest rank) and longest of those that have ended."""
    seconds = sorted(
        (item.revoked_at - item.granted_at).total_seconds()
        for item in exposures
        if item.revoked_at is not None
    )
    return ExposureReport(
        ended=len(seconds),
        open=len(exposures) - len(seconds),
        median_seconds=_rank(seconds, 0.5),
        p95_seconds=_rank(seconds, 0.95),
        longest_seconds=seconds[-1] if seconds else None,
    )


def _ends(event: AdminEvent, item: Exposure) -> bool:
    if event.resource_path == f"users/{item.user}":
        return True  # the user is gone
    if item.kind is MoveKind.JOINED:
        return event.resource_path == f"users/{item.user}/groups/{item.subject}"
    return event.resource_path.startswith(f"users/{item.user}/role-mappings/")


def _is_held(item: Exposure, user: RealmUser | None, default_role: RoleName) -> bool:
    if user is None:
        return False
    return item.subject in user.groups if item.kind is MoveKind.JOINED else bool(user.roles - {default_role})


def _rank(ordered: Sequence[float], share: float) -> float | None:
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None
