"""Rows of the registry's tables as values, and values as rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from quanheng.model.ids import KeycloakId, OrgCode, PersonId, PostId, SourceId, StaffNo, Username
from quanheng.model.person import (
    AccountRequest,
    BasisKind,
    Claim,
    GrantedBasis,
    Hold,
    HoldKind,
    PersonRecord,
    Proposal,
    ProposalKind,
    ProposalState,
    RequestKind,
    Term,
    TermKind,
    Waiver,
    Withholding,
)
from quanheng.model.registry import AccountRecord
from quanheng.model.staff import Declaration, Mode, OrgKind, OrgUnit, Origin


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


def person_of(row: Any) -> PersonRecord:
    """A row of ``person``."""
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


def claim_of(row: Any) -> Claim:
    """A row of ``claim``."""
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
        absent_since=row.absent_since,
        missing_since=row.missing_since,
        quarantined=row.quarantined,
        signature=row.signature,
    )


def claim_row(claim: Claim) -> dict[str, Any]:
    """As a row."""
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
        "absent_since": claim.absent_since,
        "missing_since": claim.missing_since,
        "quarantined": claim.quarantined,
        "signature": claim.signature,
    }


def unit_of(row: Any) -> OrgUnit:
    """A row of ``unit``."""
    return OrgUnit(
        code=OrgCode(row.code),
        name=row.name,
        kind=OrgKind(row.kind),
        parent=None if row.parent is None else OrgCode(row.parent),
        origin=Origin(SourceId(row.source), row.locator),
    )


def unit_row(unit: OrgUnit) -> dict[str, Any]:
    """As a row."""
    return {
        "code": unit.code,
        "name": unit.name,
        "kind": unit.kind,
        "parent": unit.parent,
        "source": unit.origin.source,
        "locator": unit.origin.locator,
    }


def declaration_of(row: Any) -> Declaration:
    """A row of ``source_state``."""
    return Declaration(
        source=SourceId(row.source),
        mode=Mode(row.mode),
        scope=tuple(OrgCode(code) for code in row.scope),
        as_of=row.as_of,
        sequence=row.sequence,
        digest=row.digest,
        row_count=row.row_count,
    )


def declaration_row(item: Declaration, now: datetime) -> dict[str, Any]:
    """As a row."""
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


def hold_of(row: Any) -> Hold:
    """A row of ``hold``."""
    return Hold(
        person=PersonId(row.person_id),
        kind=HoldKind(row.kind),
        since=row.since,
        reason=row.reason,
        origin=row.origin,
    )


def hold_row(hold: Hold) -> dict[str, Any]:
    """As a row."""
    return {
        "person_id": hold.person,
        "kind": hold.kind,
        "since": hold.since,
        "reason": hold.reason,
        "origin": hold.origin,
    }


def withholding_of(row: Any) -> Withholding:
    """A row of ``withholding``."""
    return Withholding(
        person=PersonId(row.person_id),
        post=PostId(row.post),
        area=OrgCode(row.area),
        actor=row.actor,
        at=row.at,
        reason=row.reason,
        signature=row.signature,
    )


def withholding_row(item: Withholding) -> dict[str, Any]:
    """As a row."""
    return {
        "person_id": item.person,
        "post": item.post,
        "area": item.area,
        "actor": item.actor,
        "at": item.at,
        "reason": item.reason,
        "signature": item.signature,
    }


def basis_of(row: Any) -> GrantedBasis:
    """A row of ``basis``."""
    return GrantedBasis(
        person=PersonId(row.person_id),
        post=PostId(row.post),
        area=OrgCode(row.area),
        kind=BasisKind(row.kind),
        actor=row.actor,
        at=row.at,
        reason=row.reason,
        signature=row.signature,
    )


def basis_row(item: GrantedBasis) -> dict[str, Any]:
    """As a row."""
    return {
        "person_id": item.person,
        "post": item.post,
        "area": item.area,
        "kind": item.kind,
        "actor": item.actor,
        "at": item.at,
        "reason": item.reason,
        "signature": item.signature,
    }


def waiver_of(row: Any) -> Waiver:
    """A row of ``waiver``."""
    return Waiver(
        key=row.key,
        person=PersonId(row.person_id),
        rule=row.rule,
        reason=row.reason,
        control=row.control,
        until=row.until,
    )


def waiver_row(item: Waiver) -> dict[str, Any]:
    """As a row."""
    return {
        "key": item.key,
        "person_id": item.person,
        "rule": item.rule,
        "reason": item.reason,
        "control": item.control,
        "until": item.until,
    }


def request_of(row: Any) -> AccountRequest:
    """A row of ``account_request``."""
    return AccountRequest(
        key=row.key,
        person=PersonId(row.person_id),
        kind=RequestKind(row.kind),
        reason=row.reason,
        until=row.until,
        about=row.about,
    )


def request_row(item: AccountRequest) -> dict[str, Any]:
    """As a row."""
    return {
        "key": item.key,
        "person_id": item.person,
        "kind": item.kind,
        "reason": item.reason,
        "until": item.until,
        "about": item.about,
    }


def term_of(row: Any) -> Term:
    """A row of ``term``."""
    return Term(
        person=PersonId(row.person_id),
        kind=TermKind(row.kind),
        owner=PersonId(row.owner),
        until=row.until,
        purpose=row.purpose,
    )


def term_row(item: Term) -> dict[str, Any]:
    """As a row."""
    return {
        "person_id": item.person,
        "kind": item.kind,
        "owner": item.owner,
        "until": item.until,
        "purpose": item.purpose,
    }


def account_of(row: Any) -> AccountRecord:
    """A row of ``account``."""
    return AccountRecord(
        person=PersonId(row.person_id),
        keycloak_id=KeycloakId(row.keycloak_id),
        enabled_written=row.enabled_written,
    )
