"""A person proves who it is, through the real login form and a port of this machine."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from deploy.local.form_login import FormLoginError, log_in

from fixtures.servers_keycloak import KeycloakRealm
from quanheng.errors import ConfigurationError
from quanheng.keycloak.login import LoginRefusedError, authenticate_person
from quanheng.model.ids import KeycloakId, Username
from quanheng.model.realm import NewUser

PASSWORD = "Long-enough-1"


def add_person(realm: KeycloakRealm, *, enabled: bool = True) -> KeycloakId:
    """A person with a password."""
    user = realm.rest().create_user(
        NewUser(
            username=Username("sx0000001"),
            enabled=enabled,
            name="张三",
            attributes={},
            groups=(),
            identities=frozenset(),
        )
    )
    admin = realm.admin()
    path = admin.realm_path(f"/users/{user}/reset-password")
    admin.request("PUT", path, json={"type": "password", "value": PASSWORD, "temporary": False})
    return user


@pytest.fixture
def realm_with_form(make_keycloak_realm: Callable[..., KeycloakRealm]) -> KeycloakRealm:
    """A realm with the password form of demos and tests."""
    return make_keycloak_realm(password_form=True)


def test_person_logs_in(realm_with_form: KeycloakRealm) -> None:
    """Whoever fills in the form is known by name and id, on whatever port is free."""
    user = add_person(realm_with_form)

    person = authenticate_person(
        realm_with_form.server.url,
        realm_with_form.name,
        lambda url: log_in(url, "sx0000001", PASSWORD),
        timeout_seconds=30,
    )

    assert (person.username, person.subject, person.name) == ("sx0000001", user, "张三")


def test_wrong_password(realm_with_form: KeycloakRealm) -> None:
    """A wrong password proves nothing, and who is disabled does not get in."""
    add_person(realm_with_form, enabled=False)

    def play(url: str) -> None:
        for password in ("wrong", PASSWORD):
            with pytest.raises(FormLoginError):
                log_in(url, "sx0000001", password)

    with pytest.raises(LoginRefusedError):
        authenticate_person(realm_with_form.server.url, realm_with_form.name, play, timeout_seconds=0.2)


def test_no_form_without_the_switch(keycloak_realm: KeycloakRealm) -> None:
    """Without the switch there is no form to fill in, though the person has a password."""
    add_person(keycloak_realm)

    def play(url: str) -> None:
        with pytest.raises(FormLoginError):
            log_in(url, "sx0000001", PASSWORD)

    with pytest.raises(LoginRefusedError):
        authenticate_person(keycloak_realm.server.url, keycloak_realm.name, play, timeout_seconds=0.2)


def test_forged_answers(keycloak_realm: KeycloakRealm) -> None:
    """An answer with another state is turned away and changes nothing; a made-up code proves nothing."""

    def forge(url: str) -> None:
        question = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        back = question["redirect_uri"]
        for forged in ({"code": "x", "state": "other"}, {"code": "x"}, {}):
            answer = requests.get(f"{back}?{urlencode(forged)}", timeout=10)
            assert answer.status_code == 404
        assert requests.get(back.replace("/callback", "/"), timeout=10).status_code == 404
        genuine = {"code": "made-up", "state": question["state"]}
        assert requests.get(f"{back}?{urlencode(genuine)}", timeout=10).status_code == 200

    with pytest.raises(LoginRefusedError):
        authenticate_person(keycloak_realm.server.url, keycloak_realm.name, forge, timeout_seconds=10)


@pytest.mark.parametrize("answer", [{"error": "access_denied"}, {"code": "x", "iss": "https://evil.invalid"}])
def test_refused_answers(keycloak_realm: KeycloakRealm, answer: dict[str, str]) -> None:
    """A login that was declined, or another server's answer (RFC 9207), is refused."""

    def decline(url: str) -> None:
        question = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        query = urlencode({**answer, "state": question["state"]})
        requests.get(f"{question['redirect_uri']}?{query}", timeout=10)

    with pytest.raises(LoginRefusedError):
        authenticate_person(keycloak_realm.server.url, keycloak_realm.name, decline, timeout_seconds=10)


def test_question(keycloak_realm: KeycloakRealm) -> None:
    """The question asks for a code with S256 and a new login, and names 127.0.0.1."""
    asked: list[str] = []

    with pytest.raises(LoginRefusedError):
        authenticate_person(
            keycloak_realm.server.url, keycloak_realm.name, asked.append, timeout_seconds=0.05
        )

    question = parse_qs(urlsplit(asked[0]).query)
    assert question["response_type"] == ["code"]
    assert question["code_challenge_method"] == ["S256"]
    assert question["prompt"] == ["login"]
    assert question["redirect_uri"][0].startswith("http://127.0.0.1:")


def test_no_plain_http_elsewhere() -> None:
    """Nobody is sent to a server that speaks in the clear."""
    with pytest.raises(ConfigurationError):
        authenticate_person("http://keycloak.invalid", "shanxi", print)
