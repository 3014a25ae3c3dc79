"""On a real server: what a look repairs ends the sessions concerned; what is changed of settings is told."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fixtures.guard import PASSWORD
from fixtures.watched_realm import CHIEF, HANDLER, OFFICE, ROLE, WHO, WatchedRealm

Make = Callable[[str, Ed25519PrivateKey], WatchedRealm]
PORTAL: Final = "portal"
_SECONDS: Final = 30


@pytest.fixture(scope="module")
def make_with_portal(make_watched: Make) -> Make:
    """The same, with a client that is opened for passwords as none of ours is."""

    def make(name: str, key: Ed25519PrivateKey) -> WatchedRealm:
        watched = make_watched(name, key)
        watched.open_for_passwords(PORTAL, watched.ids[WHO], watched.ids[CHIEF])
        watched.admin.send("POST", "/roles", {"name": "harmless"})
        watched.look_until_quiet()
        return watched

    return make


@pytest.fixture(scope="module")
def unguarded(make_with_portal: Callable[..., WatchedRealm]) -> WatchedRealm:
    """A realm that the guard does not guard."""
    return make_with_portal("test-sessions", Ed25519PrivateKey.generate())


@pytest.fixture(scope="module")
def guarded(make_with_portal: Callable[..., WatchedRealm], rules_key: Ed25519PrivateKey) -> WatchedRealm:
    """A realm that the guard guards."""
    return make_with_portal("guarded-sessions", rules_key)


@dataclass
class Session:
    """Somebody who has logged in to a bureau's own client."""

    base: str
    tokens: dict[str, Any]

    @property
    def works(self) -> bool:
        """Whether the server still honours its tokens: both the one in hand, and the one for a new one."""
        bearer = {"Authorization": f"Bearer {self.tokens['access_token']}"}
        now = requests.get(f"{self.base}/userinfo", headers=bearer, timeout=_SECONDS)
        question = {"grant_type": "refresh_token", "client_id": PORTAL}
        again = requests.post(
            f"{self.base}/token",
            data={**question, "refresh_token": self.tokens["refresh_token"]},
            timeout=_SECONDS,
        )
        assert now.ok == again.ok
        if again.ok:
            self.tokens = again.json()
        return now.ok


def log_in(watched: WatchedRealm, who: str) -> Session:
    """Log somebody in, by password."""
    base = f"{watched.server.url}/realms/{watched.world.settings.keycloak.realm}/protocol/openid-connect"
    person = {"username": str(watched.world.user(who).username), "password": PASSWORD}
    question = {"grant_type": "password", "client_id": PORTAL, "scope": "openid"}
    answer = requests.post(f"{base}/token", data={**question, **person}, timeout=_SECONDS)
    answer.raise_for_status()
    return Session(base, answer.json())


def into_group(watched: WatchedRealm) -> None:
    """A harmless role put into the group of a duty."""
    watched.admin.send(
        "POST", f"/groups/{watched.ids[HANDLER]}/role-mappings/realm", [watched.role("harmless")]
    )


def below_another(watched: WatchedRealm) -> None:
    """The group of a duty moved below another that gives a role: its members inherit it."""
    body = {"id": watched.ids[HANDLER], "name": "经办人员"}
    watched.admin.send("POST", f"/groups/{watched.ids[OFFICE]}/children", body)


def into_composite(watched: WatchedRealm) -> None:
    """A role put into the one of a post."""
    path = f"/roles-by-id/{watched.role('post-handler')['id']}/composites"
    watched.admin.send("POST", path, [watched.role()])


WAYS: Final = ((into_group, "unguarded"), (below_another, "unguarded"), (into_composite, "guarded"))
"""Ways, each with a realm where nothing keeps anybody from it."""


