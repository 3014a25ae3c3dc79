"""Fine-grained permissions over the Admin REST API, at the client ``admin-permissions``.

To see which policies a permission has takes one request each, but for an export of the realm, which tells it
all at once and is given to those alone who may change the realm.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any, Final

from quanheng.delegation.comparing import Deed, PermissionChange
from quanheng.errors import UnreachableError
from quanheng.keycloak.connection import Connection
from quanheng.keycloak.paging import Pages
from quanheng.keycloak.port import RealmRefusedError
from quanheng.model.ids import KeycloakId
from quanheng.model.permission import AdminPermission, AdminPermissions, AdminPolicy

CLIENT: Final = "admin-permissions"
"""Made by Keycloak as soon as the realm has them switched on."""

_PLAIN: Final = {"logic": "POSITIVE"}
_MEMBERS: Final = {"group": "groups", "role": "roles"}
"""Where a policy of each kind names whom it means."""
_FORBIDDEN: Final = 403
_MISSING: Final = 404


class RestPermissions:
    """Implements :class:`quanheng.keycloak.permissions.Permissions`.

    ``writer``: a connection that may change the realm, and so is told everything at once; None while there
    is none.
    """

    def __init__(self, reader: Connection, writer: Connection | None) -> None:
        self._pages = Pages(reader)
        self._writer = writer

    def read(self) -> AdminPermissions | None:
        """Every policy and permission: six requests with an export, else one more for each permission."""
        client = self._client()
        if client is None or not self._pages.get("").get("adminPermissionsEnabled"):
            return None
        base = _base(client)
        policies = [
            _policy(body) for body in self._pages.all(f"{base}/policy", permission="false", fields="*")
        ]
        bodies = list(self._pages.all(f"{base}/permission", fields="*"))
        of = self._associated(base, bodies)
        permissions = [_permission(body, of.get(body["name"], frozenset())) for body in bodies]
        return AdminPermissions(
            policies={item.name: item for item in policies},
            permissions={item.name: item for item in permissions},
        )

    def write(self, changes: Sequence[PermissionChange]) -> None:
        """Carry them out: one request each, and two to learn the ids of what is there."""
        client = self._client()
        if client is None or self._writer is None:
            raise RealmRefusedError(
                "permissions of administrators cannot be written now",
                status=_FORBIDDEN,
                remedy="run 'quanheng admin apply' as an administrator of the master realm",
            )
        base, writer = _base(client), self._writer
        known = any(change.found is not None for change in changes)
        ids = {body["name"]: body["id"] for body in self._all_of(base)} if known else {}
        for _, stage in groupby(changes, key=lambda change: (change.deed is Deed.DELETE, change.is_policy)):
            for wave in _apart(stage):
                self._pages.parallel(lambda change: _write(writer, base, change, ids), wave)

    def _client(self) -> str | None:
        found = self._pages.get("/clients", clientId=CLIENT)
        return str(found[0]["id"]) if found else None

    def _all_of(self, base: str) -> Iterator[Any]:
        yield from self._pages.all(f"{base}/policy", permission="false")
        yield from self._pages.all(f"{base}/permission")

    def _associated(self, base: str, bodies: Sequence[Mapping[str, Any]]) -> Mapping[str, frozenset[str]]:
        """Names of the policies of each permission, by its name."""
        if self._writer is not None:
            # It may have been closed since: the daily client is told one by one.
            with suppress(RealmRefusedError, UnreachableError):
                return _exported(self._writer)
        found = self._pages.parallel(
            lambda body: self._pages.get(f"{base}/policy/{body['id']}/associatedPolicies"), bodies
        )
        return {
            body["name"]: frozenset(item["name"] for item in items)
            for body, items in zip(bodies, found, strict=True)
        }


def _exported(writer: Connection) -> Mapping[str, frozenset[str]]:
    """The same for who may change the realm, by one request."""
    exported = writer.request(
        "POST",
        writer.realm_path("/partial-export"),
        params={"exportClients": "true", "exportGroupsAndRoles": "false"},
    ).json()
    settings = next(
        client.get("authorizationSettings") or {}
        for client in exported["clients"]
        if client["clientId"] == CLIENT
    )
    return {
        item["name"]: frozenset(json.loads(item.get("config", {}).get("applyPolicies", "[]")))
        for item in settings.get("policies", ())
    }


def _apart(stage: Iterable[PermissionChange]) -> Iterator[Sequence[PermissionChange]]:
    """Waves in which no two are about one group: Keycloak remembers a group at the first permission about it,
    and refuses whoever does so a moment later (409)."""
    waiting = list(stage)
    while waiting:
        taken: set[KeycloakId] = set()
        wave: list[PermissionChange] = []
        later: list[PermissionChange] = []
        for change in waiting:
            about = change.wanted.resources if isinstance(change.wanted, AdminPermission) else frozenset()
            (later if about & taken else wave).append(change)
            taken |= about
        yield wave
        waiting = later


def _write(writer: Connection, base: str, change: PermissionChange, ids: Mapping[str, str]) -> None:
    wanted, kind = change.wanted, "policy" if change.is_policy else "permission"
    there = ids.get(change.name, "")
    if wanted is None:
        if there:
            _send(writer, "DELETE", f"{base}/{kind}/{there}", None, unless=_MISSING)
        return
    if isinstance(wanted, AdminPolicy):
        tail, body = f"{base}/policy/{wanted.kind}", _policy_body(wanted)
    else:
        tail, body = f"{base}/permission/scope", _permission_body(wanted)
    if change.deed is Deed.CREATE:
        _send(writer, "POST", tail, body)
    else:
        _send(writer, "PUT", f"{tail}/{there}", {**body, "id": there})


def _send(writer: Connection, method: str, tail: str, body: Any, *, unless: int | None = None) -> None:
    try:
        writer.request(method, writer.realm_path(tail), json=body)
    except RealmRefusedError as error:
        if error.status != unless:
            raise


def _base(client: str) -> str:
    return f"/clients/{client}/authz/resource-server"


def _policy(body: Mapping[str, Any]) -> AdminPolicy:
    """A policy, and of one that is not as we make them what else it says."""
    config = dict(body.get("config") or {})
    kind, rest = body["type"], dict[str, Any]()
    members, extending = frozenset[KeycloakId](), frozenset[KeycloakId]()
    if kind == "user":
        members = frozenset(map(KeycloakId, json.loads(config.pop("users", "[]"))))
    elif kind in _MEMBERS:
        items = json.loads(config.pop(_MEMBERS[kind], "[]"))
        members = frozenset(KeycloakId(item["id"]) for item in items)
        extending = frozenset(KeycloakId(item["id"]) for item in items if item.get("extendChildren"))
        required = sorted(item["id"] for item in items if item.get("required"))
        rest |= {"required": required} if required else {}
        if kind == "role" and config.pop("fetchRoles", "") != "true":
            rest["fetchRoles"] = False
    rest |= {name: value for name, value in config.items() if value}
    return AdminPolicy(
        name=body["name"],
        kind=kind,
        members=members,
        negative=body.get("logic") != _PLAIN["logic"],
        extending=extending,
        detail=json.dumps(rest, ensure_ascii=False, sort_keys=True) if rest else "",
    )


def _permission(body: Mapping[str, Any], policies: frozenset[str]) -> AdminPermission:
    kind = body.get("resourceType") or ""
    names = {item["name"] for item in body.get("resourcesData") or ()}
    return AdminPermission(
        name=body["name"],
        resource_type=kind,
        resources=frozenset() if kind in names or not names else frozenset(map(KeycloakId, names)),
        scopes=frozenset(item["name"] for item in body.get("scopesData") or ()),
        policies=policies,
        description=body.get("description") or "",
    )


def _policy_body(policy: AdminPolicy) -> Mapping[str, Any]:
    if policy.kind == "group":
        who: Mapping[str, Any] = {
            "groups": [{"id": one, "extendChildren": False} for one in sorted(policy.members)]
        }
    else:
        roles = [{"id": one, "required": False} for one in sorted(policy.members)]
        # The roles that an account has now, and not those of its token.
        who = {"roles": roles, "fetchRoles": True}
    return {"name": policy.name, **_PLAIN, **who}


def _permission_body(permission: AdminPermission) -> Mapping[str, Any]:
    return {
        "name": permission.name,
        "description": permission.description,
        "resourceType": permission.resource_type,
        "resources": sorted(permission.resources),
        "scopes": sorted(permission.scopes),
        "policies": sorted(permission.policies),
    }
