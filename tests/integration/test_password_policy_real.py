"""Passwords of 晋城 on a real Keycloak: what is refused, what expires, who waits, and what does not change.

Logins are direct grants at a client that is opened for them: Keycloak says there in one answer what a browser
is led through. The sealed account goes by its own flow, in a browser.
"""

from __future__ import annotations

import base64
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from deploy.local.form_login import OTP_FORM, FormBrowser, Page
from deploy.local.keycloak import RunningKeycloak

from fixtures.glass_browser import console_login, left_for, one_time_password
from fixtures.guard import raw
from fixtures.servers_keycloak import KeycloakRealm, describe_realm
from quanheng.keycloak.configuration import apply_configuration
from quanheng.keycloak.connection import Connection
from quanheng.keycloak.glass import GlassAccounts
from quanheng.model.ids import Username
from quanheng.model.sensitive import Sensitive
from quanheng.operations.glass.sealing import _new_password
from quanheng.operations.realm import compare_realm
from quanheng.policy.pack import find_pack, load_pack

NAME: Final = "clerk.of.gaoping"
GOOD: Final = "Kaoping-2026"
OTHERS: Final = ("Zezhou-2026a", "Yangcheng-26", "Lingchuan-26")
NOT_SET_UP: Final = "Account is not fully set up"
_SECONDS: Final = 10
_PAUSE: Final = 0.05
_A_SECOND: Final = 1.1
"""Keycloak's clock for the age of a password has whole seconds: one of this second is never too old."""
PASSWORDS: Final = load_pack(find_pack("jincheng")).lifecycle.passwords


@dataclass
class Door:
    """A realm with somebody who has a password, and a client at which it is asked for."""

    realm: KeycloakRealm
    admin: Connection
    user: str = ""

    def send(self, method: str, tail: str, body: Any = None) -> Any:
        """A request of the master realm's administrator."""
        answer = self.admin.request(method, self.admin.realm_path(tail), json=body)
        return answer.json() if answer.content else None

    def set(self, password: str, *, temporary: bool = False) -> int:
        """Set the password as the console does; the status."""
        path = self.admin.realm_path(f"/users/{self.user}/reset-password")
        body = {"type": "password", "value": password, "temporary": temporary}
        return raw(self.admin, "PUT", path, json=body).status_code

    def log_in(self, password: str) -> str:
        """Log in; empty when it went well, else what Keycloak says."""
        answer = requests.post(
            f"{self.realm.server.url}/realms/{self.realm.name}/protocol/openid-connect/token",
            data={"grant_type": "password", "client_id": "door", "username": NAME, "password": password},
            timeout=30,
        )
        return "" if answer.ok else str(answer.json()["error_description"])

    def locked_after_a_wrong_one(self) -> bool:
        """Log in with a wrong password; whether the account waits now. Keycloak counts a little later."""
        path = f"/attack-detection/brute-force/users/{self.user}"
        before = self.send("GET", path)["numFailures"]
        assert self.log_in("wrong") == "Invalid user credentials"
        end = time.monotonic() + _SECONDS
        while (now := self.send("GET", path))["numFailures"] == before and time.monotonic() < end:
            time.sleep(_PAUSE)
        return bool(now["disabled"])

    def apply(self, *, password_form: bool) -> None:
        """Set the realm right, with the form or without."""
        choices = {"passwords": PASSWORDS, "password_form": password_form}
        self.realm.desired = describe_realm(
            self.realm.server, self.realm.keys, self.realm.name, choices
        ).desired
        apply_configuration(self.admin, self.realm.desired)

    def found(self) -> set[str]:
        """Where the realm differs, as ``check`` and ``realm status`` compare it."""
        return {gap.where for gap in compare_realm(self.admin, self.realm.desired).ours}

    def expire(self) -> None:
        """Everybody's password is too old from now on."""
        found = self.send("GET", "")
        policy = found["passwordPolicy"].replace(
            "forceExpiredPasswordChange(90)", "forceExpiredPasswordChange(0)"
        )
        assert policy != found["passwordPolicy"]
        self.send("PUT", "", found | {"passwordPolicy": policy})
        time.sleep(_A_SECOND)


@pytest.fixture(scope="module")
def realm(
    keycloak_server: RunningKeycloak, keycloak_keys: dict[str, ec.EllipticCurvePrivateKey]
) -> Iterator[KeycloakRealm]:
    """One realm with the rules of 晋城 for the module, as a pack alone has it: nobody logs in by password."""
    name = f"test-passwords{os.environ.get('PYTEST_XDIST_WORKER', '')}"
    realm = describe_realm(keycloak_server, keycloak_keys, name, {"passwords": PASSWORDS})
    apply_configuration(realm.admin(), realm.desired)
    yield realm
    realm.close()


@pytest.fixture
def door(realm: KeycloakRealm) -> Door:
    """The realm set right, with nobody in it but one."""
    door = Door(realm, realm.admin())
    door.apply(password_form=False)
    for user in door.send("GET", "/users"):
        door.send("DELETE", f"/users/{user['id']}")
    door.send("POST", "/users", {"username": NAME, "enabled": True})
    door.user = door.send("GET", f"/users?username={NAME}&exact=true")[0]["id"]
    if not door.send("GET", "/clients?clientId=door"):
        flows = {item["alias"]: item["id"] for item in door.send("GET", "/authentication/flows")}
        client = {
            "clientId": "door",
            "publicClient": True,
            "directAccessGrantsEnabled": True,
            "authenticationFlowBindingOverrides": {"direct_grant": flows["direct grant"]},
        }
        door.send("POST", "/clients", client)
    return door


