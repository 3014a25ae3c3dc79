"""Exposure: when it began, when it ended, and what is told of many."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quanheng.model.ids import KeycloakId, RoleName, Username
from quanheng.model.realm import AdminEvent, RealmRole, RealmUser
from quanheng.watch.actors import Move, MoveKind, find_moves
from quanheng.watch.exposure import (
    Exposure,
    UndoneCause,
    close_exposures,
    exposures_of,
    exposures_of_causes,
    mark_of,
    report_exposure,
    undone_group,
    undone_role,
)

START = datetime(2026, 3, 2, 4, tzinfo=UTC)
DEFAULT = RoleName("default-roles-shanxi")
USER, GROUP, ACTOR = KeycloakId("u1"), KeycloakId("g1"), KeycloakId("a1")


def event(path: str, *, after: float = 0, operation: str = "CREATE", **fields: Any) -> AdminEvent:
    """An event so many seconds after the start."""
    values: dict[str, Any] = {
        "id": f"{operation} {path} {after}",
        "at": START + timedelta(seconds=after),
        "operation": operation,
        "resource_type": "GROUP_MEMBERSHIP",
        "resource_path": path,
        "actor_realm": "r",
        "actor_client": "c",
        "actor_user": ACTOR,
    }
    return AdminEvent(**(values | fields))


def user(**fields: Any) -> RealmUser:
    """A user without anything."""
    values: dict[str, Any] = {"id": USER, "username": Username("sx1"), "enabled": True, "name": "人"}
    return RealmUser(**(values | fields))


def moves(*events: AdminEvent, before: RealmUser | None, after: RealmUser) -> tuple[Move, ...]:
    """What changed between two readings of one user."""
    known = {} if before is None else {before.id: before}
    return find_moves(events, known, {after.id: after}, default_role=DEFAULT)


def test_who_joined_somebody() -> None:
    """The last event of the same kind names the actor and the time."""
    joined = event(f"users/{USER}/groups/{GROUP}")
    again = event(f"users/{USER}/groups/{GROUP}", after=5, actor_user="a2")
    found = moves(again, joined, before=user(), after=user(groups=frozenset({GROUP})))
    assert [(move.kind, move.group, move.actor, move.at) for move in found] == [
        (MoveKind.JOINED, GROUP, "a2", again.at)
    ]


def test_nobody_is_named_without_an_event() -> None:
    """A change in the database has no actor, and no exposure that could be dated."""
    found = moves(before=user(), after=user(groups=frozenset({GROUP})))
    assert [(move.actor, move.event) for move in found] == [(None, "")]
    assert exposures_of(found[0]) == ()


@pytest.mark.parametrize("kind", ["USER", "REALM"])
def test_a_new_user_brings_its_groups(kind: str) -> None:
    """Whoever made the user, alone or in an import, gave it its groups and roles."""
    made = event(f"users/{USER}", resource_type=kind)
    after = user(groups=frozenset({GROUP}), roles=frozenset({DEFAULT, RoleName("post-x")}))
    found = moves(made, before=None, after=after)
    assert [(move.kind, move.actor) for move in found] == [
        (MoveKind.JOINED, ACTOR),
        (MoveKind.ROLES_ADDED, ACTOR),
    ]


def test_leaving_and_roles() -> None:
    """A membership that ended has the actor of its end; the default role is nobody's gain."""
    left = event(f"users/{USER}/groups/{GROUP}", operation="DELETE")
    mapped = event(f"users/{USER}/role-mappings/realm", resource_type="REALM_ROLE_MAPPING", actor_user="a3")
    found = moves(
        left,
        mapped,
        before=user(groups=frozenset({GROUP})),
        after=user(roles=frozenset({DEFAULT, RoleName("post-x")})),
    )
    assert [(move.kind, move.actor) for move in found] == [
        (MoveKind.LEFT, ACTOR),
        (MoveKind.ROLES_ADDED, "a3"),
    ]
    assert exposures_of(found[0]) == ()
    assert [item.subject for item in exposures_of(found[1])] == [mark_of(RoleName("post-x"))]


def held(after: float = 0, **fields: Any) -> Exposure:
    """Something held since so many seconds after the start."""
    values: dict[str, Any] = {
        "event": f"e{after}",
        "user": USER,
        "kind": MoveKind.JOINED,
        "subject": GROUP,
        "granted_at": START + timedelta(seconds=after),
    }
    return Exposure(**(values | fields))


def closed(item: Exposure, *events: AdminEvent, now: RealmUser | None) -> float | None:
    """After how many seconds it ended."""
    users = {} if now is None else {now.id: now}
    found = close_exposures([item], events, users, default_role=DEFAULT)
    end = found[0].revoked_at if found else None
    return None if end is None else (end - item.granted_at).total_seconds()


def test_the_first_end_counts() -> None:
    """An end before the grant is another one's; of several later ones the first."""
    path = f"users/{USER}/groups/{GROUP}"
    ends = [event(path, after=at, operation="DELETE") for at in (-1, 3, 9)]
    assert closed(held(), *ends, now=user()) == 3


