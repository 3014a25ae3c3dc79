"""How long somebody held what was not theirs: from the grant to its end, by Keycloak's own clock. Pure."""

from __future__ import annotations

import hashlib
import math
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from quanheng.keycloak.representation import plain_name
from quanheng.model.ids import KeycloakId, RoleName
from quanheng.model.realm import AdminEvent, RealmRole, RealmUser
from quanheng.watch.actors import Move, MoveKind


class CauseKind(StrEnum):
    """What a role had entered, so that whoever had that held it too."""

    GROUP = "group_role"
    ROLE = "role_part"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """Something that was given without right: to a user, or to all who had what it entered."""

    event: str
    """Id of the event that gave it."""
    user: KeycloakId | None
    """None of a cause."""
    kind: MoveKind | CauseKind
    subject: str
    """Id of the group, or :func:`mark_of` the role."""
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


def exposures_of(move: Move) -> tuple[Exposure, ...]:
    """What a move nobody was entitled to begins, one for each thing given; none when no event dates it."""
    if move.at is None or move.kind is MoveKind.LEFT:
        return ()
    given = (
        [str(move.group)] if move.kind is MoveKind.JOINED else [mark_of(role) for role in sorted(move.roles)]
    )
    return tuple(
        Exposure(event=move.event, user=move.user, kind=move.kind, subject=subject, granted_at=move.at)
        for subject in given
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoneCause:
    """A group, or a role, out of which roles were taken again."""

    kind: CauseKind
    subject: str
    """As an exposure names it."""
    path: re.Pattern[str]
    """Of the events that put something into it."""


def undone_group(group: KeycloakId) -> UndoneCause:
    """A group that had got roles."""
    path = re.compile(rf"groups/{re.escape(group)}/role-mappings/.*")
    return UndoneCause(kind=CauseKind.GROUP, subject=str(group), path=path)


def undone_role(role: RealmRole) -> UndoneCause:
    """A role that had got others in it; events name it by id or by name."""
    plain = re.escape(plain_name(RoleName(role.name.rpartition("/")[2])))
    path = re.compile(rf"(?:roles-by-id/{re.escape(role.id)}|(?:clients/[^/]+/)?roles/{plain})/composites")
    return UndoneCause(kind=CauseKind.ROLE, subject=mark_of(role.name), path=path)


def exposures_of_causes(
    undone: Iterable[UndoneCause],
    events: Iterable[AdminEvent],
    known: Iterable[Exposure],
    until: datetime,
) -> tuple[Exposure, ...]:
    """What was undone at ``until``, each from the first event that put something in since it was undone last;
    nothing of what no event dates. ``events`` are those that are not ours, ``known`` exposures before."""
    ends: dict[tuple[str, str], datetime] = {}
    for item in known:
        if item.revoked_at is not None:
            key = (item.kind, item.subject)
            ends[key] = max(ends.get(key, item.revoked_at), item.revoked_at)
    put = sorted((event for event in events if event.operation == "CREATE"), key=lambda event: event.at)
    found = []
    for cause in undone:
        last = ends.get((cause.kind, cause.subject))
        begun = (event for event in put if cause.path.fullmatch(event.resource_path))
        first = next((event for event in begun if last is None or event.at > last), None)
        if first is not None:
            found.append(
                Exposure(
                    event=first.id,
                    user=None,
                    kind=cause.kind,
                    subject=cause.subject,
                    granted_at=first.at,
                    revoked_at=max(until, first.at),
                )
            )
    return tuple(found)


def mark_of(role: RoleName) -> str:
    """Stands for a role, whose name may be of any length."""
    return hashlib.sha256(role.encode()).hexdigest()[:32]


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
    taken = defaultdict[str, list[datetime]](list)
    for event in known:
        if event.operation == "DELETE":
            taken[_subject(event.resource_path)].append(event.at)
    closed = []
    for item in held:
        ends = [
            times[place]
            for path in _ends(item)
            if (place := bisect_left(times := taken.get(path, []), item.granted_at)) < len(times)
        ]
        end = min(ends, default=None)
        if end is None and known and not _is_held(item, users, default_role):
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


def _subject(path: str) -> str:
    """What a deletion is about: of roles, an event does not say which."""
    before, mappings, _ = path.partition("/role-mappings/")
    return before + mappings


def _ends(item: Exposure) -> tuple[str, str]:
    """Whose deletion ends an exposure: the user's, or that of what was given."""
    user = f"users/{item.user}"
    given = f"groups/{item.subject}" if item.kind is MoveKind.JOINED else "role-mappings/"
    return user, f"{user}/{given}"


def _is_held(item: Exposure, users: Mapping[KeycloakId, RealmUser], default_role: RoleName) -> bool:
    user = None if item.user is None else users.get(item.user)
    if user is None:
        return False
    return item.subject in user.groups if item.kind is MoveKind.JOINED else bool(user.roles - {default_role})


def _rank(ordered: Sequence[float], share: float) -> float | None:
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None