@pytest.mark.parametrize(("way", "realm"), WAYS, ids=lambda item: getattr(item, "__name__", item))
def test_sessions_of_those_concerned_end(
    way: Callable[[WatchedRealm], None], realm: str, request: pytest.FixtureRequest
) -> None:
    """Whoever had the power through it has to log in again; nobody else has."""
    watched: WatchedRealm = request.getfixturevalue(realm)
    before, other = log_in(watched, WHO), log_in(watched, CHIEF)
    with watched.past_the_guard() if realm == "guarded" else nullcontext():
        way(watched)
    concerned = log_in(watched, WHO)
    assert before.works
    assert concerned.works
    assert other.works
    watched.look()
    assert (before.works, concerned.works, other.works) == (False, False, True)
    watched.assert_right()
    assert log_in(watched, WHO).works
    watched.look_until_quiet()


def test_a_mapper_ends_every_session(guarded: WatchedRealm) -> None:
    """What it wrote may be in anybody's tokens: all are void, and our own client goes on by itself."""
    watched = guarded
    sessions = (log_in(watched, WHO), log_in(watched, CHIEF))
    mapper = {
        "name": "granting",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-hardcoded-role-mapper",
        "config": {"role": ROLE},
    }
    with watched.past_the_guard():
        watched.admin.send("POST", f"/clients/{watched.client(PORTAL)}/protocol-mappers/models", mapper)
    assert all(session.works for session in sessions)
    watched.look()
    assert not any(session.works for session in sessions)
    assert watched.bodies("cause_restored")[-1]["sessions"] == "everybody"
    watched.assert_right()
    watched.look_until_quiet()


# Settings


def _flow(watched: WatchedRealm) -> str:
    """A step taken out of the flow that denies."""
    steps = watched.admin.get("/authentication/flows/quanheng-deny/executions")
    watched.admin.send("DELETE", f"/authentication/executions/{steps[0]['id']}")
    return "flows.quanheng-deny"


def _events(watched: WatchedRealm) -> str:
    """Admin events that are kept for a minute."""
    return _realm(watched, "attributes", {"adminEventsExpiration": "60"}, "attributes.adminEventsExpiration")


def _login(watched: WatchedRealm) -> str:
    """The flow of Keycloak's own, with its password form."""
    return _realm(watched, "browserFlow", "browser", "browserFlow")


def _realm(watched: WatchedRealm, key: str, value: Any, where: str) -> str:
    found = watched.admin.get("")
    found[key] = {**found[key], **value} if isinstance(value, dict) else value
    watched.admin.send("PUT", "", found)
    return f"realm.{where}"


def _card(watched: WatchedRealm) -> str:
    """The card's provider pointed to a thief's."""
    path = "/identity-provider/instances/social-card"
    found = watched.admin.get(path)
    found["config"]["tokenUrl"] = "https://thief.invalid/token"
    watched.admin.send("PUT", path, found)
    return "identity-providers.social-card.config.tokenUrl"


def _override(watched: WatchedRealm) -> str:
    """A flow of its own for the client by which people approve: by one that asks for a user name alone,
    anybody would approve as anybody."""
    flows = {flow["alias"]: flow["id"] for flow in watched.admin.get("/authentication/flows")}
    path = f"/clients/{watched.client('quanheng-cli')}"
    body = {**watched.admin.get(path), "authenticationFlowBindingOverrides": {"browser": flows["browser"]}}
    watched.admin.send("PUT", path, body)
    return "clients.quanheng-cli.authenticationFlowBindingOverrides.browser"


TAMPERINGS = [_flow, _events, _login, _card, _override]


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda tamper: tamper.__name__[1:])
def test_settings_are_told(unguarded: WatchedRealm, tamper: Callable[[WatchedRealm], str]) -> None:
    """One look names what was changed and by whom, the next ones say nothing, and applying mends it."""
    watched = unguarded
    watched.apply_realm()
    watched.look_until_quiet()
    told = len(watched.bodies("configuration_changed"))
    master = watched.another_administrator()
    actor = master.get("admin/realms/master/users", username=watched.server.admin_user)[0]["id"]
    master.close()
    where = tamper(watched)
    for _ in range(3):
        watched.look()
    (entry,) = watched.bodies("configuration_changed")[told:]
    assert (entry["where"], entry["actors"]) == ([where], [actor])
    watched.apply_realm()
    watched.assert_right()
    watched.look_until_quiet()
    assert len(watched.bodies("configuration_changed")) == told + 1
