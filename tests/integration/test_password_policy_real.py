"""Passwords of 晋城 on a real Keycloak: what is refused, what expires, who waits, and what does not change.

Logins are direct grants at a client that is opened for them: Keycloak says there in one answer what a browser
is led through.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest
import requests

from fixtures.guard import raw
from fixtures.servers_keycloak import KeycloakRealm
from quanheng.keycloak.configuration import apply_configuration
from quanheng.operations.realm import compare_realm
from quanheng.policy.pack import find_pack, load_pack

NAME: Final = "clerk.of.gaoping"
GOOD: Final = "Kaoping-2026"
OTHERS: Final = ("Zezhou-2026a", "Yangcheng-26", "Lingchuan-26")
NOT_SET_UP: Final = "Account is not fully set up"


@dataclass
class Door:
    """A realm with somebody who has a password, and a client at which it is asked for."""

    realm: KeycloakRealm
    user: str

    def send(self, method: str, tail: str, body: Any = None) -> Any:
        """A request of the master realm's administrator."""
        admin = self.realm.admin()
        answer = admin.request(method, admin.realm_path(tail), json=body)
        return answer.json() if answer.content else None

    def set(self, password: str, *, temporary: bool = False) -> int:
        """Set the password as the console does; the status."""
        admin = self.realm.admin()
        body = {"type": "password", "value": password, "temporary": temporary}
        return raw(
            admin, "PUT", admin.realm_path(f"/users/{self.user}/reset-password"), json=body
        ).status_code

    def log_in(self, password: str) -> str:
        """Log in; empty when it went well, else what Keycloak says."""
        answer = requests.post(
            f"{self.realm.server.url}/realms/{self.realm.name}/protocol/openid-connect/token",
            data={"grant_type": "password", "client_id": "door", "username": NAME, "password": password},
            timeout=30,
        )
        return "" if answer.ok else str(answer.json()["error_description"])

    def expire(self) -> None:
        """Everybody's password is too old from now on."""
        found = self.send("GET", "")
        policy = found["passwordPolicy"].replace(
            "forceExpiredPasswordChange(90)", "forceExpiredPasswordChange(0)"
        )
        assert policy != found["passwordPolicy"]
        self.send("PUT", "", found | {"passwordPolicy": policy})


@pytest.fixture
def make_door(make_keycloak_realm: Callable[..., KeycloakRealm]) -> Callable[..., Door]:
    """Makes realms with the rules of 晋城."""
    passwords = load_pack(find_pack("jincheng")).lifecycle.passwords

    def make(**choices: Any) -> Door:
        realm = make_keycloak_realm(passwords=passwords, **choices)
        door = Door(realm, "")
        door.send("POST", "/users", {"username": NAME, "enabled": True})
        door.user = door.send("GET", f"/users?username={NAME}&exact=true")[0]["id"]
        flows = {item["alias"]: item["id"] for item in door.send("GET", "/authentication/flows")}
        client = {
            "clientId": "door",
            "publicClient": True,
            "directAccessGrantsEnabled": True,
            "authenticationFlowBindingOverrides": {"direct_grant": flows["direct grant"]},
        }
        door.send("POST", "/clients", client)
        return door

    return make


def test_where_people_log_in_by_password(make_door: Callable[..., Door]) -> None:
    """Length, signs, history; the initial one, and one that is too old, has to be changed first; five wrong
    ones in a row and the account waits."""
    door = make_door(password_form=True)
    refused = ("Kao-2026", "kaoping-2026", "KAOPING-2026", "Kaoping-abcd", "Kaoping20266", NAME)
    assert {password: door.set(password) for password in refused} == dict.fromkeys(refused, 400)
    assert door.set(GOOD, temporary=True) == 204
    assert door.log_in(GOOD) == NOT_SET_UP
    assert door.set(OTHERS[0]) == 204
    assert [door.set(password) for password in (OTHERS[0], GOOD)] == [400, 400]
    assert door.log_in(OTHERS[0]) == ""

    door.expire()
    assert door.log_in(OTHERS[0]) == NOT_SET_UP
    apply_configuration(door.realm.admin(), door.realm.desired)
    door.send("PUT", f"/users/{door.user}", door.send("GET", f"/users/{door.user}") | {"requiredActions": []})
    assert door.log_in(OTHERS[0]) == ""

    assert {door.log_in("wrong") for _ in range(5)} == {"Invalid user credentials"}
    assert door.log_in(OTHERS[0]) == "Invalid user credentials"
    door.send("DELETE", f"/attack-detection/brute-force/users/{door.user}")
    assert door.log_in(OTHERS[0]) == ""


def test_where_nobody_does(make_door: Callable[..., Door]) -> None:
    """Only the sealed accounts have a password then: what may be set is ruled in the same way, but nothing
    expires, since an envelope has to open years later, and nobody is led into changing one."""
    door = make_door()
    assert door.set("Kao-2026") == 400
    assert door.set(GOOD) == 204
    door.expire()
    assert door.log_in(GOOD) == ""


def test_drift(make_door: Callable[..., Door]) -> None:
    """Weakened in the console: a difference, and put right."""
    door = make_door(password_form=True)
    admin = door.realm.admin()
    assert compare_realm(admin, door.realm.desired).ours == ()
    door.send("PUT", "", door.send("GET", "") | {"passwordPolicy": "length(6)", "failureFactor": 30})
    action = door.send("GET", "/authentication/required-actions/UPDATE_PASSWORD")
    door.send("PUT", "/authentication/required-actions/UPDATE_PASSWORD", action | {"enabled": False})
    found = {gap.where for gap in compare_realm(admin, door.realm.desired).ours}
    assert found == {
        "realm.passwordPolicy",
        "realm.failureFactor",
        "required-actions.UPDATE_PASSWORD.enabled",
    }
    apply_configuration(admin, door.realm.desired)
    assert compare_realm(admin, door.realm.desired).ours == ()
