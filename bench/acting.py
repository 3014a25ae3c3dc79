"""Whoever grants in a bench: connections, and a client that costs next to nothing itself."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from quanheng.config import KeycloakSettings
from quanheng.keycloak.connection import Connection
from quanheng.model.ids import KeycloakId

_CONSOLE: Final = "bench-console"
_PASSWORD: Final = "Long-enough-1"
_DONE: Final = (200, 204)


@dataclass(frozen=True, slots=True)
class PersonLogin:
    """A person of the realm who acts through the Admin API, as the console does."""

    username: str

    @property
    def label(self) -> str:
        """Who it is."""
        return f"person '{self.username}'"

    def form(self, issuer: str) -> Mapping[str, str]:
        """Password grant; only the bench's own client allows it."""
        return {
            "grant_type": "password",
            "client_id": _CONSOLE,
            "username": self.username,
            "password": _PASSWORD,
        }


def log_in(
    settings: KeycloakSettings,
    admin: Connection,
    user: KeycloakId,
    roles: Collection[str] = ("manage-users",),
) -> Connection:
    """Let a person act through the Admin API, with these roles of the realm's management besides their own;
    ``admin`` is the master realm's."""
    _make_console(admin)
    users = admin.realm_path(f"/users/{user}")
    password = {"type": "password", "value": _PASSWORD, "temporary": False}
    admin.request("PUT", f"{users}/reset-password", json=password)
    if roles:
        management = admin.get(admin.realm_path("/clients"), clientId="realm-management")[0]["id"]
        bodies = [admin.get(admin.realm_path(f"/clients/{management}/roles/{role}")) for role in roles]
        admin.request("POST", f"{users}/role-mappings/clients/{management}", json=bodies)
    username = admin.get(users)["username"]
    return Connection(settings.url, settings.realm, PersonLogin(username))


def _make_console(admin: Connection) -> None:
    """The client through which they act, unless it is there."""
    if admin.get(admin.realm_path("/clients"), clientId=_CONSOLE):
        return
    flows = admin.get(admin.realm_path("/authentication/flows"))
    console = {
        "clientId": _CONSOLE,
        "publicClient": True,
        "directAccessGrantsEnabled": True,
        "standardFlowEnabled": False,
        # As the console's own.
        "attributes": {"client.use.lightweight.access.token.enabled": "true"},
        # The realm's own flow refuses everybody.
        "authenticationFlowBindingOverrides": {
            "direct_grant": next(flow["id"] for flow in flows if flow["alias"] == "direct grant")
        },
    }
    admin.request("POST", admin.realm_path("/clients"), json=console)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent, made ready before anything is measured."""

    method: str
    path: str
    """Below the server's address."""
    body: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A user in a group."""

    user: KeycloakId
    group: KeycloakId


@dataclass
class Grants:
    """What some grants took."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    """Seconds of each."""


class Grantor:
    """Sends requests with the token of a connection, over lean connections of its own.

    The client that quanheng uses takes as much of a core for one request as Keycloak does, which would hide
    half of what the guard costs.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._host = urlsplit(connection.url).netloc

    def join(self, wanted: Sequence[Membership], clients: int) -> Grants:
        """Make every membership, so many at once; raises when one is refused."""
        return self.send([self._request("PUT", item) for item in wanted], clients)

    def leave(self, wanted: Sequence[Membership], clients: int) -> Grants:
        """End every membership."""
        return self.send([self._request("DELETE", item) for item in wanted], clients)

    def bring_in(self, batches: Iterable[Sequence[Mapping[str, Any]]], clients: int) -> Grants:
        """Import users, each batch of representations in one request; raises when one is refused."""
        path = self._connection.realm_path("/partialImport")
        requests = [
            Request(
                method="POST",
                path=path,
                body=json.dumps({"ifResourceExists": "FAIL", "users": list(batch)}).encode(),
            )
            for batch in batches
        ]
        return self.send(requests, clients)

    def send(self, requests: Sequence[Request], clients: int) -> Grants:
        """Send all of them; raises when one is refused."""
        # Renewed when near its end; a block takes a second or two.
        token = self._connection._current_token().text  # noqa: SLF001 - nobody else needs the bare token
        parts = [requests[place::clients] for place in range(clients)]
        began = time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            latencies = list(pool.map(lambda part: self._some(part, token), parts))
        seconds = time.perf_counter() - began
        return Grants(seconds=seconds, latencies=[item for part in latencies for item in part])

    def _request(self, method: str, item: Membership) -> Request:
        path = self._connection.realm_path(f"/users/{item.user}/groups/{item.group}")
        return Request(method=method, path=path)

    def _some(self, requests: Iterable[Request], token: str) -> list[float]:
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            "Content-Type": "application/json",
        }
        latencies = []
        with closing(http.client.HTTPConnection(self._host, timeout=60)) as line:
            for item in requests:
                began = time.perf_counter()
                line.request(item.method, f"/{item.path}", body=item.body, headers=headers)
                answer = line.getresponse()
                body = answer.read()
                latencies.append(time.perf_counter() - began)
                if answer.status not in _DONE:
                    raise SystemExit(f"{item.method} {item.path} answered {answer.status}: {body[:300]!r}")
        return latencies
