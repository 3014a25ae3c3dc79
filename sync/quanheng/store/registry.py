"""The registry in the store: read as one value, written by one delta."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, insert, select, update

from quanheng.identity.port import Keyring
from quanheng.identity.sealed import seal_document, seal_phone
from quanheng.model.ids import KeycloakId, OrgCode, PersonId, PostId, SourceId, StaffNo, Username
from quanheng.model.person import (
    Claim,
    Hold,
    HoldKind,
    PersonRecord,
    Proposal,
    ProposalKind,
    ProposalState,
    Withholding,
)
from quanheng.model.registry import (
    AccountRecord,
    ClaimKey,
    Founder,
    Registry,
    RegistryDelta,
    claim_key,
)
from quanheng.model.sensitive import Sensitive
from quanheng.model.staff import Declaration, Document, DocumentKind, Mode, OrgKind, OrgUnit, Origin
from quanheng.store import tables
from quanheng.store.database import upsert
from quanheng.store.meta import read_founders, read_number, write_number


def read_registry(connection: Connection) -> Registry:
    """Everything but the sealed numbers and phones."""
    claims = {claim_key(claim): claim for claim in map(_claim, connection.execute(select(tables.claim)))}
    return Registry(
        revision=read_number(connection, "revision", 0),
        persons={PersonId(row.id): _person(row) for row in connection.execute(select(*_PERSON))},
        claims=claims,
        units={OrgCode(row.code): _unit(row) for row in connection.execute(select(tables.unit))},
        sources={
            SourceId(row.source): _declaration(row)
            for row in connection.execute(select(tables.source_state).order_by(tables.source_state.c.source))
        },
        holds=tuple(_hold(row) for row in connection.execute(select(tables.hold))),
        withholdings=tuple(_withholding(row) for row in connection.execute(select(tables.withholding))),
        proposals={row.key: proposal_of(row) for row in connection.execute(select(tables.proposal))},
        accounts={
            PersonId(row.person_id): AccountRecord(
                person=PersonId(row.person_id),
                keycloak_id=KeycloakId(row.keycloak_id),
                enabled_written=row.enabled_written,
            )
            for row in connection.execute(select(tables.account))
        },
        founders=tuple(
            Founder(staff_no=StaffNo(staff_no), post=PostId(post), area=OrgCode(area))
            for staff_no, post, area in read_founders(connection)
        ),
        next_serial=read_number(connection, "next_serial", 1),
    )


def commit_delta(connection: Connection, delta: RegistryDelta, keyring: Keyring, now: datetime) -> None:
    """Write a delta inside the caller's transaction and raise the revision."""
    _put_persons(connection, delta, keyring, now)
    _put_claims(connection, delta.claims_put, delta.claims_ended)
    upsert(connection, tables.unit, [_unit_row(unit) for unit in delta.units_put])
    for code in delta.units_gone:
        connection.execute(delete(tables.unit).where(tables.unit.c.code == code))
    upsert(connection, tables.source_state, [_declaration_row(item, now) for item in delta.sources])
    for person_id, kind in delta.holds_lifted:
        table = tables.hold
        connection.execute(delete(table).where(and_(table.c.person_id == person_id, table.c.kind == kind)))
    upsert(connection, tables.hold, [_hold_row(hold) for hold in delta.holds_put])
    put_proposals(connection, delta.proposals, now)
    put_accounts(connection, delta.adopted)
    write_number(connection, "next_serial", delta.next_serial)
    raise_revision(connection)


def raise_revision(connection: Connection) -> None:
    """Mark that the registry is no longer what earlier plans were made on."""
    write_number(connection, "revision", read_number(connection, "revision", 0) + 1)


def put_accounts(connection: Connection, accounts: Iterable[AccountRecord]) -> None:
    """Remember which account is whose."""
    rows = [
        {"person_id": item.person, "keycloak_id": item.keycloak_id, "enabled_written": item.enabled_written}
        for item in accounts
    ]
    upsert(connection, tables.account, rows)


def put_proposals(connection: Connection, proposals: Iterable[Proposal], now: datetime) -> None:
    """Write proposals; the day one was first made is kept."""
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
        if connection.execute(update(table).where(table.c.key == item.key).values(**values)).rowcount == 0:
            connection.execute(insert(table).values(key=item.key, created_at=now, **values))


