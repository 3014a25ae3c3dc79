"""Roles: of the posts, of the permissions of each subsystem, and what every user holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from quanheng.errors import ConfigurationError
from quanheng.keycloak.aspect import Documents, Mending, escaped, mending, missing
from quanheng.keycloak.compare import MISSING, THERE, Difference, differences, merged
from quanheng.keycloak.configuration_files import DesiredConfiguration
from quanheng.keycloak.representation import client_role, realm_role
from quanheng.model.ids import RoleName
from quanheng.policy.console_roles import REALM_MANAGEMENT
from quanheng.policy.sealed_roles import ACCOUNT, BY_KEYCLOAK, is_fixed


def subsystems(documents: Documents, desired: DesiredConfiguration) -> Iterator[Mending]:
    """One client per subsystem, which bears its permissions; one that is there is the operator's."""
    for subsystem in desired.subsystems:
        if documents.client(subsystem.id) is None:
            body = {"clientId": subsystem.id, "name": subsystem.label, "protocol": "openid-connect"}
            body |= desired.clients["subsystem"]["created"]
            yield missing(f"clients.{subsystem.id}", partial(documents.post, "/clients", body))


def permission_roles(documents: Documents, desired: DesiredConfiguration) -> Iterator[Mending]:
    """One client role per permission, containing nothing. One whose permission is gone is reported."""
    for subsystem in desired.subsystems:
        client = documents.client(subsystem.id)
        if client is not None:
            roles = _Roles(documents, desired, f"/clients/{client['id']}/roles", f"{subsystem.id}/")
            yield from roles.mendings(subsystem.permissions, {})


def post_roles(documents: Documents, desired: DesiredConfiguration) -> Iterator[Mending]:
    """One realm role per post, containing its permissions, and those that are no post's. One whose post is
    gone is reported."""
    others = desired.roles["realm_roles"]
    labels = {name: role["description"] for name, role in others.items()}
    composites = {name: frozenset(role["composites"]) for name, role in others.items()}
    roles = _Roles(documents, desired, "/roles", "")
    yield from roles.mendings({**desired.post_roles, **labels}, {**desired.composites, **composites})


def default_role(documents: Documents, desired: DesiredConfiguration) -> Iterator[Mending]:
    """What every user holds: exactly this."""
    name = f"default-roles-{desired.realm_name.lower()}"
    role = documents.get(f"/roles/{name}")
    if role is None:  # it has another name: every user holds it all the same
        yield Mending((Difference(f"roles.{name}", THERE, MISSING),), None)
        return
    parts = _parts(documents, role)
    wanted = desired.roles["default_role"]
    yield from mending(
        differences(f"roles.{name}", {"composites": wanted}, {"composites": list(parts)}),
        partial(_mend_parts, documents, role["id"], parts, wanted),
    )


def keycloaks_roles(documents: Documents, _desired: DesiredConfiguration) -> Iterator[Mending]:
    """Keycloak's own, which posts and the default role contain: exactly what Keycloak puts into them. Those
    that administer the realm are told alone: it lets nobody change them (26.7.3,
    ``ClientPermissions.isInternal``), but the guard from within."""
    for client_id in (REALM_MANAGEMENT, ACCOUNT):
        client = documents.client(client_id)
        bodies = [] if client is None else documents.pages(f"/clients/{client['id']}/roles")
        for role in sorted(bodies, key=lambda role: str(role["name"])):
            name = client_role(client_id, role["name"])
            wanted = BY_KEYCLOAK.get(name)
            if wanted is None:
                continue
            parts = _parts(documents, role)
            mend = None if is_fixed(name) else partial(_mend_parts, documents, role["id"], parts, wanted)
            gap = differences(
                f"roles.{name}", {"composites": sorted(wanted)}, {"composites": [*map(str, parts)]}
            )
            yield from mending(gap, mend)


