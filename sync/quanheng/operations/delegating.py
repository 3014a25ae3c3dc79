"""The permissions of administrators: compiled from the packs, written when they changed, compared daily."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from quanheng.delegation.comparing import Comparison, PermissionChange, compare_permissions
from quanheng.delegation.compiling import Compiled, Place, build_places, compile_permissions
from quanheng.engine.matching import Matched, find_roots, match
from quanheng.engine.trees import Trees
from quanheng.errors import QuanhengError
from quanheng.keycloak.credentials import Credential
from quanheng.keycloak.open import connect_admin
from quanheng.keycloak.permissions import Permissions
from quanheng.keycloak.permissions_rest import RestPermissions
from quanheng.logs import get_logger
from quanheng.model.change import Json
from quanheng.model.finding import Finding, FindingKind
from quanheng.model.permission import AdminPermissions
from quanheng.model.realm import ObservedRealm
from quanheng.model.registry import Registry
from quanheng.operations.carrying_out import hold_lease
from quanheng.operations.context import Context
from quanheng.operations.noting import note_if_begun
from quanheng.operations.organisations import read_recoded, units_of
from quanheng.operations.refresh import refresh_mirror
from quanheng.operations.trust import read_trusted
from quanheng.policy.units import Units
from quanheng.store.meta import read_text, write_text
from quanheng.store.mirror import read_mirror

_WRITTEN: Final = "delegation"
"""Entry of ``meta``: digest of the permissions that were written last."""
WRITE_THEM: Final = "由主域管理员运行 quanheng admin apply --admin-user …"
"""What a person does about permissions that are not as they should be."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegated:
    """What became of the administrators' permissions."""

    changes: tuple[PermissionChange, ...] = ()
    """Written now."""
    foreign: tuple[str, ...] = ()
    """Names of permissions that somebody else made; they were left alone."""
    outdated: bool = False
    """Nobody could write what has to be written."""
    waiting: frozenset[str] = frozenset()
    """Keys of groups that are not there yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """The permissions as they should be, and over what."""

    compiled: Compiled
    places: tuple[Place, ...]
    groups: Matched
    units: Units
    offices: tuple[str, ...]
    """Keys of the groups of administrators' posts, in the order of the areas."""


def compile_delegation(context: Context, observed: ObservedRealm) -> Compiled:
    """The permissions as they should be over groups and roles of ``observed``; its users do not matter."""
    with context.database.reading() as connection:
        registry = read_trusted(connection, context.keyring).registry
    return build_delegation(context, observed, registry).compiled


def build_delegation(context: Context, observed: ObservedRealm, registry: Registry) -> Delegation:
    """The same with what it is made of, for the organisations of a registry that is trusted already."""
    recoded = read_recoded(context)
    units = units_of(context, registry, recoded)
    trees = Trees(context.pack, units)
    places = build_places(context.pack, units, trees)
    paths = {node.key: node.path for node in trees.nodes()}
    groups = match(observed.groups, paths, find_roots(trees.roots, observed.groups), recoded)
    roles = {name: role.id for name, role in observed.roles.items()}
    compiled = compile_permissions(context.pack, places, groups.ids, roles)
    return Delegation(
        compiled=compiled,
        places=places,
        groups=groups,
        units=units,
        offices=tuple(key for key in paths if key.startswith("admin:")),
    )


def delegate(context: Context) -> Delegated:
    """After a sync: write the permissions when they have changed since they were written last.

    Asks Keycloak nothing when they have not. That needs the configurator; while it is closed they stay as
    they are, and that is told: a person runs ``quanheng admin apply``.
    """
    compiled = compile_delegation(context, _mirrored(context))
    # Without organisations nothing was compiled: that takes nothing from anybody.
    if not compiled.permissions.permissions or _digest(compiled.permissions) == _read_digest(context):
        return Delegated(waiting=compiled.waiting)
    if not context.realm.can_import:
        return Delegated(outdated=True, waiting=compiled.waiting)
    return _write(context, context.realm.permissions, compiled)


def delegate_or_log(context: Context) -> Delegated:
    """The same; when it fails the sync is done all the same, and the next one tries again."""
    try:
        return delegate(context)
    except QuanhengError as error:
        log.error("the administrators' permissions were not written", problem=str(error))  # noqa: TRY400 -- expected
        return Delegated(outdated=True)


