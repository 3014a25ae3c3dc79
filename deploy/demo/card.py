"""Login by card in the demo: the simulator of the card platform, the bridge, and a subsystem to log in to."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fixtures.people import Population, SyntheticRow

from deploy.demo.commands import PROGRAM
from deploy.demo.configuration import BRIDGE_KEY, REALM
from deploy.demo.folder import DemoFolder
from deploy.local.ports import HOST, free_port, is_free
from deploy.local.web import answers, is_running, start_web_server, stop_web_server
from deploy.subsystem.connect import connect_subsystem, make_key
from quanheng.identity.documents import DocumentError, canonical_document
from quanheng.keycloak.connection import Connection
from quanheng.model.ids import OrgCode
from quanheng.model.staff import DocumentKind
from quanheng.policy.pack import load_packs

SUBSYSTEM: Final = "jiujinban"
"""The subsystem of the pack that the demo connects, as its operator would."""
_STATE: Final = "web.json"
_PREFERRED: Final = {"bridge": 8446, "simulator": 8447, "subsystem": 8448}
_CHECKOUT: Final = Path(__file__).resolve().parents[2]
_PEOPLE: Final = "card-people.json"
_SUBSYSTEM_FILE: Final = "subsystem.json"
_SUBSYSTEM_KEY: Final = "subsystem-key.pem"


@dataclass(frozen=True, slots=True, kw_only=True)
class CardPorts:
    """Where the three servers listen; they keep their ports while those are free."""

    bridge: int
    simulator: int
    subsystem: int

    def url(self, name: str) -> str:
        """Address of one of them."""
        return f"http://{HOST}:{getattr(self, name)}"


def choose_ports(folder: DemoFolder) -> CardPorts:
    """The ports of the last demo, or preferred ones, or any."""
    known = folder.read(_STATE)
    chosen: dict[str, int] = {}
    for name, preferred in _PREFERRED.items():
        entry = known.get(name, {})
        port = int(entry.get("port", preferred))
        ours = bool(entry) and is_running(int(entry["pid"]), _mark(folder, name))
        chosen[name] = port if ours or is_free(port) else free_port()
    return CardPorts(**chosen)


def write_platform_keys(folder: DemoFolder) -> None:
    """The secrets that bridge and simulator share, made once."""
    for name in ("card-signing", "card-encryption"):
        if not (folder.root / name).exists():
            folder.write_text(name, f"{secrets.token_hex(16)}\n")


def write_people(folder: DemoFolder, population: Population) -> None:
    """People with their cards for the simulator: everybody whom the sources name rightly."""
    names = {unit.code: unit.name for unit in population.units}
    kinds = load_packs([REALM]).sources.document_kinds
    people = {
        row.staff_no: person
        for row in population.good
        if (person := _person(row, names, kinds.get(row.document_kind))) is not None
    }
    text = json.dumps(list(people.values()), ensure_ascii=False) + "\n"
    file = folder.root / _PEOPLE
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        folder.write_text(_PEOPLE, text)
        stop_card_server(folder, "simulator")  # it has read the ones before


def _person(
    row: SyntheticRow, names: Mapping[OrgCode, str], kind: DocumentKind | None
) -> dict[str, str] | None:
    if kind not in (DocumentKind.RESIDENT_ID, DocumentKind.PASSPORT):
        return None
    try:
        number = canonical_document(kind, row.canonical_number).number.reveal()
    except DocumentError:
        return None
    area = names.get(OrgCode(row.org[:6]), names.get(OrgCode(row.org[:4]), "山西省"))
    state = "" if row.hold is None else f"（{row.status}）"
    return {
        "id": row.staff_no,
        "name": row.name,
        "document_number": number,
        "document_kind": kind.value,
        "region": f"{row.org[:6]:0<6}",
        "label": f"{area} {row.post}{state}",
    }


def start_simulator(folder: DemoFolder, ports: CardPorts) -> None:
    """The card platform, unless it runs."""
    command: list[str | Path] = [
        *(PROGRAM, "simulator", "--port", str(ports.simulator)),
        *("--people", folder.root / _PEOPLE, "--with-odd-people"),
        *("--signing-key-file", folder.root / "card-signing"),
        *("--encryption-key-file", folder.root / "card-encryption"),
    ]
    _start(folder, "simulator", command, ports.simulator, "/healthz")


def start_bridge(folder: DemoFolder, ports: CardPorts) -> None:
    """The bridge, unless it runs."""
    command: list[str | Path] = [PROGRAM, "--config", folder.config, "bridge", "serve"]
    _start(folder, "bridge", command, ports.bridge, "/healthz")


def start_subsystem(
    folder: DemoFolder, ports: CardPorts, keycloak_url: str, administrator: Connection
) -> None:
    """A subsystem, connected to the realm as its operator would do it, unless it runs."""
    key = folder.root / _SUBSYSTEM_KEY
    public = make_key(key)
    url = ports.url("subsystem")
    connect_subsystem(administrator, REALM, SUBSYSTEM, url, public)
    folder.write(
        _SUBSYSTEM_FILE,
        {
            "host": HOST,
            "port": ports.subsystem,
            "issuer": f"{keycloak_url}/realms/{REALM}",
            "client_id": SUBSYSTEM,
            "key_file": str(key),
            "public_url": url,
            "name": "就业社保服务信息系统（演示）",
            "permissions": {
                item.id: item.label
                for subsystem in load_packs([REALM]).permissions.subsystems
                if subsystem.id == SUBSYSTEM
                for item in subsystem.permissions
            },
            "simulator_url": ports.url("simulator"),
        },
    )
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "deploy.subsystem",
        "--config",
        folder.root / _SUBSYSTEM_FILE,
    ]
    _start(folder, "subsystem", command, ports.subsystem, "/healthz")


def needs_bridge_key(folder: DemoFolder) -> bool:
    """Whether the bridge has no key yet."""
    return not (folder.root / BRIDGE_KEY).exists()


def stop_card_servers(folder: DemoFolder) -> bool:
    """Stop all three; tells whether one ran."""
    ran = [stop_card_server(folder, name) for name in _PREFERRED]
    return any(ran)


def stop_card_server(folder: DemoFolder, name: str) -> bool:
    """Stop one; tells whether it ran."""
    entry: dict[str, int] = folder.read(_STATE).get(name) or {}
    return bool(entry) and stop_web_server(entry["pid"], _mark(folder, name))


def _start(folder: DemoFolder, name: str, command: list[str | Path], port: int, health: str) -> None:
    known = folder.read(_STATE)
    entry, url = known.get(name), f"http://{HOST}:{port}"
    if entry and is_running(int(entry["pid"]), _mark(folder, name)):
        if entry["port"] == port and answers(url + health):
            return
        stop_card_server(folder, name)
    pid = start_web_server(
        command,
        folder=folder.root,
        health_url=url + health,
        log_file=folder.root / f"{name}.log",
        environment={"PYTHONPATH": str(_CHECKOUT)},
    )
    folder.write(_STATE, {**known, name: {"pid": pid, "port": port}})


def _mark(folder: DemoFolder, name: str) -> str:
    """What the command line of a server of this folder has, and nobody else's."""
    files = {"bridge": folder.config, "simulator": folder.root / _PEOPLE}
    return str(files.get(name, folder.root / _SUBSYSTEM_FILE))
