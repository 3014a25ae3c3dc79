"""What the approval of a request does, and of what follows from a source's word: at once (S8, G19).

The decision, the holds and their entries in the ledger are one transaction. Then the accounts are judged like
any other; when Keycloak is away, or a limit of ``[safety]`` is in the way, the watcher or the next sync does
what is left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection

from quanheng.clock import day_in_china
from quanheng.engine.following import FOLLOWUPS, person_of_followup
from quanheng.engine.holds import DEREGISTERED, holds_of, is_deregistered, told_reason
from quanheng.errors import QuanhengError, RefusedError
from quanheng.lifecycle.requests import about_hold
from quanheng.logs import get_logger
from quanheng.model.ids import KeycloakId, PersonId, Username
from quanheng.model.person import (
    AccountRequest,
    Hold,
    HoldKind,
    PersonRecord,
    Proposal,
    ProposalKind,
    RequestKind,
)
from quanheng.model.registry import Registry
from quanheng.operations.carrying_out import recover
from quanheng.operations.committing import lift_hold, put_hold
from quanheng.operations.context import Context
from quanheng.operations.lifecycle.ending import last_at_the_top
from quanheng.operations.lifecycle.putting_terms import require_end
from quanheng.operations.lifecycle.terms import put_term
from quanheng.operations.refresh import refresh_mirror
from quanheng.operations.standing import has_changed_since
from quanheng.operations.trust import read_trusted_part
from quanheng.operations.watching.repairing import repair
from quanheng.store.lease import Lease
from quanheng.store.logins import begin_counts
from quanheng.store.terms import read_noted_terms
from quanheng.store.watching import ToJudge, put_to_judge

HANDLED: Final = frozenset({ProposalKind.REQUEST, *FOLLOWUPS})
"""Proposals about an account, whose approval takes effect at once."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountNow:
    """How an account stands after a decision."""

    username: Username
    enabled: bool
    why: str
    """What keeps it off, for whoever may read it; empty when nothing does."""


def find_request(registry: Registry, proposal: Proposal) -> AccountRequest:
    """The request that a proposal is about; its key says all of it, so none that was changed is found.

    Raises :class:`RefusedError` when it is not there.
    """
    for request in registry.requests:
        if request.key == proposal.key:
            return request
    raise RefusedError(
        f"the request of proposal {proposal.key[:12]} is not there, or not as it was made",
        remedy="keep the store as it is for the auditor, and have it asked for again",
    )


def person_of(context: Context, registry: Registry, proposal: Proposal) -> PersonId:
    """Whom a proposal of :data:`HANDLED` is about.

    Raises :class:`RefusedError` when nobody can say any more.
    """
    if proposal.kind is ProposalKind.REQUEST:
        return find_request(registry, proposal).person
    person = person_of_followup(registry, context.pack, proposal)
    if person is None:
        raise RefusedError(
            f"no source says any more what proposal {proposal.key[:12]} rests on",
            remedy="run 'quanheng sync', which withdraws it",
        )
    return person


def give_effect(
    context: Context, connection: Connection, registry: Registry, approved: Sequence[Proposal], by: Username
) -> tuple[PersonId, ...]:
    """Put and lift what these approvals are about, within the transaction that decides; whose accounts.

    Raises :class:`RefusedError` when what was asked about is no longer so, and undoes all of them.
    """
    people: list[PersonId] = []
    for proposal in approved:
        if proposal.kind not in HANDLED:
            continue
        person = person_of(context, registry, proposal)
        if proposal.kind is ProposalKind.REQUEST:
            _carry_out(context, connection, registry, find_request(registry, proposal), by)
        elif proposal.kind is ProposalKind.DEREGISTER:
            _deregister(context, connection, registry, person, proposal.key)
        people.append(person)
    put_to_judge(connection, ToJudge(users=_users(registry, people)), context.clock())
    return tuple(dict.fromkeys(people))


