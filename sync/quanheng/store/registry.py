"""The registry in the store: read as one value, written by one delta."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Table, and_, bindparam, delete, func, insert, select, update

from quanheng.identity.port import Keyring
from quanheng.identity.sealed import seal_document, seal_phone
from quanheng.model.ids import KeycloakId, OrgCode, PersonId, PostId, SourceId, StaffNo
from quanheng.model.person import Claim, Proposal, ProposalState
from quanheng.model.registry import AccountRecord, ClaimKey, Founder, Registry, RegistryDelta, Seat, claim_key
from quanheng.model.sensitive import Sensitive
from quanheng.model.staff import Document, DocumentKind
from quanheng.store import registry_rows as rows
from quanheng.store import tables
from quanheng.store.database import upsert
from quanheng.store.meta import read_founders, read_number, write_number
from quanheng.store.registry_rows import proposal_of
from quanheng.store.restored import is_restored

__all__ = [
    "commit_delta",
    "count_accounts",
    "proposal_of",
    "put_accounts",
    "put_proposals",
    "raise_revision",
    "read_registry",
]

_AT_A_TIME: Final = 500
"""Values in one list of a query."""


def read_registry(connection: Connection) -> Registry:
    """Everything but the sealed numbers and phones."""
    return _read(connection, None)


def read_part(
    connection: Connection, users: Collection[KeycloakId], persons: Collection[PersonId] = ()
) -> Registry:
    """The registry as far as it is about these users' persons and ``persons``: a few, not hundreds.

    Organisations, sources, founders and proposals are whole: a proposal's key is a digest, from which nobody
    can tell whose it is.
    """
    table = tables.account
    found = connection.execute(
        select(table.c.person_id).where(table.c.keycloak_id.in_(list(users)))
    ).scalars()
    return _read(connection, sorted({*map(PersonId, found), *persons}))


def accounts_among(
    connection: Connection, users: Iterable[KeycloakId], *, left_on: bool = False
) -> frozenset[KeycloakId]:
    """Those of these users that are accounts which we made. ``left_on``: and wrote last as switched on."""
    column, asked = tables.account.c.keycloak_id, list(users)
    found: set[KeycloakId] = set()
    for first in range(0, len(asked), _AT_A_TIME):
        some = asked[first : first + _AT_A_TIME]
        query = select(column).where(column.in_(some))
        if left_on:
            query = query.where(tables.account.c.enabled_written)
        found.update(map(KeycloakId, connection.execute(query).scalars()))
    return frozenset(found)


def _read(connection: Connection, only: Sequence[PersonId] | None) -> Registry:
    def of(table: Table) -> Sequence[Row[Any]]:
        query = select(*(column for column in table.c if not column.name.endswith("_sealed")))
        if only is not None:
            query = query.where(table.c["id" if table is tables.person else "person_id"].in_(only))
        return connection.execute(query).all()

    persons = {PersonId(row.id): rows.person_of(row) for row in of(tables.person)}
    sources = connection.execute(select(tables.source_state).order_by(tables.source_state.c.source))
    return Registry(
        revision=read_number(connection, "revision", 0),
        persons=persons,
        claims={claim_key(claim): claim for claim in map(rows.claim_of, of(tables.claim))},
        units={OrgCode(row.code): rows.unit_of(row) for row in connection.execute(select(tables.unit))},
        sources={SourceId(row.source): rows.declaration_of(row) for row in sources},
        holds=tuple(map(rows.hold_of, of(tables.hold))),
        withholdings=tuple(map(rows.withholding_of, of(tables.withholding))),
        bases=tuple(map(rows.basis_of, of(tables.basis))),
        waivers=tuple(map(rows.waiver_of, of(tables.waiver))),
        requests=tuple(map(rows.request_of, of(tables.account_request))),
        terms=tuple(map(rows.term_of, of(tables.term))),
        proposals={row.key: proposal_of(row) for row in connection.execute(select(tables.proposal))},
        accounts={PersonId(row.person_id): rows.account_of(row) for row in of(tables.account)},
        founders=tuple(
            Founder(staff_no=StaffNo(staff_no), post=PostId(post), area=OrgCode(area))
            for staff_no, post, area in read_founders(connection)
        ),
        next_serial=read_number(connection, "next_serial", 1),
        restored=is_restored(connection),
    )


def commit_delta(connection: Connection, delta: RegistryDelta, keyring: Keyring, now: datetime) -> None:
    """Write a delta inside the caller's transaction and raise the revision."""
    _put_persons(connection, delta, keyring, now)
    _put_claims(connection, delta.claims_put, delta.claims_ended)
    upsert(connection, tables.unit, [rows.unit_row(unit) for unit in delta.units_put])
    for code in delta.units_gone:
        connection.execute(delete(tables.unit).where(tables.unit.c.code == code))
    upsert(connection, tables.source_state, [rows.declaration_row(item, now) for item in delta.sources])
    for person_id, kind in delta.holds_lifted:
        table = tables.hold
        connection.execute(delete(table).where(and_(table.c.person_id == person_id, table.c.kind == kind)))
    upsert(connection, tables.hold, [rows.hold_row(hold) for hold in delta.holds_put])
    _end_seats(connection, tables.withholding, delta.withholdings_ended)
    upsert(connection, tables.withholding, [rows.withholding_row(item) for item in delta.withholdings_put])
    _end_seats(connection, tables.basis, delta.bases_ended)
    upsert(connection, tables.basis, [rows.basis_row(item) for item in delta.bases_put])
    put_proposals(connection, delta.proposals, now)
    put_accounts(connection, delta.adopted)
    write_number(connection, "next_serial", delta.next_serial)
    raise_revision(connection)


