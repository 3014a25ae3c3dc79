"""A second person decides: who may, and what it changes (decisions 5 and 15)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection, select

from quanheng.clock import day_in_china
from quanheng.delegation.holders import Seat
from quanheng.engine.merge import proposal_key
from quanheng.errors import RefusedError
from quanheng.keycloak.login import AuthenticatedPerson
from quanheng.ledger.chain import Ledger
from quanheng.ledger.entry import Entry
from quanheng.model.change import Change, ChangeKind
from quanheng.model.ids import OrgCode, PersonId, Username
from quanheng.model.person import PersonRecord, Proposal, ProposalKind, ProposalState, Waiver
from quanheng.model.registry import Registry
from quanheng.operations.carrying_out import hold_lease
from quanheng.operations.context import Context
from quanheng.operations.lifecycle.deciders import belonging_of, who_may_ask, who_may_decide
from quanheng.operations.lifecycle.lifting import HANDLED, give_effect, person_of, settle
from quanheng.operations.offices_held import record_of, seats_of, seats_of_record
from quanheng.operations.organisations import units_of
from quanheng.operations.standing import APPROVED, REJECTED
from quanheng.operations.trust import read_trusted, read_trusted_part, sign_proposals
from quanheng.operations.waivers import concerns_administrators
from quanheng.operations.watching.repairing import takes_power
from quanheng.policy.units import Units
from quanheng.store import tables
from quanheng.store.plans import approve_plan, read_plan
from quanheng.store.registry import put_proposals, raise_revision

_GIVES: Final = frozenset(
    {ChangeKind.CREATE, ChangeKind.ENABLE, ChangeKind.GRANT, ChangeKind.ROLE_ADD, ChangeKind.LINK}
)


def read_proposals(context: Context, *, all_states: bool = False) -> tuple[Proposal, ...]:
    """Proposals that wait for a decision, or all of them, as they were made and decided; oldest first."""
    table = tables.proposal
    query = select(table.c.key).order_by(table.c.created_at, table.c.key)
    keyring = context.keyring
    with context.database.reading() as connection:
        known = read_trusted_part(connection, keyring, ()).registry.proposals
        found = [known[key] for key in connection.execute(query).scalars() if key in known]
    return tuple(item for item in found if all_states or item.state is ProposalState.OPEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What was decided."""

    proposals: tuple[Proposal, ...]
    people: tuple[PersonId, ...]
    """Whose accounts it changed at once; see :func:`quanheng.operations.lifecycle.lifting.accounts_after`."""


def decide(
    context: Context, keys: Sequence[str], person: AuthenticatedPerson, *, approve: bool
) -> tuple[Proposal, ...]:
    """The same as :func:`decide_all`, for who wants no more than the proposals."""
    return decide_all(context, keys, person, approve=approve).proposals


def decide_all(
    context: Context, keys: Sequence[str], person: AuthenticatedPerson, *, approve: bool
) -> Decided:
    """Approve or reject proposals as a person who has proved who it is.

    All or none: raises :class:`RefusedError` when one is unknown, decided already, or not this
    person's to decide. Whoever is concerned, or made the plan, never decides. What is approved about an
    account takes effect at once; everything else with the next sync.
    """
    now = context.clock()
    with hold_lease(context) as lease:
        with context.database.transaction() as connection:
            lease.assert_held(connection)
            registry = read_trusted(connection, context.keyring).registry
            units = units_of(context, registry, {})
            approver = record_of(registry, person.username)
            seats = seats_of(context, registry, units, person)
            stored = connection.execute(select(tables.proposal.c.key)).scalars().all()
            decided = []
            # Whoever names one twice, or once in short and once in full, means it once.
            found = {item.key: item for item in (_find(registry, key, stored) for key in keys)}
            for proposal in found.values():
                changes = _changes_of(context, connection, proposal)
                _require_unconcerned(context, registry, proposal, approver, changes, approve=approve)
                _require_entitled(context, registry, units, proposal, approver, seats)
                if approve:
                    _require_asker(context, registry, units, proposal)
                state = ProposalState.APPROVED if approve else ProposalState.REJECTED
                decided.append(replace(proposal, state=state, decided_by=approver.username, decided_at=now))
            put_proposals(connection, sign_proposals(context.keyring, decided), now)
            for proposal in decided:
                if proposal.kind is ProposalKind.UNSAFE_PLAN and approve:
                    approve_plan(connection, proposal.subject, approver.username, now)
            if any(proposal.kind is not ProposalKind.UNSAFE_PLAN for proposal in decided):
                raise_revision(connection)
            _write_down(context, connection, decided, approver, approve=approve)
            people = give_effect(context, connection, registry, decided, approver.username) if approve else ()
        settle(context, lease, registry, people)
    return Decided(proposals=tuple(decided), people=people)


