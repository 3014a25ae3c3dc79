"""Load a pack and prove that it holds together. Reading files is :func:`load_pack`; the rest is pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from quanheng.errors import ConfigurationError
from quanheng.model.ids import PostId
from quanheng.policy.schema import (
    Employment,
    OrganisationsFile,
    PackFile,
    PermissionsFile,
    Post,
    PostsFile,
    QualificationsFile,
    RulesFile,
    SourcesFile,
    Status,
    StatusesFile,
)

_Part = TypeVar("_Part", bound=BaseModel)


@dataclass(frozen=True)
class Pack:
    """One regulation set as data. Look-ups by label know the aliases that sources write."""

    info: PackFile
    organisations: OrganisationsFile
    qualifications: QualificationsFile
    posts: PostsFile
    permissions: PermissionsFile
    rules: RulesFile
    statuses: StatusesFile
    sources: SourcesFile

    @cached_property
    def post_by_id(self) -> Mapping[PostId, Post]:
        """Posts by their id."""
        return {PostId(post.id): post for post in self.posts.posts}

    @cached_property
    def post_by_label(self) -> Mapping[str, Post]:
        """Posts by label and by each alias."""
        return {label: post for post in self.posts.posts for label in (post.label, *post.aliases)}

    @cached_property
    def status_by_id(self) -> Mapping[str, Status]:
        """Statuses by id."""
        return {status.id: status for status in self.statuses.statuses}

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


_FILES: Mapping[str, type[BaseModel]] = {
    "pack": PackFile,
    "organisations": OrganisationsFile,
    "qualifications": QualificationsFile,
    "posts": PostsFile,
    "permissions": PermissionsFile,
    "rules": RulesFile,
    "statuses": StatusesFile,
    "sources": SourcesFile,
}


def find_pack(name: str) -> Path:
    """The folder of a pack: a path as it is, or the id of a pack that ships with quanheng."""
    if "/" in name or Path(name).is_dir():
        return Path(name)
    shipped = Path(str(resources.files("quanheng"))) / "_mappers" / name
    checkout = Path(__file__).resolve().parents[3] / "mappers" / name
    for folder in (shipped, checkout):
        if folder.is_dir():
            return folder
    raise ConfigurationError(
        f"there is no pack '{name}'", remedy="name a folder, or one of the shipped packs"
    )


def load_pack(folder: Path) -> Pack:
    """Read the eight files of a pack and lint them.

    Raises :class:`ConfigurationError` that names every file, place and fault at once.
    """
    parts: dict[str, Any] = {}
    faults: list[str] = []
    for name, schema in _FILES.items():
        file = folder / f"{name}.yaml"
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
            parts[name] = schema.model_validate(content)
        except FileNotFoundError:
            faults.append(f"{file}: missing")
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            faults.append(f"{file}: not YAML in UTF-8: {error}")
        except ValidationError as error:
            faults += [
                f"{file}: {'.'.join(str(step) for step in item['loc']) or 'file'}: {item['msg']}"
                for item in error.errors()
            ]
    if not faults:
        parts["info"] = parts.pop("pack")
        pack = Pack(**parts)
        faults = [f"{folder}: {fault}" for fault in lint(pack)]
        if not faults:
            return pack
    raise ConfigurationError("\n".join(faults), remedy="see mappers/README.md; then run 'quanheng pack lint'")


def lint(pack: Pack) -> list[str]:
    """Everything that is wrong between the files of a pack: one sentence each, empty when nothing is."""
    faults: list[str] = []
    posts = [post.id for post in pack.posts.posts]
    faults += _doubled("posts.yaml: post id", posts)
    faults += _doubled("posts.yaml: label", [x for p in pack.posts.posts for x in (p.label, *p.aliases)])
    faults += _doubled("statuses.yaml: status id", [status.id for status in pack.statuses.statuses])
    faults += _doubled(
        "statuses.yaml: label", [x for s in pack.statuses.statuses for x in (s.label, *s.aliases)]
    )
    employments = [item.id for item in pack.qualifications.employments]
    faults += _doubled("qualifications.yaml: employment id", employments)
    qualifications = [item.id for item in pack.qualifications.qualifications]
    faults += _doubled("qualifications.yaml: qualification id", qualifications)
    letters = {regulation.letter for regulation in pack.info.regulations}
    for item in pack.qualifications.qualifications:
        faults += _unknown(f"qualifications.yaml: {item.id}: employment", item.employments, employments)
    for post in pack.posts.posts:
        where = f"posts.yaml: {post.id}"
        faults += _unknown(f"{where}: requires", post.requires, qualifications)
        faults += _unknown(f"{where}: approved_by", post.approved_by, posts)
        faults += _unknown(f"{where}: article", post.article[:1], letters)
        if post.approval == "second_person" and not post.approved_by:
            faults.append(f"{where}: approval needs a second person, but approved_by names nobody")
        if post.kind == "administrator" and post.approval != "second_person":
            faults.append(f"{where}: an administrator's post always needs a second person")
        if post.risk == "high" and post.approval != "second_person":
            faults.append(f"{where}: a high-risk post always needs a second person")
    for subsystem in pack.permissions.subsystems:
        where = f"permissions.yaml: {subsystem.id}"
        faults += _doubled(f"{where}: permission id", [item.id for item in subsystem.permissions])
        for permission in subsystem.permissions:
            faults += _unknown(f"{where}/{permission.id}: posts", permission.posts, posts)
    faults += _lint_rules(pack, posts, letters)
    for status in pack.statuses.statuses:
        if status.article:
            faults += _unknown(f"statuses.yaml: {status.id}: article", status.article[:1], letters)
    return faults


def _lint_rules(pack: Pack, posts: list[str], letters: set[str]) -> list[str]:
    faults = _doubled("rules.yaml: rule id", [rule.id for rule in pack.rules.exclusions])
    permissions = {
        f"{subsystem.id}/{item.id}": item
        for subsystem in pack.permissions.subsystems
        for item in subsystem.permissions
    }
    categories = {post.category for post in pack.posts.posts} | {
        item.category for item in permissions.values()
    }
    kinds = {item.kind for item in permissions.values()}
    for rule in pack.rules.exclusions:
        where = f"rules.yaml: {rule.id}"
        faults += _unknown(f"{where}: article", rule.article[:1], letters)
        for side in (rule.left, rule.right):
            filled = [part for part in (side.posts, side.categories, side.kinds, side.permissions) if part]
            if len(filled) != 1:
                faults.append(
                    f"{where}: each side names exactly one of posts, categories, kinds, permissions"
                )
            faults += _unknown(f"{where}: posts", side.posts, posts)
            faults += _unknown(f"{where}: categories", side.categories, categories)
            faults += _unknown(f"{where}: kinds", side.kinds, kinds)
            faults += _unknown(f"{where}: permissions", side.permissions, permissions)
    return faults


def _doubled(what: str, values: list[str]) -> list[str]:
    return [
        f"{what} '{value}' is there twice" for value in sorted({v for v in values if values.count(v) > 1})
    ]


def _unknown(what: str, values: Iterable[str], known: Iterable[str]) -> list[str]:
    names = set(known)
    return [f"{what} '{value}' is not defined" for value in values if value not in names]