def apply_delegation(context: Context, admin: Credential | None) -> Delegated:
    """Set right whatever differs, whoever changed it; as an administrator of the master realm, or through the
    configurator while it is open."""
    with hold_lease(context) as lease:
        compiled = compile_delegation(context, refresh_mirror(context, lease))
        if not compiled.permissions.permissions:
            raise QuanhengError(
                "no organisations are known yet, so nobody has charge of anybody",
                remedy="run 'quanheng sync' first; then run again",
            )
        if admin is None:
            return _write(context, context.realm.permissions, compiled)
        with connect_admin(context.settings.keycloak, admin) as connection:
            return _write(context, RestPermissions(connection, connection), compiled, by=admin.label)


def compare_delegation(context: Context, observed: ObservedRealm) -> tuple[Finding, ...]:
    """How the live permissions differ from the packs; each is a violation."""
    found = context.realm.permissions.read()
    return find_differences(compile_delegation(context, observed), found)


def find_differences(
    compiled: Compiled, found: AdminPermissions | None, told: Mapping[str, str] | None = None
) -> tuple[Finding, ...]:
    """The same of permissions that were read already. ``told``: what else there is to say of a permission or
    policy, by name."""
    if found is None:
        return (_finding("adminPermissionsEnabled", "细粒度管理权限未启用：县级管理员没有任何权限"),)
    comparison = compare_permissions(compiled.permissions, found)
    more = told or {}
    return (
        *(
            _finding(change.name, _describe(change) + more.get(change.name, ""))
            for change in comparison.changes
        ),
        *(
            _finding(
                item.name,
                f"外来权限，不在规则包之内：{'、'.join(sorted(item.scopes))}；在控制台“权限”中删除"
                + more.get(item.name, ""),
            )
            for item in comparison.foreign
        ),
    )


def _write(
    context: Context, permissions: Permissions, compiled: Compiled, *, by: str | None = None
) -> Delegated:
    found = permissions.read() or AdminPermissions(policies={}, permissions={})
    comparison: Comparison = compare_permissions(compiled.permissions, found)
    if comparison.blocking:
        names = ", ".join(f"'{item.name}'" for item in comparison.blocking)
        raise QuanhengError(
            f"permissions of somebody else's use policies that have the names of ours: {names}",
            remedy="delete them in Keycloak's console (权限); then run again",
        )
    if comparison.changes:
        _carry_out(context, permissions, comparison.changes, by)
    with context.database.transaction() as connection:
        write_text(connection, _WRITTEN, _digest(compiled.permissions))
    return Delegated(
        changes=comparison.changes,
        foreign=tuple(item.name for item in comparison.foreign),
        waiting=compiled.waiting,
    )


def _carry_out(
    context: Context, permissions: Permissions, changes: Sequence[PermissionChange], by: str | None
) -> None:
    """Write them. The ledger has them before: whoever is cut off may have written any of them."""
    who: dict[str, Json] = {"administrator": by}
    note_if_begun(
        context,
        "permissions_begun",
        {**who, "changes": [f"{change.deed} {change.name}" for change in changes]},
    )
    try:
        permissions.write(changes)
    except QuanhengError as error:
        note_if_begun(context, "permissions_failed", {**who, "count": len(changes), "problem": str(error)})
        raise
    note_if_begun(context, "permissions_written", {**who, "count": len(changes)})


def _mirrored(context: Context) -> ObservedRealm:
    """Groups and roles of the mirror."""
    with context.database.reading() as connection:
        return read_mirror(connection, users=())


def _digest(permissions: AdminPermissions) -> str:
    body = {
        "policies": {name: [item.kind, sorted(item.members)] for name, item in permissions.policies.items()},
        "permissions": {
            name: [item.resource_type, sorted(item.resources), sorted(item.scopes), sorted(item.policies)]
            for name, item in permissions.permissions.items()
        },
    }
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _read_digest(context: Context) -> str | None:
    with context.database.reading() as connection:
        return read_text(connection, _WRITTEN)


def _describe(change: PermissionChange) -> str:
    word = {"create": "缺少", "update": "被改动", "delete": "多余"}[change.deed]
    kind = "策略" if change.is_policy else "权限"
    return f"{kind}{word}；{WRITE_THEM}"


def _finding(subject: str, detail: str) -> Finding:
    return Finding(kind=FindingKind.ADMIN_PERMISSION, subject=subject, detail=detail, violation=True)
