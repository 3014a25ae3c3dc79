"""What was decided last, as the ledger has it: a signature proves that something was decided, not that it
still stands.

Whoever can write to the store, but has no keys, could otherwise put back a basis that has ended, or an
approval that was withdrawn, with its old signature, or take a withholding or a hold away.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, select

from quanheng.logs import redact_text
from quanheng.model.change import ChangeKind
from quanheng.model.ids import OrgCode, PersonId, PostId
from quanheng.model.person import (
    BasisKind,
    GrantedBasis,
    Hold,
    HoldKind,
    Proposal,
    ProposalState,
    Withholding,
)
from quanheng.model.registry import Seat
from quanheng.store.tables import ledger

BASIS_ADOPTED: Final = "basis_adopted"
BASIS_ENDED: Final = "basis_ended"
WITHHOLDING_ADOPTED: Final = "withholding_adopted"
"""Ends a basis of the console too."""
WITHHOLDING_ENDED: Final = "withholding_ended"
APPROVED: Final = "proposal_approved"
REJECTED: Final = "proposal_rejected"
WITHDRAWN: Final = "proposal_withdrawn"
APPLICATION_COMPLETED: Final = "application_completed"
APPLICATION_ENDED: Final = "application_ended"
HOLD_PUT: Final = "hold_put"
HOLD_LIFTED: Final = "hold_lifted"
REQUESTED: Final = "account_requested"
_APPLICATIONS: Final = (APPLICATION_COMPLETED, APPLICATION_ENDED)
_SEATS: Final = (BASIS_ADOPTED, BASIS_ENDED, WITHHOLDING_ADOPTED, WITHHOLDING_ENDED)
_PROPOSALS: Final = (APPROVED, REJECTED, WITHDRAWN)
_HOLDS: Final = (HOLD_PUT, HOLD_LIFTED)
_FEW: Final = 20
"""Of so many people the entries about holds are searched for one by one."""


@dataclass(frozen=True, slots=True)
class _Last:
    kind: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The last entry about each seat, proposal and application; without one, the signature alone counts."""

    seats: Mapping[Seat, _Last] = field(default_factory=dict)
    proposals: Mapping[str, str] = field(default_factory=dict)
    applications: Mapping[PersonId, str] = field(default_factory=dict)
    holds: Mapping[tuple[PersonId, HoldKind], Hold] = field(default_factory=dict)
    """Those that were put and not lifted since, as far as they were asked for."""

    def has_basis(self, basis: GrantedBasis) -> bool:
        """Whether a basis has not ended. Only those of the console begin and end with an entry."""
        last = self.seats.get((basis.person, basis.post, basis.area))
        return basis.kind is not BasisKind.CONSOLE or last is None or last.kind == BASIS_ADOPTED

    def has_withholding(self, item: Withholding) -> bool:
        """Whether a withholding has not ended."""
        last = self.seats.get((item.person, item.post, item.area))
        return last is None or last.kind == WITHHOLDING_ADOPTED

    def has_application(self, person: PersonId) -> bool:
        """Whether what an application says of somebody has not ended."""
        return self.applications.get(person, APPLICATION_COMPLETED) == APPLICATION_COMPLETED

    def withholdings(self) -> Mapping[Seat, Withholding]:
        """Those that must be there, as the ledger has them."""
        return {
            seat: Withholding(
                person=seat[0], post=seat[1], area=seat[2], actor=last.actor, at=last.at, reason="见台账"
            )
            for seat, last in self.seats.items()
            if last.kind == WITHHOLDING_ADOPTED
        }

    def differs(self, hold: Hold) -> Hold | None:
        """What the ledger has of a stored hold, when that is another day or origin; one that was put before
        there were entries is believed."""
        last = self.holds.get((hold.person, hold.kind))
        if last is None or (last.since, last.origin) == (hold.since, redact_text(hold.origin)):
            return None
        return last

    def state_of(self, proposal: Proposal) -> ProposalState:
        """The state that a proposal is in by right: one that was rejected stays so, and an approval that was
        withdrawn needs another."""
        last = self.proposals.get(proposal.key)
        if last == REJECTED:
            return ProposalState.REJECTED
        if last == WITHDRAWN and proposal.state is ProposalState.APPROVED:
            return ProposalState.WITHDRAWN
        return proposal.state