class _Roles:
    """The roles of the realm, or of one client, that are ours."""

    def __init__(self, documents: Documents, desired: DesiredConfiguration, tail: str, prefix: str) -> None:
        self._documents = documents
        self._attributes = desired.roles["attributes"]
        self._tail = tail
        self._prefix = prefix
        """Of their names in messages."""

    def mendings(
        self, labels: Mapping[Any, str], composites: Mapping[Any, frozenset[Any]]
    ) -> Iterator[Mending]:
        """What differs from a role per label with exactly these composites; ours beyond them are told."""
        pages = self._documents.pages(self._tail, briefRepresentation="false")
        present = {role["name"]: role for role in pages}
        for name, label in sorted(labels.items()):
            where = f"roles.{self._prefix}{name}"
            wanted = {"description": label, "attributes": self._attributes}
            parts = sorted(composites.get(name, ()))
            found = present.get(name)
            if found is None:
                yield missing(where, partial(self._create, {"name": name, **wanted}, parts))
                continue
            there = _parts(self._documents, found)
            yield from mending(
                differences(
                    where, {**wanted, "composites": parts}, {**found, "composites": [*map(str, there)]}
                ),
                partial(self._mend, found, wanted, there, parts),
            )
        for name, found in sorted(present.items()):
            ours = (found.get("attributes") or {}).get("managed_by") == self._attributes["managed_by"]
            if ours and name not in labels:
                gap = Difference(f"roles.{self._prefix}{name}", MISSING, THERE, foreign=True)
                yield Mending((gap,), None)

    def _create(self, body: Mapping[str, Any], parts: list[str]) -> None:
        self._documents.post(self._tail, body)
        if parts:
            made = self._documents.get(f"{self._tail}/{escaped(body['name'])}")
            _mend_parts(self._documents, made["id"], {}, parts)

    def _mend(
        self,
        found: Mapping[str, Any],
        wanted: Mapping[str, Any],
        there: Mapping[str, Any],
        parts: list[str],
    ) -> None:
        # What is too much goes first: a failure in between leaves less power, not more.
        _mend_parts(self._documents, found["id"], there, parts)
        self._documents.put(f"/roles-by-id/{found['id']}", merged(found, wanted))


def _parts(documents: Documents, role: Mapping[str, Any]) -> dict[str, Any]:
    """What a role contains, by the names under which roles are known here."""
    if not role["composite"]:
        return {}
    clients = {client["id"]: client["clientId"] for client in documents.pages("/clients")}
    return {
        str(
            client_role(clients[part["containerId"]], part["name"])
            if part["clientRole"]
            else realm_role(part["name"])
        ): part
        for part in documents.get(f"/roles-by-id/{role['id']}/composites")
    }


def _mend_parts(documents: Documents, role: str, there: Mapping[str, Any], wanted: Iterable[str]) -> None:
    path, names = f"/roles-by-id/{role}/composites", set(wanted)
    surplus = [part for name, part in there.items() if name not in names]
    if surplus:
        documents.delete(path, surplus)
    lacking = [_body(documents, name) for name in sorted(names - there.keys())]
    if lacking:
        documents.post(path, lacking)


def _body(documents: Documents, name: str) -> Any:
    """A role of the packs or of Keycloak itself, in whose names there is no other slash. The latter's is made
    again when somebody deleted it; it is known by its name. What entered one would be given with it."""
    client_id, _, role = name.rpartition("/")
    client = documents.client(client_id) if client_id else {}
    if client is None:
        raise ConfigurationError(
            f"the realm has no client '{client_id}' of which to give the role '{role}'",
            remedy="see why it could not be made, or found",
        )
    path = f"/clients/{client['id']}/roles" if client else "/roles"
    found = documents.get(f"{path}/{escaped(role)}")
    if found is None:
        documents.post(path, {"name": role})
        found = documents.get(f"{path}/{escaped(role)}")
    own = BY_KEYCLOAK.get(RoleName(name))
    if own is not None and (surplus := _parts(documents, found).keys() - own):
        raise ConfigurationError(
            f"the role '{name}' contains {', '.join(sorted(surplus))}, which would be given with it",
            remedy="bring it in anew as docs/howto/guard.md says; then run again",
        )
    return found
