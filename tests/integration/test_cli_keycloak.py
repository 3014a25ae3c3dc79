"""The command line against a real Keycloak: from no realm at all to a synchronised county."""

from __future__ import annotations

import json
import sys
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from deploy.local.keycloak import RunningKeycloak

from fixtures.command_line import Desk

_numbers = count(1)
_ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 30
_NOT_SEALED = {"break-glass-1", "break-glass-2"}
"""Accounts for emergencies, which a note says nobody has made yet."""


class Console:
    """The master realm's administrator in the console, doing what nobody should."""

    def __init__(self, server: RunningKeycloak, realm: str) -> None:
        self._base = f"{server.url}/admin/realms/{realm}"
        self._server = server

    def request(self, method: str, path: str, **content: Any) -> Any:
        """One request with a fresh token."""
        token = requests.post(
            f"{self._server.url}/realms/master/protocol/openid-connect/token",
            data={
                "grant_type": "password",
                "client_id": "admin-cli",
                "username": self._server.admin_user,
                "password": self._server.admin_password,
            },
            timeout=_SECONDS,
        ).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.request(method, self._base + path, headers=headers, timeout=_SECONDS, **content)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def user(self, staff_no: str) -> dict[str, Any]:
        """The account of a staff number."""
        (user,) = self.request("GET", "/users", params={"q": f"staff_no:{staff_no}"})
        return dict(user)


@pytest.fixture
def server_desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], keycloak_server: RunningKeycloak) -> Desk:
    """A desk in front of the session's server, with keys and a realm of its own that is not there yet."""
    name = f"typed-{Path(tmp_path).parent.name[-8:].lower().replace('_', '-')}-{next(_numbers)}"
    desk = Desk(tmp_path / "desk", capsys, None, keycloak_server.url, name)
    password = desk.folder / "admin-password"
    password.write_text(keycloak_server.admin_password + "\n", encoding="utf-8")
    password.chmod(0o600)
    desk.generate_keys()
    return desk