def read_standing(connection: Connection, *, held: Collection[PersonId] | None = None) -> Standing:
    """Read the decisions among the ledger's entries: few, and found by their kind.

    ``held``: whose holds are read, None for everybody's: in years there are as many as accounts. Whether the
    ledger itself is whole is for ``quanheng ledger verify`` to say.
    """
    query = (
        select(ledger.c.kind, ledger.c.at, ledger.c.body)
        .where(ledger.c.kind.in_([*_SEATS, *_PROPOSALS, *_APPLICATIONS]))
        .order_by(ledger.c.sequence)
    )
    seats: dict[Seat, _Last] = {}
    proposals: dict[str, str] = {}
    applications: dict[PersonId, str] = {}
    for kind, at, body in connection.execute(query):
        told: dict[str, Any] = json.loads(body)
        if kind in _PROPOSALS:
            proposals[str(told["key"])] = kind
        elif kind in _APPLICATIONS:
            applications[PersonId(told["person"])] = kind
        elif "person" in told:
            seat = (PersonId(told["person"]), PostId(told["post"]), OrgCode(told["area"]))
            seats[seat] = _Last(kind, str(told["actor"]), at)
    return Standing(
        seats=seats,
        proposals=proposals,
        applications=applications,
        holds=read_standing_holds(connection, held),
    )


def read_lock_moment(connection: Connection, person: PersonId) -> datetime | None:
    """When the lock of an account that nobody had logged in to began; None when the ledger has no such hold.

    That is when the account was switched off, as far as the lock itself wrote that down. Whoever died on the
    way may have switched it off before any entry says so: then the moment of the hold counts.
    """
    query = (
        select(ledger.c.kind, ledger.c.at, ledger.c.body)
        .where(ledger.c.kind.in_([HOLD_PUT, ChangeKind.DISABLE]), _is_about(person))
        .order_by(ledger.c.sequence)
    )
    moment: datetime | None = None
    origin: str | None = None
    for kind, at, body in connection.execute(query):
        told: dict[str, Any] = json.loads(body)
        if kind == HOLD_PUT:
            if told["kind"] == HoldKind.INACTIVE:
                moment, origin = at, told["origin"]
        elif told["origin"] == origin:
            # Others, and what was found done, tell of a later moment: somebody may have switched it on in the
            # console meanwhile, and logged in.
            moment, origin = (at if told["how"] == "applied" else moment), None
    return moment


def read_standing_holds(
    connection: Connection, people: Collection[PersonId] | None
) -> Mapping[tuple[PersonId, HoldKind], Hold]:
    """Holds that were put and not lifted since, of these people or of everybody (None), whatever the store
    has; their reasons are in the ledger alone."""
    found: dict[tuple[PersonId, HoldKind], Hold] = {}
    for kind, told in _entries_of_holds(connection, people):
        place = (PersonId(told["person"]), HoldKind(told["kind"]))
        if kind == HOLD_LIFTED:
            found.pop(place, None)
        elif people is None or place[0] in people:
            found[place] = Hold(
                person=place[0],
                kind=place[1],
                since=date.fromisoformat(told["since"]),
                reason="见台账",
                origin=str(told["origin"]),
            )
    return found


def has_changed_since(connection: Connection, person: PersonId, kind: HoldKind, request: str) -> bool:
    """Whether a hold of this kind was put or lifted after this request, by its key, was made; so too when the
    ledger knows of no such request."""
    query = (
        select(ledger.c.kind, ledger.c.body)
        .where(ledger.c.kind.in_([*_HOLDS, REQUESTED]), _is_about(person))
        .order_by(ledger.c.sequence)
    )
    changed = True
    for entry, body in connection.execute(query):
        told: dict[str, Any] = json.loads(body)
        if entry == REQUESTED:
            changed = changed and told["key"] != request
        elif told["kind"] == kind:
            changed = True
    return changed


def _is_about(person: PersonId) -> ColumnElement[bool]:
    # Nobody can put quotation marks into a body: they are escaped there.
    return ledger.c.body.contains(f'"person":"{person}"', autoescape=True)


def _entries_of_holds(
    connection: Connection, held: Collection[PersonId] | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    if held is not None and not held:
        return
    query = select(ledger.c.kind, ledger.c.body).where(ledger.c.kind.in_(_HOLDS)).order_by(ledger.c.sequence)
    if held is None or len(held) > _FEW:
        yield from ((kind, json.loads(body)) for kind, body in connection.execute(query))
        return
    for person in sorted(held):
        mine = query.where(_is_about(person))
        yield from ((kind, json.loads(body)) for kind, body in connection.execute(mine))