def _carry_out(
    context: Context, connection: Connection, registry: Registry, request: AccountRequest, by: Username
) -> None:
    today = day_in_china(context.clock())
    if request.until is not None and request.until < today:
        raise RefusedError(
            f"the last day of request {request.key[:12]}, {request.until.isoformat()}, is past",
            remedy="reject it, and have it asked for again with a later day",
        )
    if request.kind is RequestKind.EXEMPT:
        return  # read when accounts are looked at that nobody logs in to
    if request.kind is RequestKind.DEREGISTER:
        _deregister(context, connection, registry, request.person, request.key)
        return
    hold = _hold_about(connection, registry, request)
    if hold.kind is HoldKind.EXPIRED and request.until is not None:
        require_end(context, request.until)
        term = read_noted_terms(connection)[request.person]
        put_term(context, connection, replace(term, until=request.until), by=str(by), why=request.key)
    lift_hold(context, connection, request.person, hold.kind, why=request.key)
    begin_counts(connection, [request.person], context.clock(), given_back=True)


def _hold_about(connection: Connection, registry: Registry, request: AccountRequest) -> Hold:
    """The very hold that was asked about, still there: a day may see two that say the same."""
    for hold in registry.holds:
        mine = hold.person == request.person and about_hold(hold) == request.about
        if mine and not has_changed_since(connection, hold.person, hold.kind, request.key):
            return hold
    raise RefusedError(
        f"what request {request.key[:12]} is about was lifted, or put anew, since it was made",
        remedy="reject it; look with 'quanheng explain' why the account is off, and have it asked for again",
    )


def _deregister(
    context: Context, connection: Connection, registry: Registry, person: PersonId, key: str
) -> None:
    """注销: the account is off and without duties for good, its record is kept (decision 17)."""
    if is_deregistered(hold for hold in registry.holds if hold.person == person):
        return
    require_another_at_the_top(context, registry, person)
    hold = Hold(
        person=person,
        kind=HoldKind.LEFT,
        since=day_in_china(context.clock()),
        reason="已注销",
        origin=f"{DEREGISTERED}:{key[:12]}",
    )
    put_hold(context, connection, hold)


def require_another_at_the_top(context: Context, registry: Registry, person: PersonId) -> None:
    """Refuse 注销 of whom nobody would be left without. Raises :class:`RefusedError`."""
    if last_at_the_top(context, registry, [person]):
        raise RefusedError(
            f"{registry.persons[person].username} is the last administrator of a kind in the topmost area",
            remedy="have another one appointed first",
        )


def settle(context: Context, lease: Lease, registry: Registry, people: Collection[PersonId]) -> None:
    """Have these accounts as they should be now, as far as that goes; the rest waits for the watcher."""
    users = _users(registry, people)
    if not users:
        return
    try:
        recover(context, lease)
        refresh_mirror(context, lease)
        repair(context, lease, ToJudge(users=users))
    except QuanhengError as error:
        log.warning("what was approved waits for the next look", problem=str(error))


def accounts_after(context: Context, people: Collection[PersonId]) -> tuple[AccountNow, ...]:
    """How these accounts stand now, as we wrote them last."""
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.reading() as connection:
        registry = read_trusted_part(connection, context.keyring, (), people).registry
    return tuple(
        _account_now(context, registry, registry.persons[person])
        for person in people
        if person in registry.persons
    )


def _account_now(context: Context, registry: Registry, person: PersonRecord) -> AccountNow:
    mine = registry.of(person.id)
    today = day_in_china(context.clock())
    holds = holds_of(person, tuple(mine.claims.values()), mine.holds, context.pack, today=today)
    account = mine.accounts.get(person.id)
    return AccountNow(
        username=person.username,
        enabled=account is not None and account.enabled_written,
        why=told_reason(holds),
    )


def _users(registry: Registry, people: Iterable[PersonId]) -> frozenset[KeycloakId]:
    return frozenset(
        registry.accounts[person].keycloak_id for person in people if person in registry.accounts
    )
