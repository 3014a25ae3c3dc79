"""The files of a policy pack and what each may say. ``mappers/README.md`` explains them by example.

One folder is one pack, eight YAML files, each one class here: ``pack.yaml``, ``organisations.yaml``,
``qualifications.yaml``, ``posts.yaml``, ``permissions.yaml``, ``rules.yaml``, ``statuses.yaml``,
``sources.yaml``. Unknown keys are errors. Ids are ASCII and stable, labels are the regulation's own.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from quanheng.model.person import BasisKind, HoldKind
from quanheng.model.staff import DocumentKind, OrgKind

AsciiId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
Label = Annotated[str, Field(min_length=1, max_length=60)]
Article = Annotated[str, Field(pattern=r"^[A-Z]\d{1,2}(\(\d+\))?$")]
"""Citation: letter of the regulation in ``pack.yaml`` and number of the article, ``S3``."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tier(StrEnum):
    """Level at which a post may be held. A bureau has the tier of the area it belongs to."""

    PROVINCE = "province"
    CITY = "city"
    COUNTY = "county"
    TOWNSHIP = "township"
    VILLAGE = "village"
    BANK_BRANCH = "bank_branch"


class Regulation(_Part):
    """A regulation that the pack cites."""

    letter: str = Field(pattern=r"^[A-Z]$")
    title: Label
    issued_by: Label


class PackFile(_Part):
    """``pack.yaml``: who the pack is for."""

    schema_version: Literal[1]
    id: AsciiId
    label: Label
    realm: str = Field(pattern=r"^[a-z][a-z0-9-]{1,31}$")
    realm_label: Label
    scope: tuple[str, ...] = Field(min_length=1)
    """Organisation codes it speaks for, each with everything below."""
    root: tuple[str, str]
    """Code and name of the topmost organisation, whose own parent no feed names."""
    regulations: tuple[Regulation, ...] = Field(min_length=1)
    username_template: str = Field(pattern=r"^[a-z]{1,8}\{serial:0[1-9]\}$")
    """Issued once and never changed, so it says nothing that can change."""
    absence_grace_days: int = Field(ge=0, le=365)
    """How many days somebody missing from complete snapshots still counts as present."""


class OrganisationsFile(_Part):
    """``organisations.yaml``: how organisations become groups (decision 10)."""

    organisation_root: Label
    duty_root: Label
    administrator_root: Label
    qualification_root: Label
    kinds: dict[OrgKind, Label]
    """Labels of the kinds, as a feed writes them."""
    grouped: tuple[OrgKind, ...]
    """Kinds that get a group; people of the others are in the nearest group above."""


class Qualification(_Part):
    """Something a post may require; a group that only the sync changes."""

    id: AsciiId
    label: Label
    employments: tuple[AsciiId, ...] = Field(min_length=1)
    """Employment kinds that have it."""


class Employment(_Part):
    """A kind of employment (用工性质) with the labels that sources write."""

    id: AsciiId
    label: Label
    aliases: tuple[Label, ...] = ()


class QualificationsFile(_Part):
    """``qualifications.yaml``."""

    employments: tuple[Employment, ...] = Field(min_length=1)
    qualifications: tuple[Qualification, ...] = ()


class Risk(StrEnum):
    """Risk level of a post (风险等级)."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Post(_Part):
    """A post (岗位): at which level, what it asks for, which role it gives."""

    id: AsciiId
    label: Label
    aliases: tuple[Label, ...] = ()
    kind: Literal["duty", "administrator"]
    tiers: tuple[Tier, ...] = Field(min_length=1)
    category: Label
    risk: Risk
    requires: tuple[AsciiId, ...] = ()
    approval: Literal["none", "second_person"] = "none"
    """``second_person``: a source alone never makes one (decision 5)."""
    approved_by: tuple[AsciiId, ...] = ()
    """Posts whose holders, at the same area or above, may approve."""
    bases: tuple[BasisKind, ...] = (BasisKind.SOURCE,)
    tenure_years: int | None = Field(default=None, ge=1)
    article: Article

    @property
    def role(self) -> str:
        """Name of the realm role; stable, ASCII."""
        return f"post-{self.id.replace('_', '-')}"


class PostsFile(_Part):
    """``posts.yaml``."""

    posts: tuple[Post, ...] = Field(min_length=1)


class Permission(_Part):
    """A permission of a subsystem."""

    id: AsciiId
    label: Label
    category: Label
    kind: Label
    """查询, 经办, 初审, 复核, 审核, 授权, …"""
    risk: Risk
    posts: tuple[AsciiId, ...] = ()
    """Posts that carry it (《账号权限对照表》)."""


class Subsystem(_Part):
    """An information system that people log in to; a client of the realm."""

    id: AsciiId
    label: Label
    keeps_alive: bool = True
    """Whether a login to it counts against the three months."""
    permissions: tuple[Permission, ...] = ()


class PermissionsFile(_Part):
    """``permissions.yaml``."""

    subsystems: tuple[Subsystem, ...] = ()


class Selector(_Part):
    """What one side of an exclusion matches; exactly one list is filled."""

    posts: tuple[AsciiId, ...] = ()
    categories: tuple[Label, ...] = ()
    kinds: tuple[Label, ...] = ()
    permissions: tuple[str, ...] = ()
    """``subsystem/permission``."""


class Exclusion(_Part):
    """Two things that one person never combines."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{2,63}$")]
    label: Label
    article: Article
    scope: Literal["person", "county", "subsystem", "business"]
    left: Selector
    right: Selector
    waivable: bool = False
    """Only where the text leaves room (原则上)."""


class RulesFile(_Part):
    """``rules.yaml``."""

    exclusions: tuple[Exclusion, ...] = ()


class Status(_Part):
    """A status of a person (人员状态) and the hold that follows from it."""

    id: AsciiId
    label: Label
    aliases: tuple[Label, ...] = ()
    hold: HoldKind | None = None
    ends_post: bool = False
    """The row's post is over; when all of a source's rows are, the person has left."""
    from_months: int = Field(default=0, ge=0)
    """The hold applies to absences of at least so many calendar months, or of unknown end."""
    article: Article | None = None


class StatusesFile(_Part):
    """``statuses.yaml``."""

    statuses: tuple[Status, ...] = Field(min_length=1)


class PeopleColumns(_Part):
    """Column titles (feed) or attribute names (LDAP) of a person's fields."""

    staff_no: str
    name: str
    document_kind: str
    document_number: str
    phone: str
    org: str
    employment: str
    status: str
    status_from: str
    status_to: str
    post_start: str


class FeedColumns(PeopleColumns):
    """Columns of the people's file of an HR feed: one row per person and post."""

    post: str


class OrganisationColumns(_Part):
    """Columns of the organisations' file."""

    code: str
    name: str
    kind: str
    parent: str


class FeedMapping(_Part):
    """How an HR feed is read."""

    encodings: tuple[Literal["utf-8", "gb18030"], ...] = ("utf-8", "gb18030")
    people: FeedColumns
    organisations: OrganisationColumns
    date_formats: tuple[str, ...] = ("%Y-%m-%d", "%Y%m%d", "%Y/%m/%d")


class LdapMapping(_Part):
    """How an LDAP directory is read: entries of people, and groups that are posts."""

    person_class: str
    people: PeopleColumns
    post_class: str
    post_label: str
    """Attribute of a group that holds the post's label."""
    member: str


class SourcesFile(_Part):
    """``sources.yaml``."""

    feed: FeedMapping
    ldap: LdapMapping
    document_kinds: dict[str, DocumentKind]
    """Labels of document kinds, as sources write them."""
