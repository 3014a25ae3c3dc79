"""Servers of :mod:`bench.bridge`: Keycloak with two realms, the bridge on its core, the simulator."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
from deploy.local.ports import HOST, free_ports
from deploy.local.web import start_web_server, stop_web_server
from tests.fixtures.people import Population, SyntheticRow

from bench.harness import BenchRealm, Servers, make_people, open_context, started_servers
from bench.measure import say
from quanheng.config import read_settings
from quanheng.keycloak.representation import SERVICE_ACCOUNT_PREFIX
from quanheng.operations.bridge_keys import initialise_bridge
from quanheng.operations.realm import RealmOptions, apply_realm

CARD: Final = "card"
PASSWORD: Final = "password"
CALLBACK: Final = "http://127.0.0.1/callback"
APP_LINK: Final = "https://card-app.invalid/scan?code={code}"
"""A page for a phone names the code in a link: so the bench knows which page has which."""
_BRIDGE_CORE: Final = "0"
_PROGRAM: Final = Path(sys.executable).parent / "quanheng"
_BRIDGE: Final = """
[bridge]
issuer = "{bridge}"
port = {port}
key_file = "keys/bridge.key"
region = "山西省忻州市"
app_link = "{app_link}"

[bridge.limits]
logins_per_minute = 100000
logins_per_minute_in_all = 100000
requests_per_minute = 10000000
streams_per_address = 100000

[bridge.platform]
url = "{simulator}/CSB/"
channel_no = "bench"
access_no = "bench"
access_key = "simulator"
system_name = "bench"
signing_key_file = "card-key"
encryption_key_file = "card-key"

[[bridge.clients]]
client_id = "{realm}"
redirect_uris = ["{keycloak}/realms/{realm}/broker/social-card/endpoint"]
jwks_url = "{keycloak}/realms/{realm}/protocol/openid-connect/certs"
name = "bench"
"""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Everything that runs."""

    servers: Servers
    bridge_url: str
    simulator_url: str
    bridge_pid: int
    simulator_pid: int
    people: tuple[str, ...]
    """Ids at the simulator."""
    passwords: Mapping[str, str]
    """Of some user names of the realm with the form."""

    @property
    def pids(self) -> Mapping[str, int]:
        """For :func:`bench.measure.measured`."""
        return {**self.servers.pids, "bridge": self.bridge_pid, "simulator": self.simulator_pid}

    @property
    def card_url(self) -> str:
        """The realm whose people log in by card."""
        return f"{self.servers.keycloak.url}/realms/{CARD}"

    @property
    def password_url(self) -> str:
        """The realm with Keycloak's own form."""
        return f"{self.servers.keycloak.url}/realms/{PASSWORD}"

    @property
    def broker_uri(self) -> str:
        """Where the bridge sends who logged in."""
        return f"{self.card_url}/broker/social-card/endpoint"

    def bridge_memory(self) -> int:
        """Resident bytes of the bridge."""
        fields = Path(f"/proc/{self.bridge_pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")

    async def set_autopilot(self, *, on: bool) -> None:
        """Whether everybody confirms at once."""
        async with (
            aiohttp.ClientSession() as session,
            session.put(f"{self.simulator_url}/control/autopilot", json={"on": on}) as answer,
        ):
            answer.raise_for_status()


@contextmanager
def started_stage(people: int) -> Iterator[Stage]:
    """Start everything; stop it and remove what it wrote in the end."""
    population = make_people(people)
    bridge_port, simulator_port = free_ports(2)
    bridge_url, simulator_url = (f"http://{HOST}:{port}" for port in (bridge_port, simulator_port))
    with started_servers(population) as servers:
        card, password = (BenchRealm(servers, name, population) for name in (CARD, PASSWORD))
        for realm in (card, password):
            realm.prepare(delegated=False)
            say(f"{realm.name}: {realm.run_sync()['changes']}")
        _connect_bridge(card, bridge_url, simulator_url)
        context = open_context(password.config_file)
        apply_realm(context, servers.administrator, RealmOptions(password_form=True))
        context.close()
        passwords = _set_passwords(password, 400)
        people_file = _write_people(card.folder, population)
        simulator = bridge = 0
        try:
            simulator = start_web_server(
                [
                    *("taskset", "-c", "1", _PROGRAM, "simulator", "--port", str(simulator_port)),
                    *("--people", people_file, "--signing-key-file", card.folder / "card-key"),
                    *("--encryption-key-file", card.folder / "card-key"),
                ],
                folder=card.folder,
                health_url=f"{simulator_url}/healthz",
                log_file=card.folder / "simulator.log",
            )
            bridge = start_web_server(
                ["taskset", "-c", _BRIDGE_CORE, _PROGRAM, "--config", card.config_file, "bridge", "serve"],
                folder=card.folder,
                health_url=f"{bridge_url}/healthz",
                log_file=card.folder / "bridge.log",
            )
            yield Stage(
                servers=servers,
                bridge_url=bridge_url,
                simulator_url=simulator_url,
                bridge_pid=bridge,
                simulator_pid=simulator,
                people=tuple(row.staff_no for row in _card_holders(population)),
                passwords=passwords,
            )
        finally:
            for pid in (bridge, simulator):
                if pid:
                    stop_web_server(pid, str(card.folder))


def _connect_bridge(realm: BenchRealm, bridge_url: str, simulator_url: str) -> None:
    key = realm.folder / "card-key"
    key.write_text(f"{secrets.token_hex(16)}\n")
    key.chmod(0o600)
    table = _BRIDGE.format(
        bridge=bridge_url,
        port=bridge_url.rpartition(":")[2],
        simulator=simulator_url,
        keycloak=realm.servers.keycloak.url,
        realm=realm.name,
        app_link=APP_LINK,
    )
    with realm.config_file.open("a", encoding="utf-8") as out:
        out.write(table)
    context = open_context(realm.config_file)
    bridge = read_settings(realm.config_file).bridge
    assert bridge is not None  # noqa: S101 -- for mypy: it was written right here
    initialise_bridge(bridge, context.database, context.clock)
    options = RealmOptions(social_card=True, social_card_issuer=bridge_url)
    apply_realm(context, realm.servers.administrator, options)
    context.close()


def _set_passwords(realm: BenchRealm, count: int) -> Mapping[str, str]:
    admin = realm.administrator
    found: dict[str, str] = {}
    for user in admin.get(admin.realm_path("/users"), max=str(count), enabled="true"):
        if user["username"].startswith(SERVICE_ACCOUNT_PREFIX):
            continue
        found[user["username"]] = password = secrets.token_urlsafe(12)
        body = {"type": "password", "value": password, "temporary": False}
        admin.request("PUT", admin.realm_path(f"/users/{user['id']}/reset-password"), json=body)
    return found


def _card_holders(population: Population) -> Sequence[SyntheticRow]:
    """People who log in, with documents of the commonest kind."""
    return [
        row
        for row in population.good
        if row.document_kind == "居民身份证" and row.staff_no in population.enabled
    ]


def _write_people(folder: Path, population: Population) -> Path:
    file = folder / "card-people.json"
    people = [
        {"id": row.staff_no, "name": row.name, "document_number": row.canonical_number}
        for row in _card_holders(population)
    ]
    file.write_text(json.dumps(people, ensure_ascii=False), encoding="utf-8")
    file.chmod(0o600)
    return file
