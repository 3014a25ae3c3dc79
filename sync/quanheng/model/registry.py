"""All that the store knows of people, as one value that pure code can reason about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from quanheng.model.ids import KeycloakId, OrgCode, PersonId, PostId, SourceId, StaffNo
from quanheng.model.person import (
    AccountRequest,
    Claim,
    GrantedBasis,
    Hold,
    PersonRecord,
    Proposal,
    Term,
    Waiver,
    Withholding,
)
from quanheng.model.staff import Declaration, OrgUnit

Seat = tuple[PersonId, PostId, OrgCode]
"""A person at a post in an area: what makes two bases, or two withholdings, the same."""

ClaimKey = tuple[SourceId, PersonId, OrgCode, PostId | None]


def claim_key(claim: Claim) -> ClaimKey:
    """What makes two claims the same claim."""
    return (claim.source, claim.person, claim.org, claim.post)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRecord:
    """The account that we made for a person."""

    person: PersonId
    keycloak_id: KeycloakId
    enabled_written: bool
    """What we last wrote, or adopted: tells a disable in the console from drift."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Founder:
    """An administrator named by the two-person bootstrap, ledger entry 0 (decision 5)."""

    staff_no: StaffNo
    post: PostId
    area: OrgCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """People, what sources claim of them, and what was decided about them."""

    revision: int = 0
    """Rises with every committed change; a plan is made on one revision and applies to no other."""
    persons: Mapping[PersonId, PersonRecord] = field(default_factory=dict)
    claims: Mapping[ClaimKey, Claim] = field(default_factory=dict)
    units: Mapping[OrgCode, OrgUnit] = field(default_factory=dict)
    sources: Mapping[SourceId, Declaration] = field(default_factory=dict)
    """The last accepted declaration of each source."""
    holds: tuple[Hold, ...] = ()
    """Holds that no source says: frozen in the console and the like."""
    withholdings: tuple[Withholding, ...] = ()
    bases: tuple[GrantedBasis, ...] = ()
    """Bases that no source says."""
    waivers: tuple[Waiver, ...] = ()
    """Waivers asked for, approved or not."""
    requests: tuple[AccountRequest, ...] = ()
    """What people asked for accounts, approved or not."""
    terms: tuple[Term, ...] = ()
    """Ends of accounts that are for a time."""
    proposals: Mapping[str, Proposal] = field(default_factory=dict)
    accounts: Mapping[PersonId, AccountRecord] = field(default_factory=dict)
    founders: tuple[Founder, ...] = ()
    next_serial: int = 1
    restored: bool = False
    """Whether the store came from a backup and was not compared with Keycloak since."""

    def of(self, person: PersonId) -> Registry:
        """The registry as far as it is about one person; decisions, units and sources are whole.

        Raises :class:`KeyError` for somebody who is not in it.
        """
        account = self.accounts.get(person)
        return replace(
            self,
            persons={person: self.persons[person]},
            claims={key: item for key, item in self.claims.items() if item.person == person},
            holds=tuple(item for item in self.holds if item.person == person),
            withholdings=tuple(item for item in self.withholdings if item.person == person),
            bases=tuple(item for item in self.bases if item.person == person),
            waivers=tuple(item for item in self.waivers if item.person == person),
            requests=tuple(item for item in self.requests if item.person == person),
            terms=tuple(item for item in self.terms if item.person == person),
            accounts={person: account} if account is not None else {},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonSecrets:
    """A person's document and phone on their way to the store, which seals them."""

    document_kind: str
    document_number: str = field(repr=False)
    phone: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryDelta:
    """What a plan writes to the registry when it is applied. Everything or nothing."""

    persons: tuple[PersonRecord, ...] = ()
    secrets: Mapping[PersonId, PersonSecrets] = field(default_factory=dict, repr=False)
    claims_put: tuple[Claim, ...] = ()
    claims_ended: tuple[ClaimKey, ...] = ()
    units_put: tuple[OrgUnit, ...] = ()
    units_gone: tuple[OrgCode, ...] = ()
    sources: tuple[Declaration, ...] = ()
    holds_put: tuple[Hold, ...] = ()
    holds_lifted: tuple[tuple[PersonId, str], ...] = ()
    withholdings_put: tuple[Withholding, ...] = ()
    withholdings_ended: tuple[Seat, ...] = ()
    bases_put: tuple[GrantedBasis, ...] = ()
    bases_ended: tuple[Seat, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    adopted: tuple[AccountRecord, ...] = ()
    """Accounts whose Keycloak id or switch was learned by looking (console holds, adoption)."""
    next_serial: int = 1

    @property
    def empty(self) -> bool:
        """Whether applying it would change nothing."""
        return not (
            self.persons
            or self.claims_put
            or self.claims_ended
            or self.units_put
            or self.units_gone
            or self.sources
            or self.holds_put
            or self.holds_lifted
            or self.withholdings_put
            or self.withholdings_ended
            or self.bases_put
            or self.bases_ended
            or self.proposals
            or self.adopted
        )