def test_a_county_from_nothing_to_an_empty_plan(
    server_desk: Desk, keycloak_server: RunningKeycloak, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Realm, bootstrap, first load, approval by a person who logs in, tampering, repair: each as typed."""
    desk = server_desk
    console = Console(keycloak_server, desk.realm_name)
    admin = ["--admin-user", keycloak_server.admin_user, "--admin-password-file"]
    admin.append(str(desk.folder / "admin-password"))

    # Before there is a realm, the doctor says so.
    states = _states(desk)
    assert states["keycloak.token"] == "fail"

    assert desk.ask("realm", "apply", *admin, "--password-form", "--keep-open")["configurator_open"]
    assert desk.ask("realm", "apply", *admin, "--keep-open")["mended"] == []
    assert desk.bootstrap().code == 0
    first = desk.ask("sync")
    assert first["created"] > 0
    assert first["refused"] == []
    assert desk.ask("realm", "close", *admin)["changed"] is True
    states = _states(desk)
    assert {states[name] for name in ("keycloak.token", "keycloak.roles", "keycloak.configurator")} == {"ok"}
    assert states["keycloak.version"] == "ok"
    assert states["keycloak.themes"] == "ok"
    assert states["keycloak.password_form"] == "warn"
    assert states["keycloak.configuration"] == "ok"

    # The province's administrator logs in and approves; another county's reviewer could not.
    founder = console.user(desk.founders["system_admin"])
    person = {"username": founder["username"], "password": "Sunny-Day-2026"}
    credential = {"type": "password", "value": person["password"], "temporary": False}
    console.request("PUT", f"/users/{founder['id']}/reset-password", json=credential)
    (desk.folder / "person.json").write_text(json.dumps(person), encoding="utf-8")
    monkeypatch.setenv("QUANHENG_FORM_LOGIN", str(desk.folder / "person.json"))
    monkeypatch.setenv("PYTHONPATH", str(_ROOT))
    browser = f"{sys.executable} -m deploy.local.form_login"
    waiting = desk.ask("proposals")["proposals"]
    assert waiting
    refused = desk.type("approve", "--area", "140902", "--yes", "--open-with", "false")
    assert refused.code == 2
    approved = desk.ask("approve", *(item["key"][:12] for item in waiting), "--open-with", browser)
    assert approved["decided_by"] == founder["username"]
    assert desk.ask("proposals")["proposals"] == []
    granted = desk.ask("sync")
    # What was approved about an account is done already; posts come with the sync.
    assert granted["changed"] >= sum(item["kind"] == "guarded_post" for item in waiting)
    assert desk.ask("plan")["changes"] == 0

    # Somebody tampers in the console; check names each, sync repairs, a foreign user is left alone.
    assert desk.ask("check")["ok"] is True
    handler = next(row for row in desk.population.good if row.post_id == "operator" and row.hold is None)
    user = console.user(handler.staff_no)
    groups = console.request("GET", f"/users/{user['id']}/groups")
    console.request("DELETE", f"/users/{user['id']}/groups/{groups[0]['id']}")
    console.request("PUT", "", json={"accessTokenLifespan": 7200})
    console.request("POST", "/users", json={"username": "somebody-else", "enabled": True})
    found = desk.type("check", "--format", "json")
    assert found.code == 1
    assert {item["subject"] for item in found.report["differences"]} == {user["username"]}
    assert [gap["where"] for gap in found.report["configuration"]] == ["realm.accessTokenLifespan"]
    subjects = {item["subject"] for item in found.report["findings"]}
    # Duties that are withheld, as was approved above, are told as well.
    absent = {console.user(item["subject"])["username"] for item in waiting if item["kind"] == "withhold"}
    assert subjects - absent == {"somebody-else", *_NOT_SEALED}
    assert desk.type("realm", "status").code == 1
    assert desk.ask("sync")["changed"] == 1
    desk.ask("realm", "apply", *admin)
    assert desk.ask("check")["ok"] is True
    assert console.request("GET", "/users", params={"username": "somebody-else"})

    kinds = [json.loads(line)["kind"] for line in desk.type("ledger", "export").out.splitlines()]
    assert kinds[0] == "bootstrap"
    assert {"configurator_closed", "proposal_approved", "realm_configured"} <= set(kinds)


def test_a_guard_gets_its_rules(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    keycloak_server: RunningKeycloak,
    rules_key: Ed25519PrivateKey,
) -> None:
    """Applying the realm puts the pack's rules in force in the guard, once; a guard that does not know our
    key refuses them, and says why."""
    name = f"guarded-{next(_numbers)}-{Path(tmp_path).parent.name[-4:]}"
    desk = Desk(tmp_path / "desk", capsys, None, keycloak_server.url, name)
    password = desk.folder / "admin-password"
    password.write_text(keycloak_server.admin_password + "\n", encoding="utf-8")
    password.chmod(0o600)
    desk.generate_keys()
    admin = ["--admin-user", keycloak_server.admin_user, "--admin-password-file", str(password)]

    refused = desk.type("realm", "apply", *admin)
    assert refused.code == 5
    assert "the signature is not of a key that this server knows" in refused.err
    assert _states(desk)["guard.rules"] == "fail"

    (key,) = (desk.folder).rglob("quanheng-rules.pem")
    key.write_bytes(rules_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert desk.ask("realm", "apply", *admin)["rules"]["sequence"] == 2
    again = desk.ask("realm", "apply", *admin)
    assert (again["rules"], again["mended"]) == (None, [])
    states = _states(desk)
    assert {states[f"guard.{part}"] for part in ("version", "required", "rules")} == {"ok"}


def _states(desk: Desk) -> dict[str, str]:
    checks = desk.type("doctor", "--format", "json").report["checks"]
    return {check["id"]: check["state"] for check in checks}
