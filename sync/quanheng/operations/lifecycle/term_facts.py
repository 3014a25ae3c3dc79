"""What is known of accounts that are for a time, read together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from quanheng.clock import day_in_china
from quanheng.engine.holds import holds_of, is_over
from quanheng.lifecycle.terms import ORIGIN, Step, TermFacts, needs_term, next_step
from quanheng.model.finding import Finding, FindingKind
from quanheng.model.ids import OrgCode, PersonId
from quanheng.model.person import Claim, Hold, PersonRecord, Term
from quanheng.model.registry import AccountRecord, Registry
from quanheng.operations.context import Context
from quanheng.operations.trust import read_trusted, read_trusted_part
from quanheng.store.terms import read_employed, read_expired, read_noted_terms, read_term_rows

_FEW = 2000
"""So many people are read one by one; of more, everybody is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTerm:
    """One account, and what decides about it."""

    person: PersonRecord
    account: AccountRecord | None
    claims: tuple[Claim, ...]
    """Those that count now come first."""
    facts: TermFacts
    owner: PersonRecord | None
    owner_fit: bool
    """Whether the owner's account is there and nothing holds it."""

    @property
    def org(self) -> OrgCode | None:
        """Where the sources have the person, or had; None for somebody whom none names any more."""
        return self.claims[0].org if self.claims else None

    def step(self, today: date) -> Step:
        """What the day asks for."""
        return next_step(self.facts, today)

    @property
    def left_on(self) -> bool:
        """Whether its time is over and it is not switched off yet, as far as we wrote it."""
        hold = self.facts.hold
        return (
            hold is not None
            and hold.origin == ORIGIN
            and self.account is not None
            and self.account.enabled_written
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTerms:
    """All of them, by user name."""

    items: tuple[KnownTerm, ...]
    registry: Registry
    """As far as it is about these people and their owners."""
    differing: Mapping[PersonId, Term]
    """Whose row in the store is not what the ledger has, and what that is."""
    strange: tuple[PersonId, ...]
    """Who has a row and no entry in the ledger: such a row counts for nothing."""

    def find(self, person: PersonId) -> KnownTerm | None:
        """Of one person."""
        return next((item for item in self.items if item.person.id == person), None)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was written into the store by whoever may not."""
        return tuple(
            Finding(
                kind=FindingKind.FORGED_DECISION,
                subject=str(self.registry.persons[person].username),
                detail="账号期限与台账的最后记载不符，以台账为准",
                violation=True,
            )
            for person in sorted({*self.differing, *self.strange})
            if person in self.registry.persons
        )


def read_known_terms(context: Context) -> KnownTerms:
    """Read everything about accounts that have an end, had one, or must have one. Changes nothing."""
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.reading() as connection:
        return read_known(context, connection)


def read_known(context: Context, connection: Connection) -> KnownTerms:
    """The same within the caller's transaction; open ``context.keyring`` before it."""
    temporary = context.pack.lifecycle.temporary
    noted, rows = read_noted_terms(connection), read_term_rows(connection)
    expired = read_expired(connection)
    employed = read_employed(connection, temporary.employments if temporary is not None else ())
    wanted = {*noted, *rows, *expired, *employed}
    people = sorted(wanted | {term.owner for term in noted.values()})
    registry = (
        read_trusted_part(connection, context.keyring, (), people)
        if len(people) <= _FEW
        else read_trusted(connection, context.keyring)
    ).registry
    claims = _by_person(registry.claims.values())
    holds: dict[PersonId, list[Hold]] = defaultdict(list)
    for hold in registry.holds:
        holds[hold.person].append(hold)
    today = day_in_china(context.clock())

    def is_fit(owner: PersonId) -> bool:
        person = registry.persons.get(owner)
        return (
            person is not None
            and owner in registry.accounts
            and not holds_of(person, claims[owner], holds[owner], context.pack, today=today)
        )

    def place_in_line(claim: Claim) -> tuple[bool, str, str]:
        return is_over(claim, context.pack, today=today), claim.source, claim.org

    items = []
    for who in wanted & registry.persons.keys():
        facts = TermFacts(
            term=noted.get(who),
            hold=expired.get(who),
            needed=who in employed and needs_term(claims[who], context.pack, today=today),
        )
        if facts == TermFacts(term=None, hold=None, needed=False):
            continue
        items.append(
            KnownTerm(
                person=registry.persons[who],
                account=registry.accounts.get(who),
                claims=tuple(sorted(claims[who], key=place_in_line)),
                facts=facts,
                owner=registry.persons.get(facts.term.owner) if facts.term is not None else None,
                owner_fit=facts.term is not None and is_fit(facts.term.owner),
            )
        )
    return KnownTerms(
        items=tuple(sorted(items, key=lambda item: item.person.username)),
        registry=registry,
        differing={who: term for who, term in noted.items() if rows.get(who) != term},
        strange=tuple(sorted(rows.keys() - noted.keys())),
    )


def _by_person(claims: Iterable[Claim]) -> dict[PersonId, list[Claim]]:
    found: dict[PersonId, list[Claim]] = defaultdict(list)
    for claim in claims:
        found[claim.person].append(claim)
    return found
