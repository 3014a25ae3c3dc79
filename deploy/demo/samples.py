"""A handful of people to log in as. Nobody has a password: they scan with the simulator's phone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import requests
from tests.fixtures.people import Population, SyntheticRow

from deploy.demo.configuration import REALM
from deploy.local.keycloak import RunningKeycloak
from quanheng.keycloak.connection import Connection
from quanheng.keycloak.credentials import AdminPassword
from quanheng.keycloak.open import MASTER
from quanheng.model.ids import OrgCode
from quanheng.model.sensitive import Sensitive
from quanheng.model.staff import OrgKind

_PAGE = 1000
_SECONDS = 30
_WANTED = (
    ("system_admin", "14"),
    ("business_admin", "14"),
    ("auditor", "14"),
    ("system_admin", ""),
    ("business_admin", ""),
    ("reviewer", ""),
    ("handler", ""),
    ("operator", ""),
)
"""Posts and areas of which one person each is a sample; an empty area is the first county's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Somebody to log in as."""

    username: str
    staff_no: str
    """Also the person's id at the simulator."""
    name: str
    post: str
    area: str


class DemoAdministrator:
    """The administrator of the master realm, who can do what nobody can in production."""

    def __init__(self, server: RunningKeycloak) -> None:
        self._server = server
        credential = AdminPassword(server.admin_user, Sensitive(server.admin_password))
        self.connection = Connection(server.url, REALM, credential, token_realm=MASTER)

    def find(self, staff_no: str) -> dict[str, Any] | None:
        """The user with a staff number."""
        path = self.connection.realm_path("/users")
        users = self.connection.get(path, q=f"staff_no:{staff_no}", max="2")
        return users[0] if len(users) == 1 else None

    def enabled_people(self) -> frozenset[str]:
        """Staff numbers of the enabled accounts. The plain list leaves service accounts out."""
        path = self.connection.realm_path("/users")
        found: set[str] = set()
        first = 0
        while True:
            page = self.connection.get(path, first=first, max=_PAGE, briefRepresentation="false")
            # The two accounts for an emergency are nobody's, and have no number.
            numbers = [user.get("attributes", {}).get("staff_no", ()) for user in page if user["enabled"]]
            found.update(number for item in numbers for number in item)
            first += len(page)
            if len(page) < _PAGE:
                return frozenset(found)

    def user(self, username: str) -> str:
        """Id of a user."""
        path = self.connection.realm_path("/users")
        return str(self.connection.get(path, username=username, exact="true")[0]["id"])

    def role(self, name: str) -> dict[str, Any]:
        """A role of the realm."""
        found: dict[str, Any] = self.connection.get(self.connection.realm_path(f"/roles/{name}"))
        return found

    def groups(self, user_id: str) -> dict[str, str]:
        """Ids of a user's groups by path."""
        found = self.connection.get(self.connection.realm_path(f"/users/{user_id}/groups"))
        return {item["path"]: item["id"] for item in found}

    def group(self, path: Sequence[str]) -> dict[str, Any]:
        """A group by its path, with its roles; names with slashes are none of the demo's."""
        joined = "/".join(path)
        found: dict[str, Any] = self.connection.get(self.connection.realm_path(f"/group-by-path/{joined}"))
        return found

    def try_to(self, method: str, tail: str, body: Any = None) -> tuple[int, str]:
        """Do something in the realm as the console would: the status, and the reason when it was refused."""
        credential = AdminPassword(self._server.admin_user, Sensitive(self._server.admin_password))
        token = requests.post(
            f"{self._server.url}/realms/{MASTER}/protocol/openid-connect/token",
            data=credential.form(self._server.url),
            timeout=_SECONDS,
        )
        token.raise_for_status()
        answer = requests.request(
            method,
            f"{self._server.url}/{self.connection.realm_path(tail)}",
            json=body,
            headers={"Authorization": f"Bearer {token.json()['access_token']}"},
            timeout=_SECONDS,
        )
        return answer.status_code, answer.json().get("errorMessage", "") if answer.content else ""


def find_samples(server: RunningKeycloak, population: Population) -> tuple[Sample, ...]:
    """Those of them who have an account by now."""
    names = {unit.code: unit.name for unit in population.units}
    administrator = DemoAdministrator(server)
    return tuple(
        Sample(
            username=user["username"],
            staff_no=row.staff_no,
            name=row.name,
            post=row.post,
            area=names.get(OrgCode(row.org[:6]), "山西省"),
        )
        for row in choose_samples(population)
        if (user := administrator.find(row.staff_no)) is not None
    )


def choose_samples(population: Population) -> Iterable[SyntheticRow]:
    """One good, enabled person for each post and area that is wanted."""
    for post, area in _WANTED:
        prefix = f"{area or first_county(population):0<6}"
        found = (
            row
            for row in population.good
            if row.post_id == post and row.org.startswith(prefix) and row.staff_no in population.enabled
        )
        if row := next(found, None):
            yield row


def first_county(population: Population) -> OrgCode:
    """The county whose people are samples."""
    return min(unit.code for unit in population.units if unit.kind is OrgKind.COUNTY)
