"""What quanheng knows of people between two readings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from quanheng.model.ids import OrgCode, PersonId, PostId, SourceId, StaffNo, Username
from quanheng.model.staff import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRecord:
    """A person of the registry. ID number and phone are kept encrypted beside it, never in it."""

    id: PersonId
    username: Username
    serial: int
    """The number the user name was made from; never issued twice."""
    subject: str
    """Random ``sub`` of the federated identity (decision 8)."""
    document_index: str
    """HMAC-SM3 of (kind, canonical number), hex: the person's key."""
    phone_index: str
    """HMAC-SM3 of the phone, hex: tells that it changed."""
    name: str
    staff_no: StaffNo


APPLICATION: Final = SourceId("application")
"""The source of claims that an administrator made in completing a draft; no feed may have this id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a source says now of one person at one post. Replaced by the source's next reading.

    One of the :data:`APPLICATION` counts as long as its signature does, from the day on which it was made
    (``status_from``), and ends with the first believed row of any source that names the person: from then on
    the sources' word alone counts.
    """

    source: SourceId
    person: PersonId
    org: OrgCode
    post: PostId | None
    employment: str
    status: str
    status_from: date | None
    status_to: date | None
    post_start: date | None
    origin: Origin
    absent_since: date | None = None
    """First day of an absence that this row goes on with: a leave that is renewed month by month."""
    missing_since: date | None = None
    """Day of the first complete snapshot that no longer had it; it ends after the pack's grace. Of an
    application: that was made after it and does not have the person; told, and a violation after that grace.
    """
    quarantined: bool = False
    """The newest row was quarantined: present, keeps what it had, grants nothing new."""
    signature: str = ""
    """Signature of the ledger key, hex, under a claim of an application; no source reads those again."""


class HoldKind(StrEnum):
    """Reasons for an account to be disabled; they stack and are lifted separately (decision 4)."""

    DRAFT = "draft"
    FROZEN = "frozen"
    INACTIVE = "inactive"
    ABSENT = "absent"
    LEFT = "left"
    INVESTIGATION = "investigation"
    EXPIRED = "expired"
    IDENTITY_IN_DOUBT = "identity_in_doubt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One reason why an account is disabled."""

    person: PersonId
    kind: HoldKind
    since: date
    reason: str
    origin: str


class BasisKind(StrEnum):
    """Because of what a duty is held (decision 3)."""

    SOURCE = "source"
    CONSOLE = "console"
    APPLICATION = "application"
    WAIVER = "waiver"


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """Why a person holds a duty: the post, the area, and who said so."""

    person: PersonId
    post: PostId
    area: OrgCode
    kind: BasisKind
    origin: str
    article: str
    since: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Withholding:
    """An entitled administrator's revoke, which no source undoes."""

    person: PersonId
    post: PostId
    area: OrgCode
    actor: str
    at: datetime
    reason: str
    signature: str = ""
    """Signature of the ledger key, hex; without it the withholding does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantedBasis:
    """A basis that no source says: an entitled administrator's grant, or an approved application.

    It counts as long as its signature does and the post accepts its kind; no source takes it away but by
    the person's leaving or moving to another county.
    """

    person: PersonId
    post: PostId
    area: OrgCode
    kind: BasisKind
    actor: str
    """Keycloak's user id of who granted it, or the key of the application."""
    at: datetime
    reason: str
    signature: str = ""
    """Signature of the ledger key, hex; without it the basis does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """A person for whom a waivable rule does not count, until a day (that day included).

    It counts when the proposal of the same key was approved; it ends by itself.
    """

    key: str
    person: PersonId
    rule: str
    """Id of the rule in the pack."""
    reason: str
    control: str
    """The compensating control (防控措施)."""
    until: date


class RequestKind(StrEnum):
    """What a person may ask for an account; a second, entitled person decides (S8, G19, J10)."""

    UNLOCK = "unlock"  # 解锁: lifts INACTIVE, and the count begins anew
    UNFREEZE = "unfreeze"  # lifts FROZEN, whoever set it
    RESTORE = "restore"  # lifts a 注销, and EXPIRED with a new end
    EXEMPT = "exempt"  # not locked for not logging in, until a day
    DEREGISTER = "deregister"  # 注销 that no source asks for: a review does


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRequest:
    """What somebody asks for an account. It counts when the proposal of the same key was approved."""

    key: str
    """Digest of all that it says (:func:`quanheng.lifecycle.requests.request_key`), and of the proposal."""
    person: PersonId
    kind: RequestKind
    reason: str
    until: date | None
    """Last day of an exemption, or the new end of a temporary account; otherwise None."""
    about: str
    """The hold that it is to lift, as it was when it was asked: kind, day and origin; a request for one hold
    lifts no later one."""


class TermKind(StrEnum):
    """Accounts that are for a time (J18, J21)."""

    TEMPORARY = "temporary"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """The end of an account that is for a time: it has an owner, who answers for it."""

    person: PersonId
    kind: TermKind
    owner: PersonId
    until: date
    """Last day."""
    purpose: str


class ProposalKind(StrEnum):
    """What a source alone may not do (decision 5)."""

    GUARDED_POST = "guarded_post"  # an administrator's or a high-risk reviewer's post
    DOCUMENT_CHANGED = "document_changed"
    STAFF_NO_MOVED = "staff_no_moved"
    UNSAFE_PLAN = "unsafe_plan"
    WAIVER = "waiver"
    DEREGISTER = "deregister"  # 注销 of somebody who has left, by a source's word
    WITHHOLD = "withhold"  # the duties of somebody absent, while that lasts
    REQUEST = "request"  # what a person asks for an account: see RequestKind


class ProposalState(StrEnum):
    """How far a proposal has come."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Something a second person has to decide. ``key`` makes it the same proposal at each reading."""

    key: str
    """Stable digest of kind and subject: the same row proposes the same thing."""
    kind: ProposalKind
    subject: str
    """Staff number, or digest of the plan. Never an ID number."""
    summary: str
    """One Chinese sentence for the person who decides."""
    area: OrgCode | None
    post: PostId | None
    origin: str
    proposer: str
    state: ProposalState = ProposalState.OPEN
    decided_by: Username | None = None
    decided_at: datetime | None = None
    signature: str | None = None
    """Signature of the ledger key under an approval, hex; without it the approval does not count."""
