"""What the operator should know, though nothing is changed because of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FindingKind(StrEnum):
    """Kinds of findings, each with an explanation in ``docs/reference/findings.md``."""

    FOREIGN_USER = "foreign_user"
    DRAFT_ACCOUNT = "draft_account"
    DRAFT_NOT_LINKED = "draft_not_linked"
    NUMBER_IN_DRAFT = "number_in_draft"
    APPLICATION_UNCONFIRMED = "application_unconfirmed"
    FOREIGN_GROUP = "foreign_group"
    FOREIGN_ROLE = "foreign_role"
    DUTY_ON_FOREIGN_USER = "duty_on_foreign_user"
    ADMINISTRATOR = "administrator"
    BREAK_GLASS = "break_glass"
    ADMIN_PERMISSION = "admin_permission"
    SOURCES_DISAGREE = "sources_disagree"
    OTHER_COUNTY = "other_county"
    NOT_QUALIFIED = "not_qualified"
    EXCLUDED_POSTS = "excluded_posts"
    CONFLICT = "conflict"
    SHORTAGE = "shortage"
    BASIS_SUSPENDED = "basis_suspended"
    WITHHELD = "withheld"
    AWAITS_APPROVAL = "awaits_approval"
    ABSENCE_SUSPENDED = "absence_suspended"
    SOURCE_REFUSED = "source_refused"
    LAST_ADMINISTRATOR = "last_administrator"
    FROZEN_IN_CONSOLE = "frozen_in_console"
    OFF_AFTER_RESTORE = "off_after_restore"
    NAME_TAKEN = "name_taken"
    DUPLICATE_IDENTITY = "duplicate_identity"
    UNKNOWN_UNIT = "unknown_unit"
    FORGED_DECISION = "forged_decision"
    EXCHANGED_NAMES = "exchanged_names"
    TENURE = "tenure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to know. ``violation`` makes ``quanheng check`` exit with 1."""

    kind: FindingKind
    subject: str
    """A user name, staff number, path of a group or id of a source; never an ID number."""
    detail: str
    violation: bool = False
