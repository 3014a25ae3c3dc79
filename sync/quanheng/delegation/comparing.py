"""What has to change so that Keycloak's permissions are as compiled. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from quanheng.delegation.compiling import PREFIX
from quanheng.model.permission import AdminPermission, AdminPermissions, AdminPolicy


class Deed(StrEnum):
    """What is done to a policy or permission."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionChange:
    """One write."""

    deed: Deed
    wanted: AdminPolicy | AdminPermission | None
    """None: it is deleted."""
    found: AdminPolicy | AdminPermission | None
    """None: it is made."""

    @property
    def name(self) -> str:
        """Of the policy or permission."""
        thing = self.wanted or self.found
        return "" if thing is None else thing.name

    @property
    def is_policy(self) -> bool:
        """Whether it is about a policy."""
        return isinstance(self.wanted or self.found, AdminPolicy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How what is there differs from what should be."""

    changes: tuple[PermissionChange, ...]
    """In the order in which they are safe: nobody has more between two of them than before or after."""
    foreign: tuple[AdminPermission, ...]
    """Permissions that somebody else made: each gives a power that no pack gives."""


def compare_permissions(wanted: AdminPermissions, found: AdminPermissions) -> Comparison:
    """Changes of ours, by name; policies that nothing of ours uses are left alone when they are foreign."""
    gone = [
        item for name, item in found.permissions.items() if _ours(name) and name not in wanted.permissions
    ]
    unused = [item for name, item in found.policies.items() if _ours(name) and name not in wanted.policies]
    changes = (
        *_deleted(gone),
        *_put(wanted.policies.values(), found.policies),
        *_put(wanted.permissions.values(), found.permissions),
        *_deleted(unused),
    )
    foreign = tuple(item for name, item in sorted(found.permissions.items()) if not _ours(name))
    return Comparison(changes=changes, foreign=foreign)


def _ours(name: str) -> bool:
    return name.startswith(PREFIX)


def _put(
    wanted: Iterable[AdminPolicy | AdminPermission], found: Mapping[str, AdminPolicy | AdminPermission]
) -> Iterator[PermissionChange]:
    for item in sorted(wanted, key=lambda one: one.name):
        there = found.get(item.name)
        if there != item:
            deed = Deed.CREATE if there is None else Deed.UPDATE
            yield PermissionChange(deed=deed, wanted=item, found=there)


def _deleted(items: Iterable[AdminPolicy | AdminPermission]) -> Iterator[PermissionChange]:
    for item in sorted(items, key=lambda one: one.name):
        yield PermissionChange(deed=Deed.DELETE, wanted=None, found=item)
