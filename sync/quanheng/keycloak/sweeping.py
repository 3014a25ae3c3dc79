"""Reading every user whole, without a request for each where the guard can spare it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

from quanheng.keycloak import representation as made
from quanheng.keycloak.connection import Connection
from quanheng.keycloak.guard import Guard, Holder
from quanheng.keycloak.paging import Pages
from quanheng.keycloak.port import RealmRefusedError
from quanheng.keycloak.reading import RealmReading
from quanheng.model.ids import KeycloakId, RoleName
from quanheng.model.realm import FederatedIdentity, RealmUser

_T = TypeVar("_T")
_Body = Mapping[str, Any]
_Details = tuple[frozenset[KeycloakId], frozenset[RoleName], frozenset[FederatedIdentity]]
_AT_A_TIME: Final = 2000
"""Users whose parts are asked for before the first of them is handed on; bounds memory."""
_NO_BULK: Final = frozenset({403, 404})


class RealmSweep:
    """Every user of one realm, service accounts included.

    Names, switch and attributes come from Keycloak's list, two requests per thousand users. What they hold
    comes from the guard, one request per thousand users, or, from a server whose guard does not tell us, from
    one request per group and per role (where users are fewer, one or two per user) and one per user for
    federated identities, which no list shows. Either way shows the same.
    """

    def __init__(self, connection: Connection, reading: RealmReading, guard: Guard) -> None:
        self._pages = Pages(connection)
        self._reading = reading
        self._guard = guard
        self._default_role = RoleName(f"default-roles-{connection.realm.lower()}")

    def users(self) -> Iterator[RealmUser]:
        """Each once. Raises :class:`RealmRefusedError` 403 when clients, and so their roles, are hidden."""
        self._reading.make_sure_of_clients()
        try:
            holders = dict(self._guard.read_holders())
        except RealmRefusedError as error:
            if error.status not in _NO_BULK:
                raise
            return self._by_lists()
        return self._by_holders(holders)

    def _bodies(self) -> Iterator[_Body]:
        """Keycloak's list; whoever comes or goes meanwhile may be there twice, or missing."""
        yield from self._pages.all_at_once("/users", briefRepresentation="false")
        # Service accounts are left out of the plain list; this search has them.
        yield from self._pages.all_at_once(
            "/users", username=made.SERVICE_ACCOUNT_PREFIX, briefRepresentation="false"
        )

    def _body(self, user: str) -> _Body | None:
        """What the list shows of one user; None when it is gone."""
        found: _Body | None = self._pages.get_or_none(f"/users/{user}")
        return found

    # What the guard knows

    def _by_holders(self, holders: dict[KeycloakId, Holder]) -> Iterator[RealmUser]:
        names = self._role_names()
        roles: dict[frozenset[KeycloakId], frozenset[RoleName] | None] = {}
        """By the set of ids; None where one is of a role that came since."""
        shown: set[KeycloakId] = set()
        unknown: list[_Body] = []

        def whole(body: _Body, holder: Holder) -> RealmUser | None:
            held = holder.roles
            if held not in roles:
                roles[held] = frozenset(names[role] for role in held) if held <= names.keys() else None
            known = roles[held]
            return None if known is None else made.user_of(body, holder.groups, known, holder.identities)

        def told(body: _Body) -> Iterator[RealmUser]:
            user = KeycloakId(body["id"])
            if user in shown:
                return
            shown.add(user)
            holder = holders.pop(user, None)
            found = None if holder is None else whole(body, holder)
            if found is None:
                unknown.append(body)
            else:
                yield found

        for body in self._bodies():
            yield from told(body)
        # Whom the list does not show: a service account that was renamed, or somebody who came since.
        for found in self._pages.parallel(self._body, sorted(holders)):
            if found is not None:
                yield from told(found)
        # Of a user storage, or come since the guard was asked.
        yield from self._with_details(unknown, None, None)

    def _role_names(self) -> dict[KeycloakId, RoleName]:
        clients = self._reading.client_names()
        bodies = self._reading.role_bodies() | self._reading.client_role_bodies(clients)
        return {KeycloakId(body["id"]): name for name, body in bodies.items()}

    # What the lists know

    def _by_lists(self) -> Iterator[RealmUser]:
        bodies = {body["id"]: body for body in self._bodies()}
        memberships = self._memberships(len(bodies))
        held = self._held_roles(len(bodies))
        # Whom only another list showed: a service account that was renamed.
        for user in {*(memberships or ()), *(held or ())} - bodies.keys():
            body = self._body(user)
            if body is not None:
                bodies[user] = body
        stored = [body for body in bodies.values() if not body.get("federationLink")]
        yield from self._with_details(stored, memberships, held)
        # Of a user storage: no list of a role or group need show what that gives.
        foreign = [body for body in bodies.values() if body.get("federationLink")]
        yield from self._with_details(foreign, None, None)

    def _memberships(self, users: int) -> dict[str, set[KeycloakId]] | None:
        """Groups of each user, read by group; None when asking each user takes fewer requests."""
        groups = [KeycloakId(group) for group in self._reading.groups()]
        if len(groups) > users:
            return None
        tails = [f"/groups/{group}/members" for group in groups]
        return _turned(zip(groups, self._pages.parallel(self._listed, tails), strict=True))

    def _held_roles(self, users: int) -> dict[str, set[RoleName]] | None:
        """Direct roles of each user, read by role; None when asking each user takes fewer requests."""
        tails = {
            name: f"/roles/{quote(body['name'], safe='')}/users"
            for name, body in self._reading.role_bodies().items()
        }
        clients = self._reading.client_names()
        if len(tails) + len(clients) > users:
            return None
        for name, body in self._reading.client_role_bodies(clients).items():
            tails[name] = f"/clients/{body['containerId']}/roles/{quote(body['name'], safe='')}/users"
        if len(tails) > users:
            return None
        # Everybody holds the default role: its pages are worth reading at once.
        everybody: Iterable[Any] = ()
        if self._default_role in tails:
            everybody = self._pages.all_at_once(tails.pop(self._default_role), briefRepresentation="true")
        default = (self._default_role, [body["id"] for body in everybody])
        listed = self._pages.parallel(self._listed, tails.values())
        return _turned([default, *zip(tails, listed, strict=True)])

    def _listed(self, tail: str) -> list[str]:
        """Ids of users in a list; of a group or role that is gone since, nobody's."""
        try:
            return [body["id"] for body in self._pages.all(tail, briefRepresentation="true")]
        except RealmRefusedError as error:
            if error.status == 404:
                return []
            raise

    # What each is asked for

    def _with_details(
        self,
        waiting: list[_Body],
        memberships: Mapping[str, set[KeycloakId]] | None,
        held: Mapping[str, set[RoleName]] | None,
    ) -> Iterator[RealmUser]:
        """Each user whole; None: ask the user. Takes the list apart."""

        def details(body: _Body) -> _Details | None:
            user = body["id"]
            return self._details(
                user,
                None if memberships is None else frozenset(memberships.get(user, ())),
                None if held is None else frozenset(held.get(user, ())),
            )

        while waiting:
            now = waiting[-_AT_A_TIME:]
            del waiting[-_AT_A_TIME:]
            for body, detail in zip(now, self._pages.parallel(details, now), strict=True):
                if detail is not None:
                    yield made.user_of(body, *detail)

    def _details(
        self, user: str, groups: frozenset[KeycloakId] | None, roles: frozenset[RoleName] | None
    ) -> _Details | None:
        """What no list showed, or None when the user is gone since."""
        try:
            links = made.identities_of(self._pages.get(f"/users/{user}/federated-identity"))
            if roles is None:
                roles = made.mapped_roles(self._pages.get(f"/users/{user}/role-mappings"))
            if groups is None:
                groups = frozenset(
                    KeycloakId(body["id"]) for body in self._pages.all(f"/users/{user}/groups")
                )
        except RealmRefusedError as error:
            if error.status == 404:
                return None
            raise
        return groups, roles, links


def _turned(lists: Iterable[tuple[_T, Iterable[str]]]) -> dict[str, set[_T]]:
    """From what has which users to which user has what."""
    result: dict[str, set[_T]] = defaultdict(set)
    for item, users in lists:
        for user in users:
            result[user].add(item)
    return result