def _write_down(
    context: Context,
    connection: Connection,
    decided: Sequence[Proposal],
    approver: PersonRecord,
    *,
    approve: bool,
) -> None:
    Ledger(connection, context.keyring, context.clock).append(
        [
            Entry(
                kind=APPROVED if approve else REJECTED,
                body={
                    "key": proposal.key,
                    "kind": proposal.kind,
                    "subject": proposal.subject,
                    "area": proposal.area,
                    "post": proposal.post,
                    "by": approver.username,
                },
            )
            for proposal in decided
        ]
    )


def _find(registry: Registry, key: str, stored: Sequence[str]) -> Proposal:
    """The proposal of a key, of which everything is signed that follows from deciding it.

    ``stored``: keys in the store, also of what is not as it was made.
    """
    found = [item for item in registry.proposals.values() if len(key) >= 8 and item.key.startswith(key)]
    found += [
        item
        for item in registry.proposals.values()
        if item.kind is ProposalKind.UNSAFE_PLAN and len(key) >= 8 and item.subject.startswith(key)
    ]
    if not found and any(len(key) >= 8 and item.startswith(key) for item in stored):
        raise RefusedError(
            f"proposal {key} was altered in the store: its signature is not that of what it says",
            remedy="keep a copy of the store for the auditor; 'quanheng sync' proposes it anew, and a waiver "
            "has to be asked for again",
        )
    if len(found) != 1:
        raise RefusedError(
            f"no single proposal is called {key}", remedy="copy its key from 'quanheng proposals'"
        )
    if found[0].state is not ProposalState.OPEN:
        raise RefusedError(
            f"proposal {key} is {found[0].state} already", remedy="look at 'quanheng proposals --all'"
        )
    return found[0]


def _refuse(approver: PersonRecord, proposal: Proposal, why: str, remedy: str) -> RefusedError:
    return RefusedError(f"{approver.username} may not decide {proposal.key[:12]}: {why}", remedy=remedy)


def _require_unconcerned(
    context: Context,
    registry: Registry,
    proposal: Proposal,
    approver: PersonRecord,
    changes: Sequence[Change],
    *,
    approve: bool,
) -> None:
    """Refuse whom the proposal is about, by person and not only by the staff number of the moment.

    ``changes``: of a plan. It may be about everybody; so nobody lets one pass that gives to oneself, or holds
    one up that takes from oneself.
    """
    remedy = "have another administrator decide"
    if proposal.proposer == f"realm:{approver.username}":
        raise _refuse(approver, proposal, "the same person made it", remedy)
    about = {proposal_key(proposal.kind, approver.id, str(proposal.post), str(proposal.area))}
    if proposal.kind in (ProposalKind.DOCUMENT_CHANGED, ProposalKind.STAFF_NO_MOVED):
        mine = approver.document_index
        for other in registry.persons.values():
            about.add(proposal_key(proposal.kind, other.document_index, mine, proposal.subject))
    if proposal.kind is ProposalKind.WAIVER and _waiver(registry, proposal).person == approver.id:
        about.add(proposal.key)
    if proposal.kind in HANDLED and person_of(context, registry, proposal) == approver.id:
        about.add(proposal.key)
    if proposal.kind is ProposalKind.UNSAFE_PLAN and _suits(changes, approver, approve=approve):
        about.add(proposal.key)
    if proposal.subject == approver.staff_no or proposal.key in about:
        raise _refuse(approver, proposal, "it concerns the same person", remedy)


