"""Accounts that are for a time: listed, and looked after day by day (J18, J21)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from quanheng.clock import day_in_china
from quanheng.engine.safety import Excess
from quanheng.errors import ConfigurationError
from quanheng.lifecycle.inactivity import newest
from quanheng.lifecycle.terms import Step, TermState, days_left, hold_of, state_of
from quanheng.model.change import Json
from quanheng.model.ids import OrgCode, PersonId, Username
from quanheng.model.person import Term, TermKind
from quanheng.operations.answering.looking import find_persons
from quanheng.operations.carrying_out import hold_lease, recover
from quanheng.operations.context import Context
from quanheng.operations.lifecycle.ending import Ending, end_accounts, last_at_the_top, lift_hold
from quanheng.operations.lifecycle.term_facts import KnownTerm, KnownTerms, read_known_terms
from quanheng.operations.lifecycle.term_telling import tell_terms
from quanheng.operations.noting import note, note_forgeries
from quanheng.operations.organisations import read_recoded, units_of
from quanheng.operations.refresh import refresh_mirror
from quanheng.operations.waiving import require_clock
from quanheng.operations.watching.repairing import repair
from quanheng.policy.units import in_scope
from quanheng.store.lease import Lease
from quanheng.store.logins import read_last_logins
from quanheng.store.terms import TERM_PUT, drop_terms, write_terms
from quanheng.store.watching import ToJudge


@dataclass(frozen=True, slots=True, kw_only=True)
class TermLine:
    """An account that is for a time, for lists."""

    person: PersonId
    username: Username
    org: OrgCode | None
    """Where the sources have the person first; None when nowhere."""
    state: TermState
    kind: TermKind | None
    """None for one that must have an end and has none; so is what follows."""
    owner: Username | None
    owner_fit: bool
    """Whether the owner has an account that nothing holds."""
    until: date | None
    days_left: int | None
    purpose: str
    last_login: datetime | None
    """The newest that is known, to whatever."""
    enabled: bool
    """As we wrote it last."""


def read_terms(
    context: Context, *, area: OrgCode | None = None, owner: str | None = None
) -> tuple[TermLine, ...]:
    """Every account that has an end, had one, or must have one; by user name. Asks Keycloak nothing.

    ``area``: only those of this organisation and below. ``owner``: only those for which this person, by user
    name or staff number, answers. Raises :class:`ConfigurationError` when there is no such organisation, or
    nobody of that name.
    """
    known, today = read_known_terms(context), day_in_china(context.clock())
    if area is not None:
        _require_area(context, known, area)
    with context.database.reading() as connection:
        logins = read_last_logins(connection, [item.person.id for item in known.items])
        owners = find_persons(connection, owner) if owner is not None else ()
    if owner is not None and not owners:
        raise ConfigurationError(
            "nobody is called as --owner says", remedy="give a user name or a staff number"
        )
    found = []
    for item in known.items:
        term, state = item.facts.term, state_of(item.facts, context.pack, today)
        if state is None:
            continue  # only a hold that the next day lifts
        org = item.org
        if area is not None and (org is None or not in_scope(org, (area,))):
            continue
        if owner is not None and (item.owner is None or item.owner.id not in owners):
            continue
        found.append(
            TermLine(
                person=item.person.id,
                username=item.person.username,
                org=org,
                state=state,
                kind=term.kind if term is not None else None,
                owner=item.owner.username if item.owner is not None else None,
                owner_fit=item.owner_fit,
                until=term.until if term is not None else None,
                days_left=days_left(term, today) if term is not None else None,
                purpose=term.purpose if term is not None else "",
                last_login=newest(*logins.get(item.person.id, {}).values()),
                enabled=item.account is not None and item.account.enabled_written,
            )
        )
    return tuple(found)


def _require_area(context: Context, known: KnownTerms, area: OrgCode) -> None:
    if units_of(context, known.registry, read_recoded(context)).resolve(area) is None:
        raise ConfigurationError(
            f"there is no organisation {area}",
            remedy="name a province, city, county or anything below by its exact code",
        )


def put_term(context: Context, connection: Connection, term: Term, *, by: str, why: str = "") -> None:
    """Give an account its end, within the caller's transaction, which has seen that it may: row and ledger.

    Lifts no hold. ``by``: user name of who decided it. ``why``: key of the request that was approved. Open
    ``context.keyring`` before the transaction.
    """
    write_terms(connection, [term])
    body: dict[str, Json] = {
        "person": str(term.person),
        "kind": term.kind,
        "owner": str(term.owner),
        "until": term.until.isoformat(),
        "purpose": term.purpose,
        "put_by": by,
        "request": why,
    }
    note(context, connection, TERM_PUT, body)


def look_after_terms(context: Context) -> str:
    """Announce ends, switch off what has ended, and give back what needs no end any more.

    Returns one line for the log. Nothing is done twice.
    """
    known = read_known_terms(context)
    if not known.items and not known.findings:
        return "terms=0"
    with hold_lease(context) as lease:
        recover(context, lease)
        _keep_to_the_ledger(context, lease, known)
        known, today = read_known_terms(context), day_in_china(context.clock())
        over = [item for item in known.items if item.step(today) is Step.HOLD or item.left_on]
        kept = last_at_the_top(context, known.registry, [item.person.id for item in over])
        due = [item for item in over if item.person.id not in kept]
        free = [item for item in known.items if item.step(today) is Step.LIFT]
        excess: tuple[Excess, ...] = ()
        if due or free:
            require_clock(context)
            refresh_mirror(context, lease)
            excess = end_accounts(context, lease, [_ending(item, today) for item in due]).excess
            _give_back(context, lease, free)
    with context.database.transaction() as connection:
        told = tell_terms(context, connection, known, due=due, kept=kept, excess=excess)
    return (
        f"terms={len(known.items)} ended={0 if excess else len(due)} stopped={len(due) if excess else 0} "
        f"lifted={len(free)} kept={len(kept)} announced={told}"
    )


def _ending(item: KnownTerm, today: date) -> Ending:
    there = item.facts.hold
    return Ending(
        person=item.person,
        user=item.account.keycloak_id if item.account is not None else None,
        hold=there or hold_of(item.person.id, item.facts.term, today),
        put=there is None,
    )


def _give_back(context: Context, lease: Lease, items: Sequence[KnownTerm]) -> None:
    """The sources no longer have these people in an employment whose accounts must have an end."""
    if not items:
        return
    users = frozenset(item.account.keycloak_id for item in items if item.account is not None)
    with context.database.transaction() as connection:
        lease.assert_held(connection)
        for item in items:
            if item.facts.hold is not None:
                lift_hold(context, connection, item.facts.hold)
    repair(context, lease, ToJudge(users=users))


def _keep_to_the_ledger(context: Context, lease: Lease, known: KnownTerms) -> None:
    """Put right the rows that somebody changed in the store, and write down that it was so."""
    if not known.findings:
        return
    with context.database.transaction() as connection:
        lease.assert_held(connection)
        note_forgeries(context, connection, known.findings)
        write_terms(connection, list(known.differing.values()))
        drop_terms(connection, known.strange)
