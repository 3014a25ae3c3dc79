"""What was decided last, as the ledger has it: a signature proves that something was decided, not that it
still stands.

Whoever can write to the store, but has no keys, could otherwise put back a basis that has ended, or an
approval that was withdrawn, with its old signature, or take a withholding away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from quanheng.model.ids import OrgCode, PersonId, PostId
from quanheng.model.person import BasisKind, GrantedBasis, Proposal, ProposalState, Withholding
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
_APPLICATIONS: Final = (APPLICATION_COMPLETED, APPLICATION_ENDED)
_SEATS: Final = (BASIS_ADOPTED, BASIS_ENDED, WITHHOLDING_ADOPTED, WITHHOLDING_ENDED)
_PROPOSALS: Final = (APPROVED, REJECTED, WITHDRAWN)


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

    def state_of(self, proposal: Proposal) -> ProposalState:
        """The state that a proposal is in by right: one that was rejected stays so, and an approval that was
        withdrawn needs another."""
        last = self.proposals.get(proposal.key)
        if last == REJECTED:
            return ProposalState.REJECTED
        if last == WITHDRAWN and proposal.state is ProposalState.APPROVED:
            return ProposalState.WITHDRAWN
        return proposal.state


def read_standing(connection: Connection) -> Standing:
    """Read the decisions among the ledger's entries: few, and found by their kind.

    Whether the ledger itself is whole is for ``quanheng ledger verify`` to say.
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
    return Standing(seats=seats, proposals=proposals, applications=applications)
