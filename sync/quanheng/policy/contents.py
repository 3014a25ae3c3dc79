"""What a pack, or a stack of packs, says, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from quanheng.errors import ConfigurationError
from quanheng.model.ids import OrgCode, PostId
from quanheng.policy.schema import (
    AdministrationFile,
    Employment,
    OrganisationsFile,
    PackFile,
    PermissionsFile,
    Post,
    PostsFile,
    QualificationsFile,
    Risk,
    RulesFile,
    SourcesFile,
    Status,
    StatusesFile,
)
from quanheng.policy.schema_lifecycle import LifecycleFile
from quanheng.policy.units import in_scope


@dataclass(frozen=True)
class Stricter:
    """Posts of the first pack as a further one has them inside its scope: the stricter of both."""

    areas: tuple[str, ...]
    posts: Mapping[PostId, Post]


@dataclass(frozen=True)
class Pack:
    """One regulation set as data. Look-ups by label know the aliases that sources write."""

    info: PackFile
    organisations: OrganisationsFile
    qualifications: QualificationsFile
    posts: PostsFile
    administration: AdministrationFile
    permissions: PermissionsFile
    rules: RulesFile
    statuses: StatusesFile
    sources: SourcesFile
    lifecycle: LifecycleFile
    stricter: tuple[Stricter, ...] = ()
    """What the packs stacked on it say of its posts; empty for a single pack."""

    @cached_property
    def post_by_id(self) -> Mapping[PostId, Post]:
        """Posts by their id, as they are in general; in one area see :meth:`post_at`."""
        return MappingProxyType({PostId(post.id): post for post in self.posts.posts})

    @cached_property
    def audit_posts(self) -> frozenset[PostId]:
        """Posts of the audit administrator (三员), who reads everything and changes nothing."""
        officers = self.administration.officers
        return frozenset(map(PostId, officers.audit)) if officers is not None else frozenset()

    def post_at(self, post_id: PostId, area_code: OrgCode) -> Post | None:
        """A post as it is in an area; None where it does not exist."""
        post = self.post_by_id.get(post_id)
        if post is None or (post.areas and not in_scope(area_code, post.areas)):
            return None
        for layer in self.stricter:
            if post_id in layer.posts and in_scope(area_code, layer.areas):
                post = stricter_post(post, layer.posts[post_id])
        return post

    def posts_at(self, area_code: OrgCode) -> tuple[Post, ...]:
        """Every post that exists in an area, as it is there, in the order of the packs."""
        found = (self.post_at(post_id, area_code) for post_id in self.post_by_id)
        return tuple(post for post in found if post is not None)

    @cached_property
    def post_by_label(self) -> Mapping[str, Post]:
        """Posts by label and by each alias."""
        return {label: post for post in self.posts.posts for label in (post.label, *post.aliases)}

    @cached_property
    def status_by_id(self) -> Mapping[str, Status]:
        """Statuses by id."""
        return {status.id: status for status in self.statuses.statuses}

    def status_of(self, status_id: str) -> Status:
        """The status that a stored claim has.

        Raises :class:`ConfigurationError` for one of an earlier pack: nobody could say what follows from it.
        """
        found = self.status_by_id.get(status_id)
        if found is None:
            raise ConfigurationError(
                f"the pack has no status '{status_id}', and somebody in the store has it",
                remedy="put it back into statuses.yaml; take it out when no source names it any more",
            )
        return found

    @cached_property
    def status_by_label(self) -> Mapping[str, Status]:
        """Statuses by label and by each alias."""
        return {
            label: status for status in self.statuses.statuses for label in (status.label, *status.aliases)
        }

    @cached_property
    def employment_by_label(self) -> Mapping[str, Employment]:
        """Kinds of employment by label and by each alias."""
        return {
            label: item for item in self.qualifications.employments for label in (item.label, *item.aliases)
        }

    def username(self, serial: int) -> str:
        """The user name of a serial number."""
        return self.info.username_template.format(serial=serial)

    @cached_property
    def username_form(self) -> str:
        """What every issued user name looks like, with "#" for its number."""
        return self.info.username_template.partition("{")[0] + "#"


def stricter_post(one: Post, other: Post) -> Post:
    """The stricter of two descriptions of one post; label, kind, category and article are the first's."""
    return one.model_copy(
        update={
            "aliases": tuple(dict.fromkeys((*one.aliases, *other.aliases))),
            "tiers": tuple(tier for tier in one.tiers if tier in other.tiers),
            "risk": max(one.risk, other.risk, key=_rank),
            "requires": tuple(dict.fromkeys((*one.requires, *other.requires))),
            "approval": "second_person" if "second_person" in (one.approval, other.approval) else "none",
            "approved_by": _both_or_only(one.approved_by, other.approved_by),
            "granted_by": tuple(post for post in one.granted_by if post in other.granted_by),
            "bases": tuple(basis for basis in one.bases if basis in other.bases),
            "tenure_years": min(
                (years for years in (one.tenure_years, other.tenure_years) if years), default=None
            ),
            "ceiling": min(one.ceiling, other.ceiling, key=_rank),
        }
    )


def _both_or_only(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """What both name; when one asks for no second person, it names nobody and the other's word counts."""
    return tuple(post for post in one if post in other) if one and other else one or other


def _rank(risk: Risk) -> int:
    return tuple(Risk).index(risk)
