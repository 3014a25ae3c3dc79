"""The files of a policy pack and what each may say. ``docs/reference/packs.md`` teaches them.

One folder is one pack, ten YAML files, each one class here: ``pack.yaml``, ``organisations.yaml``,
``qualifications.yaml``, ``posts.yaml``, ``administration.yaml``, ``permissions.yaml``, ``rules.yaml``,
``statuses.yaml``, ``sources.yaml``, and ``lifecycle.yaml`` in :mod:`.schema_lifecycle`. Unknown keys are
errors. Ids are ASCII and stable, labels are the regulation's own.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from quanheng.model.person import BasisKind, HoldKind
from quanheng.model.staff import DocumentKind, OrgKind
from quanheng.policy.schema_base import AreaCode, Article, AsciiId, Label, Part


class Tier(StrEnum):
    """Level at which a post may be held. A bureau has the tier of the area it belongs to."""

    PROVINCE = "province"
    CITY = "city"
    COUNTY = "county"
    TOWNSHIP = "township"
    VILLAGE = "village"
    BANK_BRANCH = "bank_branch"


class Regulation(Part):
    """A regulation that the pack cites."""

    letter: str = Field(pattern=r"^[A-Z]$")
    title: Label
    issued_by: Label


class PackFile(Part):
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


class OrganisationsFile(Part):
    """``organisations.yaml``: how organisations become groups (decision 10)."""

    organisation_root: Label
    duty_root: Label
    administrator_root: Label
    qualification_root: Label
    kinds: dict[OrgKind, Label]
    """Labels of the kinds, as a feed writes them."""
    grouped: tuple[OrgKind, ...]
    """Kinds that get a group; people of the others are in the nearest group above."""


class Qualification(Part):
    """Something a post may require; a group that only the sync changes."""

    id: AsciiId
    label: Label
    employments: tuple[AsciiId, ...] = Field(min_length=1)
    """Employment kinds that have it."""


class Employment(Part):
    """A kind of employment (用工性质) with the labels that sources write."""

    id: AsciiId
    label: Label
    aliases: tuple[Label, ...] = ()


class QualificationsFile(Part):
    """``qualifications.yaml``."""

    employments: tuple[Employment, ...] = Field(min_length=1)
    qualifications: tuple[Qualification, ...] = ()


class Risk(StrEnum):
    """Risk level of a post (风险等级)."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Post(Part):
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
    granted_by: tuple[AsciiId, ...] = ()
    """Posts whose holders, at the same area or above, may grant and revoke it in the console."""
    bases: tuple[BasisKind, ...] = (BasisKind.SOURCE,)
    tenure_years: int | None = Field(default=None, ge=1)
    ceiling: Risk = Risk.HIGH
    """Highest risk of a permission that it may carry (village work is the low-risk items only)."""
    areas: tuple[AreaCode, ...] = ()
    """Codes with everything below where it exists; empty: everywhere the pack speaks."""
    article: Article

    @property
    def role(self) -> str:
        """Name of the realm role; stable, ASCII."""
        return f"post-{self.id.replace('_', '-')}"


class PostsFile(Part):
    """``posts.yaml``."""

    posts: tuple[Post, ...] = Field(min_length=1)


class Power(StrEnum):
    """What an administrator may do to people in Keycloak's console."""

    ACCOUNTS = "accounts"
    """See them, create accounts, freeze and unlock them."""
    DUTIES = "duties"
    """See them, grant and revoke the duties whose ``granted_by`` names the administrator's post."""


class Over(StrEnum):
    """People of an area, by where their accounts live."""

    TOWNS = "towns"
    """Townships, villages and bank branches below a county."""
    BUREAUS = "bureaus"
    """The area's own bureau (局机关)."""
    ADMINISTRATORS = "administrators"
    """The area's administrators."""


class Reach(StrEnum):
    """Areas in which an administrator acts, seen from its own."""

    OWN = "own"
    BELOW = "below"
    """Every area below the own one, not the own one."""
    OWN_AND_BELOW = "own_and_below"


class Charge(Part):
    """What the holders of an administrator's post have charge of in the console."""

    post: AsciiId
    tiers: tuple[Tier, ...] = Field(min_length=1)
    """Of the administrators' own areas: province, city, county."""
    powers: tuple[Power, ...] = Field(min_length=1)
    over: tuple[Over, ...] = Field(min_length=1)
    reach: Reach = Reach.OWN
    areas: tuple[AreaCode, ...] = ()
    """Areas in which it is exercised, with everything below; empty: everywhere the pack speaks."""
    article: Article


class Officers(Part):
    """三员: whose posts are the system, the security and the audit administrator (GB/T 22239-2019, 8.1.5)."""

    system: tuple[AsciiId, ...] = Field(min_length=1)
    """Accounts and resources."""
    security: tuple[AsciiId, ...] = Field(min_length=1)
    """Authorisation."""
    audit: tuple[AsciiId, ...] = Field(min_length=1)
    """Reads everything, changes nothing."""


class AdministrationFile(Part):
    """``administration.yaml``: who administers whom in the console."""

    charges: tuple[Charge, ...] = ()
    officers: Officers | None = None
    """None in a pack that is stacked on another, whose word counts."""


class Permission(Part):
    """A permission of a subsystem."""

    id: AsciiId
    label: Label
    category: Label
    kind: Label
    """查询, 经办, 初审, 复核, 审核, 授权, …"""
    risk: Risk
    business: AsciiId | None = None
    """The business (经办事项) it is a step of."""
    posts: tuple[AsciiId, ...] = ()
    """Posts that carry it (《账号权限对照表》)."""


