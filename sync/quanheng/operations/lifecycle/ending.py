"""Switching accounts off whose time is over: by a plan like any other, with their sessions ended.

The holds are written whatever the number, since each end was put by a person; then nothing gives such an
account anything, and no card logs in to it. Switching many off at once in Keycloak is judged by the limits of
``[safety]``: beyond them the next sync, which finds the same, waits for a second person.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from quanheng.engine.apply import Outcome
from quanheng.engine.plan import Plan, digest_of, order_changes
from quanheng.engine.safety import Excess, judge_safety
from quanheng.lifecycle.last_one import top_offices
from quanheng.lifecycle.terms import ORIGIN, article_of
from quanheng.model.change import Change, ChangeKind
from quanheng.model.ids import KeycloakId, PersonId, PostId
from quanheng.model.person import Hold, HoldKind, PersonRecord
from quanheng.model.realm import ObservedRealm
from quanheng.model.registry import Registry, RegistryDelta
from quanheng.operations import committing
from quanheng.operations.carrying_out import carry_out
from quanheng.operations.context import Context
from quanheng.operations.trust import read_trusted
from quanheng.store.lease import Lease
from quanheng.store.meta import read_number
from quanheng.store.mirror import read_mirror
from quanheng.store.plans import save_plan
from quanheng.store.registry import count_accounts

_PLANNER: Final = f"{ORIGIN}:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """An account whose time is over."""

    person: PersonRecord
    user: KeycloakId | None
    """None for a person without an account."""
    hold: Hold
    put: bool = True
    """Whether the hold is to be written; False when it is there, and only the account is still on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of them."""

    outcome: Outcome
    excess: tuple[Excess, ...] = ()
    """Limits that keep the accounts on until a second person has approved the next sync's plan."""


def end_accounts(
    context: Context, lease: Lease, endings: Sequence[Ending], *, approved: bool = False
) -> Ended:
    """Hold these accounts, and switch them off. The mirror is up to date.

    ``approved``: a second person has seen who they are and how many.
    """
    users = _users(endings)
    with context.database.reading() as connection:
        observed = read_mirror(connection, users=users)
        excess = () if approved else judge_endings(context, connection, endings)
        revision = read_number(connection, "revision", 0)
        next_serial = read_number(connection, "next_serial", 1)
    changes = () if excess else _changes(context, endings, observed)
    delta = RegistryDelta(holds_put=tuple(item.hold for item in endings if item.put), next_serial=next_serial)
    plan = Plan(
        digest=digest_of(context.realm_name, revision, changes, (), once=secrets.token_hex(8)),
        realm=context.realm_name,
        base_revision=revision,
        planner=f"{_PLANNER}{context.who}",
        created_at=context.clock(),
        changes=changes,
        delta=delta,
        findings=(),
        excess=(),
        sources=(),
    )
    if not changes and delta.empty:
        return Ended(outcome=Outcome(done={}, refused=()), excess=excess)
    with context.database.transaction() as connection:
        lease.assert_held(connection)
        save_plan(connection, plan, context.keyring)
    return Ended(outcome=carry_out(context, lease, plan, observed), excess=excess)


def lift_hold(context: Context, connection: Connection, hold: Hold) -> None:
    """Lift a hold that came of an end, or of there being none, within the caller's transaction.

    Whoever calls it has the account judged afterwards: something else may hold it too.
    """
    committing.lift_hold(context, connection, hold.person, hold.kind)


def last_at_the_top(context: Context, known: Registry, going: Collection[PersonId]) -> frozenset[PersonId]:
    """Of those whose time is over, administrators of the topmost area without whom an office there would be
    nobody's (decision 5): nobody would be left to give an account back.

    ``known``: what is known of these people; everybody is read only when one of them has such an office.
    """
    if not _offices(context, known).keys() & set(going):
        return frozenset()
    with context.database.reading() as connection:
        registry = read_trusted(connection, context.keyring).registry
    offices = _offices(context, registry)
    held = {hold.person for hold in registry.holds}
    staying = {
        office
        for person in offices.keys() - held - set(going)
        if (account := registry.accounts.get(person)) is not None and account.enabled_written
        for office in offices[person]
    }
    return frozenset(person for person in going if not offices.get(person, set()) <= staying)


def _offices(context: Context, registry: Registry) -> Mapping[PersonId, set[PostId]]:
    """Administrators of the topmost area, with their posts."""
    posts: dict[PersonId, set[PostId]] = defaultdict(set)
    for claim in registry.claims.values():
        if claim.post is not None:
            posts[claim.person].add(claim.post)
    for basis in registry.bases:
        posts[basis.person].add(basis.post)
    found = {person: top_offices(registry, context.pack, names, person) for person, names in posts.items()}
    return {person: offices for person, offices in found.items() if offices}


def judge_endings(context: Context, connection: Connection, endings: Sequence[Ending]) -> tuple[Excess, ...]:
    """Limits of ``[safety]`` that switching these off would exceed."""
    observed = read_mirror(connection, users=_users(endings))
    return judge_safety(
        _changes(context, endings, observed),
        dict(context.settings.safety),
        accounts=count_accounts(connection),
        groups=len(observed.groups),
        may_grow=False,
    )


def _users(endings: Sequence[Ending]) -> frozenset[KeycloakId]:
    return frozenset(item.user for item in endings if item.user is not None)


def _changes(context: Context, endings: Sequence[Ending], observed: ObservedRealm) -> tuple[Change, ...]:
    return order_changes([_disable(context, item) for item in endings if _is_on(item, observed)])


def _is_on(item: Ending, observed: ObservedRealm) -> bool:
    user = observed.users.get(item.user) if item.user is not None else None
    return user is not None and user.enabled


def _disable(context: Context, item: Ending) -> Change:
    return Change(
        kind=ChangeKind.DISABLE,
        subject=str(item.person.username),
        reason=item.hold.reason,
        person=item.person.id,
        origin=ORIGIN,
        article=article_of(context.pack),
        detail={"id": str(item.user), "holds": [HoldKind.EXPIRED]},
    )
