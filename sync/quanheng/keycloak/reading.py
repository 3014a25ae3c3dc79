"""Reading a realm: roles, trees, single users and events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from quanheng.keycloak import representation as made
from quanheng.keycloak.connection import Connection
from quanheng.keycloak.paging import Pages
from quanheng.keycloak.port import RealmRefusedError
from quanheng.model.ids import GroupPath, KeycloakId, RoleName, Username
from quanheng.model.realm import AdminEvent, LoginEvent, RealmGroup, RealmRole, RealmUser

_NO_ACCOUNT: Final = frozenset({400, 404, 409})
"""Answers for a client without an account; 409 when it cannot be told which of several it is."""
_LOGINS: Final = ("LOGIN", "LOGIN_ERROR")


class RealmReading:
    """Reads with the daily sync's few roles.

    ``view-clients`` is one of them, and is made sure of: without it Keycloak answers as if nobody held
    any role of a client, a realm administrator's included.
    """

    def __init__(self, connection: Connection) -> None:
        self._pages = Pages(connection)
        self._sees_clients = False

    def role_bodies(self) -> dict[RoleName, Mapping[str, Any]]:
        """Every realm role as Keycloak shows it."""
        return {made.realm_role(body["name"]): body for body in self._pages.all("/roles")}

    def roles(self) -> dict[RoleName, RealmRole]:
        """Every role of the realm and of its clients with its composites."""
        clients = self.client_names()
        bodies = self.role_bodies() | self.client_role_bodies(clients)
        composite = [name for name, body in bodies.items() if body["composite"]]
        parts = self._pages.parallel(lambda name: self._composites(bodies[name], clients), composite)
        composites = dict(zip(composite, parts, strict=True))
        return {
            name: RealmRole(
                id=KeycloakId(body["id"]),
                name=name,
                description=body.get("description") or "",
                composites=composites.get(name, frozenset()),
            )
            for name, body in bodies.items()
        }

    def role_names(self) -> dict[KeycloakId, RoleName]:
        """The name of every role of the realm and of the clients that we see: one request per client."""
        bodies = self.role_bodies() | self.client_role_bodies(self._clients())
        return {KeycloakId(body["id"]): name for name, body in bodies.items()}

    def client_role_bodies(self, clients: Mapping[str, str]) -> dict[RoleName, Mapping[str, Any]]:
        """Every role of every client as Keycloak shows it: one request per client."""
        listed = self._pages.parallel(
            lambda client: list(self._pages.all(f"/clients/{client}/roles")), list(clients)
        )
        return {
            made.client_role(client_id, body["name"]): body
            for client_id, bodies in zip(clients.values(), listed, strict=True)
            for body in bodies
        }

    def _composites(self, body: Mapping[str, Any], clients: Mapping[str, str]) -> frozenset[RoleName]:
        return frozenset(
            made.client_role(clients.get(part["containerId"], part["containerId"]), part["name"])
            if part["clientRole"]
            else made.realm_role(part["name"])
            for part in self._pages.get(f"/roles-by-id/{body['id']}/composites")
        )

    def client_names(self) -> dict[str, str]:
        """Internal id of each client and its name. Raises :class:`RealmRefusedError` when they are hidden."""
        clients = self._clients()
        if "realm-management" not in clients.values():
            raise RealmRefusedError(
                "Keycloak hides its clients from us, and with them who holds their roles",
                status=403,
                remedy="give the sync's service account the role view-clients: apply the configuration",
            )
        self._sees_clients = True
        return clients

    def _clients(self) -> dict[str, str]:
        return {body["id"]: body["clientId"] for body in self._pages.all("/clients")}

    def make_sure_of_clients(self) -> None:
        """Raise :class:`RealmRefusedError` when clients are hidden from us; asked until they are not."""
        if not self._sees_clients:
            self.client_names()

    def groups(self) -> dict[KeycloakId, RealmGroup]:
        """Every group of every tree, level by level."""
        self.make_sure_of_clients()
        found: dict[KeycloakId, RealmGroup] = {}
        level: list[tuple[GroupPath, Mapping[str, Any]]] = [
            ((), body) for body in self._pages.all("/groups", briefRepresentation="false")
        ]
        while level:
            parents: list[tuple[GroupPath, str]] = []
            for above, body in level:
                group = made.group_of(body, above)
                found[group.id] = group
                if body.get("subGroupCount"):
                    parents.append((group.path, body["id"]))
            level = [
                child for children in self._pages.parallel(self._children, parents) for child in children
            ]
        return found

    def _children(self, parent: tuple[GroupPath, str]) -> list[tuple[GroupPath, Mapping[str, Any]]]:
        path, group = parent
        pages = self._pages.all(f"/groups/{group}/children", briefRepresentation="false")
        return [(path, body) for body in pages]

    def group(self, group: KeycloakId) -> RealmGroup | None:
        """One group with its path, read upwards."""
        self.make_sure_of_clients()
        body = self._pages.get_or_none(f"/groups/{group}")
        if body is None:
            return None
        names: list[str] = []
        parent = body.get("parentId")
        while parent is not None:
            above = self._pages.get_or_none(f"/groups/{parent}")
            if above is None:
                return None
            names.append(above["name"])
            parent = above.get("parentId")
        return made.group_of(body, tuple(reversed(names)))

    def child(self, parent: KeycloakId | None, name: str) -> Mapping[str, Any] | None:
        """The group with exactly this name below a parent, or at the top."""
        tail = "/groups" if parent is None else f"/groups/{parent}/children"
        found = self._pages.all(tail, search=name, exact="true", briefRepresentation="false")
        return next((body for body in found if body["name"] == name and body.get("parentId") == parent), None)

    def user(self, user: KeycloakId) -> RealmUser | None:
        """One user, whole."""
        self.make_sure_of_clients()
        body = self._pages.get_or_none(f"/users/{user}")
        if body is None:
            return None
        try:
            groups = [KeycloakId(group["id"]) for group in self._pages.all(f"/users/{user}/groups")]
            roles = made.mapped_roles(self._pages.get(f"/users/{user}/role-mappings"))
        except RealmRefusedError as error:
            if error.status == 404:
                return None
            raise
        return made.user_of(body, groups, roles, made.identities_of(body.get("federatedIdentities") or ()))

    def memberships(self, user: KeycloakId) -> frozenset[KeycloakId] | None:
        """Groups of one user, or None when the user is gone."""
        try:
            return frozenset(KeycloakId(group["id"]) for group in self._pages.all(f"/users/{user}/groups"))
        except RealmRefusedError as error:
            if error.status == 404:
                return None
            raise

    def passwords(self, user: KeycloakId) -> frozenset[str]:
        """Id and time of each password of a user: one that is set anew keeps the id of the last."""
        found = self._pages.get_or_none(f"/users/{user}/credentials") or ()
        return frozenset(
            f"{body['id']} {body.get('createdDate')}" for body in found if body["type"] == "password"
        )

    def credentials(self, user: KeycloakId) -> frozenset[str]:
        """Kind, id and time of each credential of a user."""
        found = self._pages.get_or_none(f"/users/{user}/credentials") or ()
        return frozenset(f"{body['type']} {body['id']} {body.get('createdDate')}" for body in found)

    def find(self, username: Username) -> RealmUser | None:
        """The user with exactly this name."""
        user = self.find_id(username)
        return None if user is None else self.user(user)

    def find_id(self, username: Username) -> KeycloakId | None:
        """Id of the user with exactly this name, service accounts included."""
        found = self._pages.get("/users", username=username, exact="true", briefRepresentation="true")
        return next((KeycloakId(body["id"]) for body in found if body["username"] == username.lower()), None)

    def service_account(self, client_id: str) -> KeycloakId | None:
        """Id of the account as which a client acts: two requests. None when there is none.

        Not whoever has its name: that may be anybody, once the account was deleted.
        """
        for body in self._pages.get("/clients", clientId=client_id):
            try:
                account = self._pages.get(f"/clients/{body['id']}/service-account-user")
            except RealmRefusedError as error:
                if error.status not in _NO_ACCOUNT:
                    raise
            else:
                return KeycloakId(account["id"])
        return None

    def admin_events(self, since: datetime, page_size: int, **only: Any) -> Iterator[AdminEvent]:
        """Events at or after ``since``, each once; ``only``: of these kinds, as Keycloak names them."""
        return map(made.event_of, self._events("/admin-events", since, page_size, only))

    def logins(
        self, since: datetime, page_size: int, *, refreshes: bool = False, **only: Any
    ) -> Iterator[LoginEvent]:
        """The same of logins and refused attempts; ``only``: of a ``client`` or a ``user``."""
        kinds = (*_LOGINS, made.REFRESH) if refreshes else _LOGINS
        return map(made.login_of, self._events("/events", since, page_size, {"type": kinds, **only}))

    def _events(
        self, tail: str, since: datetime, page_size: int, only: Mapping[str, Any]
    ) -> Iterator[Mapping[str, Any]]:
        """Keycloak orders by time alone, and events of one millisecond in any order, so a page by number
        could skip one: the next page starts at the time of the last event."""
        start = int(since.timestamp() * 1000)
        size = page_size
        seen: set[str] = set()
        while True:
            page = self._pages.get(tail, dateFrom=start, direction="asc", max=size, **only)
            for body in page:
                if body["id"] not in seen:
                    seen.add(body["id"])
                    yield body
            if len(page) < size:
                return
            last = page[-1]["time"]
            # A page that lies in one millisecond tells nothing of the next: ask for more at once.
            start, size = (last, page_size) if last > start else (start, size * 2)
