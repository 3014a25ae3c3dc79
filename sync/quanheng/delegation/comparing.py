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
    blocking: tuple[AdminPermission, ...]
    """Those of them that use a policy which is in the way: without it they would be gone, or mean more."""


def compare_permissions(wanted: AdminPermissions, found: AdminPermissions) -> Comparison:
    """Changes of ours, by name; policies that nothing of ours uses are left alone when they are foreign, or
    used by what is."""
    foreign = tuple(item for name, item in sorted(found.permissions.items()) if not _ours(name))
    in_the_way = {name: item for name, item in found.policies.items() if _is_in_the_way(item, wanted)}
    policies = {name: item for name, item in found.policies.items() if name not in in_the_way}
    permissions = {
        name: item
        for name, item in found.permissions.items()
        if name in wanted.permissions and item.policies.isdisjoint(in_the_way)
    }
    gone = [item for name, item in found.permissions.items() if _ours(name) and name not in permissions]
    kept = wanted.policies.keys() | {name for item in foreign for name in item.policies}
    unused = [item for name, item in policies.items() if _ours(name) and name not in kept]
    return Comparison(
        changes=(
            *_deleted(gone),
            *_deleted(in_the_way.values()),
            *_put(wanted.policies.values(), policies),
            *_put(wanted.permissions.values(), permissions),
            *_deleted(unused),
        ),
        foreign=foreign,
        blocking=tuple(item for item in foreign if not item.policies.isdisjoint(in_the_way)),
    )


def _is_in_the_way(policy: AdminPolicy, wanted: AdminPermissions) -> bool:
    """Whether it has the name of a permission of ours, or that of a policy of another kind: no kind can be
    changed, and a name is given once."""
    same = wanted.policies.get(policy.name)
    return policy.name in wanted.permissions or (same is not None and same.kind != policy.kind)


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