class Subsystem(Part):
    """An information system that people log in to; a client of the realm."""

    id: AsciiId
    label: Label
    keeps_alive: bool = True
    """Whether a login to it counts against the three months."""
    permissions: tuple[Permission, ...] = ()


class Business(Part):
    """A business (经办事项), whose steps are permissions."""

    id: AsciiId
    label: Label
    risk: Risk


class PermissionsFile(Part):
    """``permissions.yaml``."""

    crossing_kinds: tuple[Label, ...] = ()
    """Kinds of permissions that posts of any category may carry: 查询."""
    one_category: bool = False
    """Whether a post carries permissions of its own category alone, but for ``crossing_kinds``."""
    businesses: tuple[Business, ...] = ()
    subsystems: tuple[Subsystem, ...] = ()


class Selector(Part):
    """What one side of a rule matches; exactly one of the first six is filled."""

    posts: tuple[AsciiId, ...] = ()
    categories: tuple[Label, ...] = ()
    """Posts and permissions of these categories."""
    kinds: tuple[Label, ...] = ()
    """Permissions of these kinds."""
    permissions: tuple[str, ...] = ()
    """``subsystem/permission``."""
    businesses: tuple[AsciiId, ...] = ()
    """Permissions that are steps of these businesses."""
    others: bool = False
    """Of an exclusion's ``right``: whatever ``left`` does not mean, also of packs stacked on this one."""
    except_kinds: tuple[Label, ...] = ()
    """Permissions of these kinds are not meant."""


RuleId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{2,63}$")]


class _Rule(Part):
    id: RuleId
    label: Label
    article: Article
    areas: tuple[AreaCode, ...] = ()
    """Codes with everything below where it applies; empty: everywhere the pack speaks."""


class Exclusion(_Rule):
    """Things that one person never combines: ``left`` with ``right``, or any two of ``among``.

    ``scope``: ``person`` – wherever they are held; ``county`` – both in one county; ``subsystem`` – both
    permissions of one subsystem; ``business`` – both permissions of one business.
    """

    scope: Literal["person", "county", "subsystem", "business"]
    left: Selector | None = None
    right: Selector | None = None
    among: tuple[Selector, ...] = ()
    waivable: bool = False
    """Only where the text leaves room (原则上)."""


class Maximum(_Rule):
    """No more than ``most``: of these things by one person, or people with them in one area. Vetoed."""

    per: Literal["person", "county"]
    of: Selector
    most: int = Field(ge=1)
    tiers: tuple[Tier, ...] = ()
    """With ``per: county``: tiers of the areas that count, province, city or county; empty: all three."""
    waivable: bool = False


class Minimum(_Rule):
    """At least ``least`` people of these posts in each area of these tiers. Reported, never vetoed."""

    posts: tuple[AsciiId, ...] = Field(min_length=1)
    tiers: tuple[Tier, ...] = Field(min_length=1)
    least: int = Field(ge=1)


class Stages(_Rule):
    """Each business of this risk has, in each area of these tiers where anybody works on it, a person of its
    own for each of ``kinds`` (初审, 复核, 审核). Reported, never vetoed."""

    risk: Risk
    kinds: tuple[Label, ...] = Field(min_length=2)
    tiers: tuple[Tier, ...] = Field(min_length=1)


class RulesFile(Part):
    """``rules.yaml``."""

    exclusions: tuple[Exclusion, ...] = ()
    maxima: tuple[Maximum, ...] = ()
    minima: tuple[Minimum, ...] = ()
    stages: tuple[Stages, ...] = ()


class Status(Part):
    """A status of a person (人员状态) and the hold that follows from it."""

    id: AsciiId
    label: Label
    aliases: tuple[Label, ...] = ()
    hold: HoldKind | None = None
    ends_post: bool = False
    """The row's post is over; when all of a source's rows are, the person has left."""
    from_months: int = Field(default=0, ge=0)
    """The hold applies to absences of at least so many calendar months, or of unknown end."""
    proposes: Literal["deregister", "withhold"] | None = None
    """What follows by form, besides the hold: 注销, or that the duties are withheld while it lasts."""
    within_working_days: int | None = Field(default=None, ge=1, le=60)
    """Working days within which that has to be decided; None: promptly, and lateness is not counted."""
    article: Article | None = None


class StatusesFile(Part):
    """``statuses.yaml``."""

    statuses: tuple[Status, ...] = Field(min_length=1)


class PeopleColumns(Part):
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


class OrganisationColumns(Part):
    """Columns of the organisations' file."""

    code: str
    name: str
    kind: str
    parent: str


class FeedMapping(Part):
    """How an HR feed is read."""

    encodings: tuple[Literal["utf-8", "gb18030"], ...] = ("utf-8", "gb18030")
    people: FeedColumns
    organisations: OrganisationColumns
    date_formats: tuple[str, ...] = ("%Y-%m-%d", "%Y%m%d", "%Y/%m/%d")


class LdapMapping(Part):
    """How an LDAP directory is read: entries of people, and groups that are posts."""

    person_class: str
    people: PeopleColumns
    post_class: str
    post_label: str
    """Attribute of a group that holds the post's label."""
    member: str


class SourcesFile(Part):
    """``sources.yaml``."""

    feed: FeedMapping
    ldap: LdapMapping
    document_kinds: dict[str, DocumentKind]
    """Labels of document kinds, as sources write them."""
