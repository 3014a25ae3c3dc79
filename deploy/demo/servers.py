"""Keycloak and slapd of the demo: started when they do not run, found again when they do, stopped."""

from __future__ import annotations

import json
import socket
import urllib.request
from pathlib import Path

from deploy.demo.card import stop_card_servers
from deploy.demo.configuration import REALM
from deploy.demo.folder import DemoFolder
from deploy.local.guard import GuardOptions
from deploy.local.keycloak import RunningKeycloak, start_keycloak, stop_keycloak
from deploy.local.slapd import RunningSlapd, start_slapd, stop_folder
from quanheng.identity.rules_key import PUBLIC as PUBLIC_KEY

_STATE = "servers.json"
_PREFERRED_PORT = 8080


def start_demo_keycloak(folder: DemoFolder) -> tuple[RunningKeycloak, bool]:
    """The demo's Keycloak and whether it had to be started. It keeps its port while that is free."""
    known = folder.read(_STATE)
    if known and _is_ours(folder, known["pid"]) and _is_ready(known["management_url"]):
        admin = folder.read("keycloak/admin.json")
        return RunningKeycloak(**known, admin_user=admin["user"], admin_password=admin["password"]), False
    if known and _is_ours(folder, known["pid"]):
        stop_keycloak(known["pid"])  # it hangs, and two servers cannot share one embedded database
    port = int(known["url"].rpartition(":")[2]) if known else _PREFERRED_PORT
    # The server reads the key when rules come, so it may be made after the start.
    guard = GuardOptions(public_keys=(folder.keys / PUBLIC_KEY,), required_realms=(REALM,))
    server = start_keycloak(folder.keycloak, http_port=port if _is_free(port) else None, guard=guard)
    folder.write(_STATE, {"pid": server.pid, "url": server.url, "management_url": server.management_url})
    return server, True


def start_demo_slapd(folder: DemoFolder) -> RunningSlapd:
    """The demo's directory, with the content that was issued last."""
    return start_slapd(folder.slapd, folder.ldif)


def stop_servers(folder: DemoFolder) -> bool:
    """Stop what the demo started, and nothing else; tells whether something ran."""
    known = folder.read(_STATE)
    ran = bool(known) and _is_ours(folder, known["pid"])
    if ran:
        stop_keycloak(known["pid"])
    if folder.slapd.is_dir():
        stop_folder(folder.slapd)
    return stop_card_servers(folder) or ran


def _is_ours(folder: DemoFolder, pid: int) -> bool:
    """Whether this process is the Keycloak of this folder: its number may be another's by now."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return str(folder.keycloak.resolve()).encode() in command


def _is_ready(management_url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{management_url}/health/ready", timeout=5) as answer:  # noqa: S310 - loopback
            return bool(json.load(answer)["status"] == "UP")
    except (OSError, ValueError):  # nobody there, or somebody else
        return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
