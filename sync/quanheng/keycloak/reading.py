"""Reading a realm: pages, trees and whole users, several requests at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import quote

from quanheng.keycloak import representation as made
from quanheng.keycloak.connection import Connection
from quanheng.keycloak.port import RealmRefusedError
from quanheng.model.ids import GroupPath, KeycloakId, RoleName, Username
from quanheng.model.realm import AdminEvent, FederatedIdentity, RealmGroup, RealmRole, RealmUser

_T = TypeVar("_T")
_R = TypeVar("_R")
_Details = tuple[frozenset[KeycloakId], frozenset[RoleName], frozenset[FederatedIdentity]]
_PAGE: Final = 500
_AT_A_TIME: Final = 2000
"""Users whose parts are asked for before the first of them is handed on; bounds memory."""


class RealmReading:
    """Reads with the daily sync's few roles.

    ``view-clients`` is one of them, and is made sure of: without it Keycloak answers as if nobody held
    any role of a client, a realm administrator's included.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sees_clients = False

    def role_bodies(self) -> dict[RoleName, Mapping[str, Any]]:
        """Every realm role as Keycloak shows it."""
        return {made.realm_role(body["name"]): body for body in self._pages("/roles")}

    def roles(self) -> dict[RoleName, RealmRole]:
        """Every role of the realm and of its clients with its composites."""
        clients = self._client_names()
        bodies = self.role_bodies() | self._client_role_bodies(clients)
        composite = [name for name, body in bodies.items() if body["composite"]]
        parts = self._parallel(lambda name: self._composites(bodies[name], clients), composite)
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

    def _client_role_bodies(self, clients: Mapping[str, str]) -> dict[RoleName, Mapping[str, Any]]:
        """Every role of every client as Keycloak shows it: one request per client."""
        listed = self._parallel(lambda client: list(self._pages(f"/clients/{client}/roles")), list(clients))
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
            for part in self._get(f"/roles-by-id/{body['id']}/composites")
        )

    def _client_names(self) -> dict[str, str]:
        """Internal id of each client and its name. Raises :class:`RealmRefusedError` when they are hidden."""
        clients = {body["id"]: body["clientId"] for body in self._pages("/clients")}
        if "realm-management" not in clients.values():
            raise RealmRefusedError(
                "Keycloak hides its clients from us, and with them who holds their roles",
                status=403,
                remedy="give the sync's service account the role view-clients: apply the configuration",
            )
        self._sees_clients = True
        return clients

    def _make_sure_of_clients(self) -> None:
        if not self._sees_clients:
            self._client_names()

    def groups(self) -> dict[KeycloakId, RealmGroup]:
        """Every group of every tree, level by level."""
        self._make_sure_of_clients()
        found: dict[KeycloakId, RealmGroup] = {}
        level: list[tuple[GroupPath, Mapping[str, Any]]] = [
            ((), body) for body in self._pages("/groups", briefRepresentation="false")
        ]
        while level:
            parents: list[tuple[GroupPath, str]] = []
            for above, body in level:
                group = made.group_of(body, above)
                found[group.id] = group
                if body.get("subGroupCount"):
                    parents.append((group.path, body["id"]))
            level = [child for children in self._parallel(self._children, parents) for child in children]
        return found

    def _children(self, parent: tuple[GroupPath, str]) -> list[tuple[GroupPath, Mapping[str, Any]]]:
        path, group = parent
        pages = self._pages(f"/groups/{group}/children", briefRepresentation="false")
        return [(path, body) for body in pages]

    def group(self, group: KeycloakId) -> RealmGroup | None:
        """One group with its path, read upwards."""
        self._make_sure_of_clients()
        body = self._get_or_none(f"/groups/{group}")
        if body is None:
            return None
        names: list[str] = []
        parent = body.get("parentId")
        while parent is not None:
            above = self._get_or_none(f"/groups/{parent}")
            if above is None:
                return None
            names.append(above["name"])
            parent = above.get("parentId")
        return made.group_of(body, tuple(reversed(names)))

    def child(self, parent: KeycloakId | None, name: str) -> Mapping[str, Any] | None:
        """The group with exactly this name below a parent, or at the top."""
        tail = "/groups" if parent is None else f"/groups/{parent}/children"
        found = self._pages(tail, search=name, exact="true", briefRepresentation="false")
        return next((body for body in found if body["name"] == name and body.get("parentId") == parent), None)

    def user(self, user: KeycloakId) -> RealmUser | None:
        """One user, whole."""
        self._make_sure_of_clients()
        body = self._get_or_none(f"/users/{user}")
        if body is None:
            return None
        try:
            groups = [KeycloakId(group["id"]) for group in self._pages(f"/users/{user}/groups")]
            roles = made.mapped_roles(self._get(f"/users/{user}/role-mappings"))
        except RealmRefusedError as error:
            if error.status == 404:
                return None
            raise
        return made.user_of(body, groups, roles, made.identities_of(body.get("federatedIdentities") or ()))

    def find(self, username: Username) -> RealmUser | None:
        """The user with exactly this name."""
        user = self.find_id(username)
        return None if user is None else self.user(user)

    def find_id(self, username: Username) -> KeycloakId | None:
        """Id of the user with exactly this name, service accounts included."""
        found = self._get("/users", username=username, exact="true", briefRepresentation="true")
        return next((KeycloakId(body["id"]) for body in found if body["username"] == username.lower()), None)

    def sweep(self) -> Iterator[RealmUser]:
        """Every user, whole, service accounts included.

        Requests: two per 500 users (the list, and holders of the default role); one per group and one per
        role, or, where users are fewer, one or two per user; and one per user for federated identities,
        which no list shows.
        """
        self._make_sure_of_clients()
        bodies = {body["id"]: body for body in self._parallel_pages("/users", briefRepresentation="false")}
        # Service accounts are left out of the plain list; this search has them.
        searched = self._parallel_pages(
            "/users", username=made.SERVICE_ACCOUNT_PREFIX, briefRepresentation="false"
        )
        bodies |= {body["id"]: body for body in searched}
        memberships = self._memberships(len(bodies))
        held = self._held_roles(len(bodies))
        # Whom only another list showed: a service account that was renamed.
        for user in {*(memberships or ()), *(held or ())} - bodies.keys():
            body = self._get_or_none(f"/users/{user}")
            if body is not None:
                bodies[user] = body

        def details(user: str) -> _Details | None:
            return self._details(
                user,
                None if memberships is None else frozenset(memberships.get(user, ())),
                None if held is None else frozenset(held.get(user, ())),
            )

        waiting = list(bodies)
        while waiting:
            now, waiting = waiting[:_AT_A_TIME], waiting[_AT_A_TIME:]
            for user, detail in zip(now, self._parallel(details, now), strict=True):
                body = bodies.pop(user)
                if detail is not None:
                    yield made.user_of(body, *detail)

    def _memberships(self, users: int) -> dict[str, set[KeycloakId]] | None:
        """Groups of each user, read by group; None when asking each user takes fewer requests."""
        groups = [KeycloakId(group) for group in self.groups()]
        if len(groups) > users:
            return None
        tails = [f"/groups/{group}/members" for group in groups]
        return _turned(zip(groups, self._parallel(self._listed, tails), strict=True))

    def _held_roles(self, users: int) -> dict[str, set[RoleName]] | None:
        """Direct roles of each user, read by role; None when asking each user takes fewer requests."""
        tails = {
            name: f"/roles/{quote(body['name'], safe='')}/users" for name, body in self.role_bodies().items()
        }
        clients = self._client_names()
        if len(tails) + len(clients) > users:
            return None
        for name, body in self._client_role_bodies(clients).items():
            tails[name] = f"/clients/{body['containerId']}/roles/{quote(body['name'], safe='')}/users"
        if len(tails) > users:
            return None
        # Everybody holds the default role: its pages are worth reading at once.
        name = RoleName(f"default-roles-{self._connection.realm.lower()}")
        everybody: Iterable[Any] = ()
        if name in tails:
            everybody = self._parallel_pages(tails.pop(name), briefRepresentation="true")
        default = (name, [body["id"] for body in everybody])
        return _turned([default, *zip(tails, self._parallel(self._listed, tails.values()), strict=True)])

    def _listed(self, tail: str) -> list[str]:
        """Ids of users in a list; of a group or role that is gone since, nobody's."""
        try:
            return [body["id"] for body in self._pages(tail, briefRepresentation="true")]
        except RealmRefusedError as error:
            if error.status == 404:
                return []
            raise

    def _details(
        self, user: str, groups: frozenset[KeycloakId] | None, roles: frozenset[RoleName] | None
    ) -> _Details | None:
        """What no list showed, or None when the user is gone since."""
        try:
            links = made.identities_of(self._get(f"/users/{user}/federated-identity"))
            if roles is None:
                roles = made.mapped_roles(self._get(f"/users/{user}/role-mappings"))
            if groups is None:
                groups = frozenset(KeycloakId(body["id"]) for body in self._pages(f"/users/{user}/groups"))
        except RealmRefusedError as error:
            if error.status == 404:
                return None
            raise
        return groups, roles, links

    def admin_events(self, since: datetime, page_size: int) -> Iterator[AdminEvent]:
        """Events at or after ``since``, each once.

        Keycloak orders by time alone, and events of one millisecond in any order, so a page by number could
        skip one: the next page starts at the time of the last event.
        """
        start = int(since.timestamp() * 1000)
        size = page_size
        seen: set[str] = set()
        while True:
            page = self._get("/admin-events", dateFrom=start, direction="asc", max=size)
            for body in page:
                if body["id"] not in seen:
                    seen.add(body["id"])
                    yield made.event_of(body)
            if len(page) < size:
                return
            last = page[-1]["time"]
            # A page that lies in one millisecond tells nothing of the next: ask for more at once.
            start, size = (last, page_size) if last > start else (start, size * 2)

    def _get(self, tail: str, **params: Any) -> Any:
        return self._connection.get(self._connection.realm_path(tail), **params)

    def _get_or_none(self, tail: str) -> Any:
        try:
            return self._get(tail)
        except RealmRefusedError as error:
            if error.status == 404:
                return None
            raise

    def _pages(self, tail: str, **params: Any) -> Iterator[Any]:
        first = 0
        while True:
            page = self._get(tail, first=first, max=_PAGE, **params)
            yield from page
            if len(page) < _PAGE:
                return
            first += _PAGE

    def _parallel_pages(self, tail: str, **params: Any) -> Iterator[Any]:
        """All pages, several at once, until one is not full."""
        first, step = 0, _PAGE * self._connection.workers
        while True:
            starts = range(first, first + step, _PAGE)
            pages = self._parallel(
                lambda start: self._get(tail, first=start, max=_PAGE, **params),
                # Most realms of a test and every search for service accounts fit into one page.
                starts if first else starts[:1],
            )
            for page in pages:
                yield from page
            if len(pages[-1]) < _PAGE:
                return
            first = first + step if first else _PAGE

    def _parallel(self, work: Callable[[_T], _R], items: Iterable[_T]) -> list[_R]:
        items = list(items)
        if len(items) < 2:
            return [work(item) for item in items]
        with ThreadPoolExecutor(self._connection.workers) as pool:
            return list(pool.map(work, items))


def _turned(lists: Iterable[tuple[_T, Iterable[str]]]) -> dict[str, set[_T]]:
    """From what has which users to which user has what."""
    result: dict[str, set[_T]] = defaultdict(set)
    for item, users in lists:
        for user in users:
            result[user].add(item)
    return result