def _require_asker(context: Context, registry: Registry, units: Units, proposal: Proposal) -> None:
    """Refuse what somebody asked for whose word no longer counts: two entitled people stand behind it."""
    if proposal.kind is not ProposalKind.REQUEST:
        return
    asker = record_of(registry, Username(proposal.proposer.removeprefix("realm:")))
    today = day_in_china(context.clock())
    about = person_of(context, registry, proposal)
    where = belonging_of(registry, context.pack, units, about, today=today)
    seats = seats_of_record(context, registry, units, asker)
    if who_may_ask(context.pack, units, where).isdisjoint(seats):
        raise RefusedError(
            f"{asker.username}, who asked for {proposal.key[:12]}, may not ask for it any more",
            remedy="reject it, and have another administrator ask",
        )


def _changes_of(context: Context, connection: Connection, proposal: Proposal) -> Sequence[Change]:
    if proposal.kind is not ProposalKind.UNSAFE_PLAN:
        return ()
    with suppress(RefusedError):  # not kept any more: there is nothing left to approve
        return read_plan(connection, proposal.subject, context.keyring).plan.changes
    return ()


def _suits(changes: Sequence[Change], approver: PersonRecord, *, approve: bool) -> bool:
    """Whether it would give the approver something to approve these, or leave it something to reject them."""
    return any(
        (change.kind in _GIVES if approve else takes_power(change))
        for change in changes
        if change.person == approver.id
    )


def _waiver(registry: Registry, proposal: Proposal) -> Waiver:
    """The waiver that a proposal is about; its key says all of it, so none that was changed is found."""
    for waiver in registry.waivers:
        if waiver.key == proposal.key:
            return waiver
    raise RefusedError(
        f"the waiver of proposal {proposal.key[:12]} is not there, or not as it was asked for",
        remedy="keep the store as it is for the auditor, and have it asked for again",
    )


def _require_entitled(
    context: Context,
    registry: Registry,
    units: Units,
    proposal: Proposal,
    approver: PersonRecord,
    seats: Sequence[Seat],
) -> None:
    def refuse(why: str, remedy: str) -> RefusedError:
        return _refuse(approver, proposal, why, remedy)

    root = OrgCode(context.pack.info.root[0])
    if proposal.kind is ProposalKind.UNSAFE_PLAN:
        if not any(seat.area == root for seat in seats):
            raise refuse("only administrators of the province approve unsafe plans", "ask one of them")
        return
    if proposal.kind in HANDLED:
        today = day_in_china(context.clock())
        about = person_of(context, registry, proposal)
        where = belonging_of(registry, context.pack, units, about, today=today)
        if who_may_decide(context.pack, units, where).isdisjoint(seats):
            raise refuse(f"it has no charge of accounts in {where.area.code}", "ask the level above")
        return
    at = proposal.area or root
    post = context.pack.post_at(proposal.post, at) if proposal.post is not None else None
    entitled = (
        set(post.approved_by)
        if post is not None
        else {item.id for item in context.pack.posts.posts if item.kind == "administrator"}
    )
    unit = units.resolve(proposal.area) if proposal.area is not None else None
    above = {item.code for item in units.lineage(unit)} if unit is not None else {root}
    counterpart = post is not None and post.kind == "administrator"
    if proposal.kind is ProposalKind.WAIVER:
        rule = _waiver(registry, proposal).rule
        counterpart = concerns_administrators(context.pack, context.rules, rule)
    if counterpart and proposal.area != root:
        above.discard(proposal.area or root)  # nobody makes a counterpart (S4): the level above does
    if not any(seat.post in entitled and seat.area in above for seat in seats):
        raise refuse("it is another area's or another kind of administrator's", "ask the level above")