def _end_seats(connection: Connection, table: Table, seats: Iterable[Seat]) -> None:
    for person, post, area in seats:
        seat = and_(table.c.person_id == person, table.c.post == post, table.c.area == area)
        connection.execute(delete(table).where(seat))


def count_accounts(connection: Connection) -> int:
    """How many accounts are ours."""
    return connection.scalar(select(func.count()).select_from(tables.account)) or 0


def raise_revision(connection: Connection) -> None:
    """Mark that the registry is no longer what earlier plans were made on."""
    write_number(connection, "revision", read_number(connection, "revision", 0) + 1)


def put_accounts(connection: Connection, accounts: Iterable[AccountRecord]) -> None:
    """Remember which account is whose."""
    records = [
        {"person_id": item.person, "keycloak_id": item.keycloak_id, "enabled_written": item.enabled_written}
        for item in accounts
    ]
    upsert(connection, tables.account, records)


def put_proposals(connection: Connection, proposals: Iterable[Proposal], now: datetime) -> None:
    """Write proposals; the day one was first made is kept, until it is withdrawn and made anew."""
    table = tables.proposal
    for item in proposals:
        values: dict[str, Any] = {
            "kind": item.kind,
            "subject": item.subject,
            "summary": item.summary,
            "area": item.area,
            "post": item.post,
            "origin": item.origin,
            "proposer": item.proposer,
            "state": item.state,
            "decided_by": item.decided_by,
            "decided_at": item.decided_at,
            "signature": item.signature,
        }
        same = table.c.key == item.key
        if item.state is ProposalState.OPEN:
            anew = and_(same, table.c.state == ProposalState.WITHDRAWN)
            connection.execute(update(table).where(anew).values(created_at=now))
        if connection.execute(update(table).where(same).values(**values)).rowcount == 0:
            connection.execute(insert(table).values(key=item.key, created_at=now, **values))


def _put_persons(connection: Connection, delta: RegistryDelta, keyring: Keyring, now: datetime) -> None:
    if not delta.persons:
        return
    table = tables.person
    known = set(connection.execute(select(table.c.id)).scalars())
    fresh: list[dict[str, Any]] = []
    for person in delta.persons:
        values: dict[str, Any] = {
            "serial": person.serial,
            "username": person.username,
            "subject": person.subject,
            "document_index": person.document_index,
            "phone_index": person.phone_index,
            "name": person.name,
            "staff_no": person.staff_no,
        }
        if (secrets := delta.secrets.get(person.id)) is not None:
            document = Document(DocumentKind(secrets.document_kind), Sensitive(secrets.document_number))
            values["document_sealed"] = seal_document(keyring, person.id, document)
            values["phone_sealed"] = seal_phone(keyring, person.id, Sensitive(secrets.phone))
        if person.id in known:
            connection.execute(update(table).where(table.c.id == person.id).values(**values))
        else:
            fresh.append({"id": person.id, "created_at": now, **values})
    if fresh:
        connection.execute(insert(table), fresh)


def _put_claims(connection: Connection, put: Iterable[Claim], ended: Iterable[ClaimKey]) -> None:
    table = tables.claim
    new = [rows.claim_row(claim) for claim in put]
    gone = [{"s": source, "p": person, "o": org, "t": post or ""} for source, person, org, post in ended]
    gone += [{"s": r["source"], "p": r["person_id"], "o": r["org"], "t": r["post"]} for r in new]
    if gone:
        same = and_(
            table.c.source == bindparam("s"),
            table.c.person_id == bindparam("p"),
            table.c.org == bindparam("o"),
            table.c.post == bindparam("t"),
        )
        connection.execute(delete(table).where(same), gone)
    if new:
        connection.execute(insert(table), new)