def test_where_people_log_in_by_password(door: Door) -> None:
    """Length, signs, history; the initial one, and one that is too old, has to be changed first; five wrong
    ones in a row and the account waits."""
    door.apply(password_form=True)
    refused = ("Kao-2026", "kaoping-2026", "KAOPING-2026", "Kaoping-abcd", "Kaoping20266", NAME)
    assert {password: door.set(password) for password in refused} == dict.fromkeys(refused, 400)
    assert door.set(GOOD, temporary=True) == 204
    assert door.log_in(GOOD) == NOT_SET_UP
    assert [door.set(password) for password in OTHERS] == [204, 204, 204]
    assert [door.set(password) for password in OTHERS] == [400, 400, 400]
    assert door.log_in(OTHERS[-1]) == ""

    door.expire()
    assert door.log_in(OTHERS[-1]) == NOT_SET_UP
    door.apply(password_form=True)
    door.send("PUT", f"/users/{door.user}", door.send("GET", f"/users/{door.user}") | {"requiredActions": []})
    assert door.log_in(OTHERS[-1]) == ""

    # Else two within a second would lock it, whatever is said of five.
    door.send("PUT", "", door.send("GET", "") | {"quickLoginCheckMilliSeconds": 0})
    assert [door.locked_after_a_wrong_one() for _ in range(5)] == [False, False, False, False, True]
    assert door.log_in(OTHERS[-1]) == "Invalid user credentials"
    door.send("DELETE", f"/attack-detection/brute-force/users/{door.user}")
    assert door.log_in(OTHERS[-1]) == ""


def test_a_lasting_one_that_somebody_sets(door: Door) -> None:
    """Keycloak asks for no other then, and would not for a new account's either: what is left is that it is
    told who set it. That every new account would be asked for one is a difference."""
    door.apply(password_form=True)
    path = "/authentication/required-actions/UPDATE_PASSWORD"
    door.send("PUT", path, door.send("GET", path) | {"defaultAction": True})
    assert door.found() == {"required-actions.UPDATE_PASSWORD.defaultAction"}
    door.send("DELETE", f"/users/{door.user}")
    door.send("POST", "/users", {"username": NAME, "enabled": True})
    made = door.send("GET", f"/users?username={NAME}&exact=true")[0]
    assert made["requiredActions"] == ["UPDATE_PASSWORD"]
    door.user = made["id"]
    assert door.set(GOOD, temporary=False) == 204
    assert door.log_in(GOOD) == ""


def test_where_nobody_does(door: Door) -> None:
    """Only the sealed accounts have a password then: what may be set is ruled in the same way, but nothing
    expires, and nobody is led into changing one. Nor does a pack open the form."""
    assert door.set("Kao-2026") == 400
    assert door.set(GOOD) == 204
    door.expire()
    assert door.log_in(GOOD) == ""
    with FormBrowser() as browser:
        asked = browser.open(console_login(door.realm.server.url, door.realm.name))
    assert asked.form is None


def test_an_envelope_that_is_too_old(door: Door) -> None:
    """By its own flow, in a browser: the password drawn for it is taken, and opens years later. Where people
    log in by password, in a demo, another one is asked for first."""
    glass, otp = GlassAccounts(door.admin), base64.b32encode(secrets.token_bytes(20)).decode()
    account, password = glass.make(Username("break-glass-1"), "应急账号 1"), _new_password(PASSWORDS)
    glass.arm(account, password, Sensitive(otp))
    glass.empower(account)
    door.expire()

    def open_envelope(*, ahead: int) -> Page:
        with FormBrowser() as browser:
            asked = browser.fill_in(
                browser.open(glass.address()), username="break-glass-1", password=password.reveal()
            )
            assert asked.form == OTP_FORM
            return browser.fill_in(asked, otp=one_time_password(otp, ahead=ahead))

    assert "code" in left_for(open_envelope(ahead=0))
    door.apply(password_form=True)
    door.expire()
    led = open_envelope(ahead=1)
    assert "code" not in left_for(led)
    assert "UPDATE_PASSWORD" in led.url


def test_drift(door: Door) -> None:
    """Weakened in the console, or something put beside it: a difference, and put right. Saved there as it is:
    none, though the console writes it in another way."""
    door.apply(password_form=True)
    assert door.found() == set()
    there = door.send("GET", "")
    rules = there["passwordPolicy"].split(" and ")
    turned = " and ".join(reversed(rules)).replace("notUsername", "notUsername(undefined)")
    door.send("PUT", "", there | {"passwordPolicy": turned})
    assert door.found() == set()
    door.send("PUT", "", there | {"passwordPolicy": f"{turned} and maxLength(12)"})
    assert door.found() == {"realm.passwordPolicy"}

    door.send("PUT", "", there | {"passwordPolicy": "length(6)", "failureFactor": 30})
    action = door.send("GET", "/authentication/required-actions/UPDATE_PASSWORD")
    door.send("PUT", "/authentication/required-actions/UPDATE_PASSWORD", action | {"enabled": False})
    assert door.found() == {
        "realm.passwordPolicy",
        "realm.failureFactor",
        "required-actions.UPDATE_PASSWORD.enabled",
    }
    door.apply(password_form=True)
    assert door.found() == set()
    assert door.send("GET", "")["passwordPolicy"] == there["passwordPolicy"]
