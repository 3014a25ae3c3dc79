"""What a source says of people: rows with provenance, and rows that could not be believed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from quanheng.model.ids import OrgCode, PostId, SourceId, StaffNo
from quanheng.model.sensitive import Sensitive


class DocumentKind(StrEnum):
    """Kinds of identity documents (GA/T 2000.156 names, ASCII ids)."""

    RESIDENT_ID = "resident_id"  # 居民身份证, GB 11643
    RESIDENCE_PERMIT = "residence_permit"  # 港澳台居民居住证, same check digit
    FOREIGN_PERMANENT_RESIDENT = "foreign_permanent_resident"  # 外国人永久居留身份证
    MAINLAND_TRAVEL_PERMIT = "mainland_travel_permit"  # 港澳台居民来往内地（大陆）通行证
    PASSPORT = "passport"  # 护照


@dataclass(frozen=True, slots=True)
class Document:
    """An identity document in canonical form: full width folded, upper case, 15 digits made 18."""

    kind: DocumentKind
    number: Sensitive


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was read: the source and a place in it that an operator can find."""

    source: SourceId
    locator: str
    """``people.csv:17`` (line of the file, header is 1) or a DN. Holds no ID number or phone."""

    def __str__(self) -> str:
        return f"{self.source} {self.locator}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffRow:
    """One believed row: a person at a post (or at none)."""

    origin: Origin
    staff_no: StaffNo
    name: str
    document: Document
    phone: Sensitive
    org: OrgCode
    post: PostId | None
    employment: str
    """Employment kind, an id of the pack's ``qualifications.yaml``."""
    status: str
    """Status, an id of the pack's ``statuses.yaml``."""
    status_from: date | None = None
    status_to: date | None = None
    post_start: date | None = None


class Reason(StrEnum):
    """Why a row was put into quarantine. Chinese labels are in ``sources/reasons.py``."""

    TRUNCATED = "truncated"
    WRONG_COLUMN_COUNT = "wrong_column_count"
    MISSING_VALUE = "missing_value"
    UNREADABLE_TEXT = "unreadable_text"
    BAD_STAFF_NO = "bad_staff_no"
    BAD_NAME = "bad_name"
    UNKNOWN_DOCUMENT_KIND = "unknown_document_kind"
    BAD_DOCUMENT_NUMBER = "bad_document_number"
    BAD_CHECK_DIGIT = "bad_check_digit"
    BAD_PHONE = "bad_phone"
    BAD_DATE = "bad_date"
    UNKNOWN_ORGANISATION = "unknown_organisation"
    OUT_OF_SCOPE = "out_of_scope"
    UNKNOWN_POST = "unknown_post"
    POST_AT_WRONG_LEVEL = "post_at_wrong_level"
    UNKNOWN_EMPLOYMENT = "unknown_employment"
    UNKNOWN_STATUS = "unknown_status"
    DUPLICATE_ROW = "duplicate_row"
    CONFLICTING_ROWS = "conflicting_rows"
    MEMBER_OUTSIDE_BASE = "member_outside_base"


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRow:
    """A row that grants nothing but still says that somebody is present (decision 16)."""

    origin: Origin
    reason: Reason
    field: str
    """The field's label as the source names it, for example ``证件号码``; empty for a whole row."""
    value_kind: str
    """What kind of value was wrong, never the value: ``17 characters, check digit wrong``."""
    remedy: str
    original: Sensitive
    """The row as it came (text of the line, or LDIF), for the person who mends it."""
    county: OrgCode | None = None
    """Six-digit county when the row's organisation tells it, so that each county lists its own."""
    staff_no: StaffNo | None = None
    document: Document | None = None
    """Whatever identifies the person, as far as it could be read: counts as present."""


class Mode(StrEnum):
    """Whether a reading shows everybody or just what changed."""

    SNAPSHOT = "snapshot"
    DELTA = "delta"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What a source says of itself in its manifest (decision 16)."""

    source: SourceId
    mode: Mode
    scope: tuple[OrgCode, ...]
    """The organisations it speaks of, each with everything below it (prefix of the code)."""
    as_of: datetime
    sequence: int
    """Rises with every issue of the feed; for LDAP 0: it is always read live."""
    digest: str
    """Hex digest of the content; equal content has an equal digest."""
    row_count: int
    """Rows of people that were read, good and bad."""


class OrgKind(StrEnum):
    """Kinds of organisations that a source may name."""

    PROVINCE = "province"
    CITY = "city"
    COUNTY = "county"
    TOWNSHIP = "township"
    VILLAGE = "village"
    BUREAU = "bureau"  # 局机关: a bureau's own staff
    BANK_BRANCH = "bank_branch"  # 银行网点: cooperating branches under a county (S2)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrgUnit:
    """An organisation as a source names it."""

    code: OrgCode
    name: str
    kind: OrgKind
    parent: OrgCode | None
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Everything one source said in one reading, believed and not."""

    declaration: Declaration
    rows: tuple[StaffRow, ...] = ()
    rejected: tuple[RejectedRow, ...] = ()
    units: tuple[OrgUnit, ...] | None = None
    """Organisations, or None from a source that does not speak of them."""
    notes: tuple[str, ...] = field(default=())
    """What the operator should know, for example "group 'x' has a cycle"."""
