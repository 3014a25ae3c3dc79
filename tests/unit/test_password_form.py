"""Login by password is for one machine: a switch that production refuses."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import jwt
import pytest

from fixtures.world import World
from quanheng.errors import ConfigurationError
from quanheng.keycloak.connection import is_loopback
from quanheng.keycloak.credentials import AdminPassword
from quanheng.keycloak.open import connect_admin
from quanheng.model.sensitive import Sensitive
from quanheng.operations.context import Context
from quanheng.operations.realm import RealmOptions, apply_realm, read_options
from quanheng.store.meta import write_text

ADMIN = AdminPassword("admin", Sensitive("never-sent"))


def at(world: World, url: str) -> Context:
    """The same installation with Keycloak at another address."""
    keycloak = world.settings.keycloak.model_copy(update={"url": url})
    return world.open(settings=world.settings.model_copy(update={"keycloak": keycloak}))


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("http://127.0.0.1:8080", True),
        ("https://localhost", True),
        ("http://[::1]:8080/auth", True),
        ("https://sso.example", False),
        ("https://10.0.0.5:8443", False),
        ("https://127.0.0.1.example", False),
        ("https://localhost@sso.example", False),
        ("https://0.0.0.0", False),
    ],
)
def test_this_machine(url: str, own: bool) -> None:
    """By the host alone."""
    assert is_loopback(url) is own


@pytest.mark.parametrize("url", ["https://sso.example", "https://10.0.0.5:8443"])
def test_refused_elsewhere(world: World, url: str) -> None:
    """Before anybody is asked for anything, with what to do instead."""
    with pytest.raises(ConfigurationError) as refused:
        apply_realm(at(world, url), ADMIN, RealmOptions(password_form=True))

    assert "--no-password-form" in refused.value.remedy


class Server:
    """A server on this machine as far as it says its name: its own, or one that a header of the question
    names; the rest is not there."""

    def __init__(self, follows: str, status: int = 200) -> None:
        server = self
        self.asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = self.headers.get(follows, server.host).removeprefix("host=")
                server.asked.append(asked)
                self.answer(
                    200 if asked == server.host else status, {"issuer": f"http://{asked}/realms/master"}
                )

            def do_POST(self) -> None:
                if not self.path.endswith("/token"):
                    self.answer(404, {})
                    return
                claims = {"iss": f"{server.url}/realms/master", "iat": 0, "sub": "admin"}
                self.answer(200, {"access_token": jwt.encode(claims, "k" * 32), "expires_in": 60})

            def answer(self, status: int, body: object) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._http = HTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._http.server_port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop it."""
        self._http.shutdown()
        self._http.server_close()


@pytest.mark.parametrize(
    ("follows", "status"),
    [("Host", 200), ("X-Forwarded-Host", 200), ("Forwarded", 200), ("Host", 404), ("Host", 503)],
)
def test_refused_where_the_server_goes_by_any_name(
    world: World, monkeypatch: pytest.MonkeyPatch, follows: str, status: int
) -> None:
    """Then it serves whoever comes through a proxy or a tunnel; also when it does not answer that."""
    monkeypatch.setattr("quanheng.operations.realm.desired_configuration", lambda *_: None)
    server = Server(follows, status)
    try:
        with pytest.raises(ConfigurationError) as refused:
            apply_realm(at(world, server.url), ADMIN, RealmOptions(password_form=True))
    finally:
        server.close()

    assert "--hostname" in refused.value.remedy
    assert "--http-host=127.0.0.1" in refused.value.remedy
    assert server.asked[-1] == "quanheng.invalid"


def test_a_server_with_a_name_of_its_own(world: World) -> None:
    """Says the same whoever asks."""
    server = Server("Nothing")
    try:
        connection = connect_admin(at(world, server.url).settings.keycloak, ADMIN)
        assert connection.issuer_asked_as("quanheng.invalid") == f"{server.url}/realms/master"
        connection.close()
    finally:
        server.close()


def test_a_choice_does_not_move(world: World) -> None:
    """What was chosen on one machine is not wanted at another address: the realm's flow differs there."""
    with world.context.database.transaction() as connection:
        write_text(connection, "realm_options", json.dumps({"password_form": True}))

    here, there = at(world, "http://localhost:8080"), at(world, "https://sso.example")

    assert read_options(here).password_form
    assert not read_options(there).password_form