def test_what_ends_an_exposure() -> None:
    """Leaving that group, losing roles, or the user's end; nothing of another user or group."""
    inside = user(groups=frozenset({GROUP}), roles=frozenset({RoleName("x")}))
    assert closed(held(), event("users/u2/groups/g1", operation="DELETE"), now=inside) is None
    assert closed(held(), event(f"users/{USER}/groups/g2", operation="DELETE"), now=inside) is None
    assert closed(held(), event(f"users/{USER}", after=2, operation="DELETE"), now=None) == 2
    roles = held(kind=MoveKind.ROLES_ADDED, subject="")
    gone = event(f"users/{USER}/role-mappings/realm", after=4, operation="DELETE")
    assert closed(roles, gone, now=user()) == 4


def test_what_no_event_of_the_user_ended() -> None:
    """Somebody who is no longer in the group, though no event says so: by the last event at the latest."""
    assert closed(held(), event("groups/g1", after=7), now=user()) == 7
    assert closed(held(), event("groups/g1", after=7), now=user(groups=frozenset({GROUP}))) is None


def test_the_report() -> None:
    """Median and 95th percentile by nearest rank; what is still held counts apart."""
    ended = [held(n, revoked_at=START + timedelta(seconds=2 * n)) for n in range(1, 101)]
    report = report_exposure([*ended, held(500)])
    assert (report.ended, report.open) == (100, 1)
    assert (report.median_seconds, report.p95_seconds, report.longest_seconds) == (50, 95, 100)
    nothing = report_exposure([])
    assert (nothing.ended, nothing.median_seconds, nothing.longest_seconds) == (0, None, None)


def test_moves_are_in_the_order_of_their_events() -> None:
    """Who takes a post away and gives another has done so in that order, whatever the groups' ids; in one
    instant what was left comes first; what no event dates comes last."""
    a, b, c = KeycloakId("ga"), KeycloakId("gb"), KeycloakId("gc")
    left = event(f"users/{USER}/groups/{b}", operation="DELETE")
    for seconds in (0, 3):
        joined = event(f"users/{USER}/groups/{a}", after=seconds)
        found = moves(joined, left, before=user(groups=frozenset({b})), after=user(groups=frozenset({a, c})))
        assert [(move.kind, move.group) for move in found] == [
            (MoveKind.LEFT, b),
            (MoveKind.JOINED, a),
            (MoveKind.JOINED, c),
        ]
    left_later = event(f"users/{USER}/groups/{b}", after=9, operation="DELETE")
    found = moves(joined, left_later, before=user(groups=frozenset({b})), after=user(groups=frozenset({a})))
    assert [move.kind for move in found] == [MoveKind.JOINED, MoveKind.LEFT]


# Causes


LATER = START + timedelta(seconds=60)
ROLE = RealmRole(id=KeycloakId("r1"), name=RoleName("post-x"), description="")


def causes(
    undone: UndoneCause, *events: AdminEvent, known: tuple[Exposure, ...] = ()
) -> list[tuple[float, float]]:
    """From when to when, in seconds after the start."""
    found = exposures_of_causes([undone], events, known, LATER)
    assert all(item.kind is undone.kind and item.user is None for item in found)
    return [
        ((item.granted_at - START).total_seconds(), (item.revoked_at - START).total_seconds())
        for item in found
        if item.revoked_at is not None
    ]


@pytest.mark.parametrize(
    ("undone", "path"),
    [
        (undone_group(GROUP), f"groups/{GROUP}/role-mappings/realm"),
        (undone_group(GROUP), f"groups/{GROUP}/role-mappings/clients/c1"),
        (undone_role(ROLE), "roles-by-id/r1/composites"),
        (undone_role(ROLE), "roles/post-x/composites"),
        (undone_role(replace(ROLE, name=RoleName("c/post-x"))), "clients/c1/roles/post-x/composites"),
    ],
)
def test_a_cause_counts_from_what_began_it(undone: UndoneCause, path: str) -> None:
    """The first event that put something in, since it was undone last."""
    assert causes(undone, event(path, after=9), event(path, after=3)) == [(3, 60)]
    assert causes(undone, event(path, after=3, operation="DELETE")) == []
    for other in ("groups/g2/role-mappings/realm", "roles-by-id/r2/composites", "roles/post-y/composites"):
        assert causes(undone, event(other, after=3)) == []
    before = replace(
        held(0), user=None, kind=undone.kind, subject=undone.subject, revoked_at=START + timedelta(seconds=5)
    )
    assert causes(undone, event(path, after=9), event(path, after=3), known=(before,)) == [(9, 60)]


def test_a_cause_that_no_event_dates() -> None:
    """Nothing is counted of what was done in the database."""
    assert causes(undone_group(GROUP)) == []


def test_a_cause_never_ends_before_it_began() -> None:
    """The server's time is told to the second."""
    assert causes(undone_group(GROUP), event(f"groups/{GROUP}/role-mappings/realm", after=61)) == [(61, 61)]