def proposal_of(row: Any) -> Proposal:
    """A row of the table ``proposal`` as a value."""
    return Proposal(
        key=row.key,
        kind=ProposalKind(row.kind),
        subject=row.subject,
        summary=row.summary,
        area=None if row.area is None else OrgCode(row.area),
        post=None if row.post is None else PostId(row.post),
        origin=row.origin,
        proposer=row.proposer,
        state=ProposalState(row.state),
        decided_by=None if row.decided_by is None else Username(row.decided_by),
        decided_at=row.decided_at,
        signature=row.signature,
    )


_PERSON = [column for column in tables.person.c if not column.name.endswith("_sealed")]


def _person(row: Any) -> PersonRecord:
    return PersonRecord(
        id=PersonId(row.id),
        username=Username(row.username),
        serial=row.serial,
        subject=row.subject,
        document_index=row.document_index,
        phone_index=row.phone_index,
        name=row.name,
        staff_no=StaffNo(row.staff_no),
    )


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
    rows = [_claim_row(claim) for claim in put]
    gone = [{"s": source, "p": person, "o": org, "t": post or ""} for source, person, org, post in ended]
    gone += [{"s": r["source"], "p": r["person_id"], "o": r["org"], "t": r["post"]} for r in rows]
    if gone:
        same = and_(
            table.c.source == bindparam("s"),
            table.c.person_id == bindparam("p"),
            table.c.org == bindparam("o"),
            table.c.post == bindparam("t"),
        )
        connection.execute(delete(table).where(same), gone)
    if rows:
        connection.execute(insert(table), rows)


def _claim(row: Any) -> Claim:
    return Claim(
        source=SourceId(row.source),
        person=PersonId(row.person_id),
        org=OrgCode(row.org),
        post=PostId(row.post) if row.post else None,
        employment=row.employment,
        status=row.status,
        status_from=row.status_from,
        status_to=row.status_to,
        post_start=row.post_start,
        origin=Origin(SourceId(row.source), row.locator),
        missing_since=row.missing_since,
        quarantined=row.quarantined,
    )


def _claim_row(claim: Claim) -> dict[str, Any]:
    return {
        "source": claim.source,
        "person_id": claim.person,
        "org": claim.org,
        "post": claim.post or "",
        "employment": claim.employment,
        "status": claim.status,
        "status_from": claim.status_from,
        "status_to": claim.status_to,
        "post_start": claim.post_start,
        "locator": claim.origin.locator,
        "missing_since": claim.missing_since,
        "quarantined": claim.quarantined,
    }


def _unit(row: Any) -> OrgUnit:
    return OrgUnit(
        code=OrgCode(row.code),
        name=row.name,
        kind=OrgKind(row.kind),
        parent=None if row.parent is None else OrgCode(row.parent),
        origin=Origin(SourceId(row.source), row.locator),
    )


def _unit_row(unit: OrgUnit) -> dict[str, Any]:
    return {
        "code": unit.code,
        "name": unit.name,
        "kind": unit.kind,
        "parent": unit.parent,
        "source": unit.origin.source,
        "locator": unit.origin.locator,
    }


def _declaration(row: Any) -> Declaration:
    return Declaration(
        source=SourceId(row.source),
        mode=Mode(row.mode),
        scope=tuple(OrgCode(code) for code in row.scope),
        as_of=row.as_of,
        sequence=row.sequence,
        digest=row.digest,
        row_count=row.row_count,
    )


def _declaration_row(item: Declaration, now: datetime) -> dict[str, Any]:
    return {
        "source": item.source,
        "mode": item.mode,
        "scope": list(item.scope),
        "as_of": item.as_of,
        "sequence": item.sequence,
        "digest": item.digest,
        "row_count": item.row_count,
        "accepted_at": now,
    }


def _hold(row: Any) -> Hold:
    return Hold(
        person=PersonId(row.person_id),
        kind=HoldKind(row.kind),
        since=row.since,
        reason=row.reason,
        origin=row.origin,
    )


def _hold_row(hold: Hold) -> dict[str, Any]:
    return {
        "person_id": hold.person,
        "kind": hold.kind,
        "since": hold.since,
        "reason": hold.reason,
        "origin": hold.origin,
    }


def _withholding(row: Any) -> Withholding:
    return Withholding(
        person=PersonId(row.person_id),
        post=PostId(row.post),
        area=OrgCode(row.area),
        actor=row.actor,
        at=row.at,
        reason=row.reason,
    )
