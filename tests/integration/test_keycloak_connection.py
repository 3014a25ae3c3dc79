"""The line to Keycloak when it fails: a small server stands between and answers for it as told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fixtures.servers_keycloak import KeycloakRealm
from quanheng.errors import ConfigurationError, UnreachableError
from quanheng.keycloak.connection import Connection
from quanheng.keycloak.credentials import AdminPassword, ClientKey
from quanheng.keycloak.port import RealmRefusedError
from quanheng.keycloak.rest import SYNC_CLIENT, RestRealm
from quanheng.model.ids import Username
from quanheng.model.realm import NewUser
from quanheng.model.sensitive import Sensitive

PERSON = NewUser(
    username=Username("sx0000001"),
    enabled=True,
    name="张三",
    attributes={"staff_no": ("S1",)},
    groups=(),
    identities=frozenset(),
)


class Between:
    """Passes requests on to Keycloak, or does to the next ones what ``faults`` says.

    A fault is a status to answer with, ``"before"`` (hang up at once) or ``"after"`` (pass on, then hang up).
    """

    def __init__(self, target: str) -> None:
        self.faults: list[int | str] = []
        self.seen: list[str] = []
        between = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                between.seen.append(f"{self.command} {self.path.split('?')[0].rpartition('/')[2]}")
                is_admin = self.path.startswith("/admin/")
                fault = between.faults.pop(0) if between.faults and is_admin else None
                if isinstance(fault, int):
                    self._answer(fault, b'{"error":"fault","person":"\\u5f20\\u4e09"}')
                    return
                if fault != "before":
                    headers = {key: value for key, value in self.headers.items() if key != "Connection"}
                    answer = requests.request(
                        self.command, target + self.path, data=body, headers=headers, timeout=30
                    )
                    if fault is None:
                        self._answer(answer.status_code, answer.content, answer.headers.get("Location"))
                        return
                self.close_connection = True

            do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815 - http.server's names

            def _answer(self, status: int, body: bytes, location: str | None = None) -> None:
                self.send_response(status)
                if location:
                    self.send_header("Location", location)
                self.send_header("Content-Type", "application/json")
                if status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def between(keycloak_realm: KeycloakRealm) -> Iterator[Between]:
    """Something that goes wrong on the way."""
    server = Between(keycloak_realm.server.url)
    yield server
    server.close()


@pytest.fixture
def connection(keycloak_realm: KeycloakRealm, between: Between) -> Iterator[Connection]:
    """The daily client's connection, by way of the trouble."""
    with Connection(
        between.url,
        keycloak_realm.name,
        ClientKey(SYNC_CLIENT, keycloak_realm.keys[SYNC_CLIENT]),
        attempts=3,
    ) as opened:
        yield opened


@pytest.mark.parametrize("fault", [502, 503, 504, "before", "after"])
def test_reading_is_repeated(connection: Connection, between: Between, fault: int | str) -> None:
    """A read that meets a passing fault is repeated, and counted."""
    between.faults = [fault, fault]

    assert connection.get(connection.realm_path("/users")) == []

    assert between.seen.count("GET users") == 3
    assert connection.counter.by_kind()["GET"] == 3
    assert connection.counter.writes == 0


def test_patience_ends(connection: Connection, between: Between) -> None:
    """A fault that stays is reported as unreachable, with what to do and nothing of the answer."""
    between.faults = [503] * 10

    with pytest.raises(UnreachableError) as unreachable:
        connection.get(connection.realm_path("/users"))

    assert between.seen.count("GET users") == 3
    assert unreachable.value.remedy
    assert "张" not in str(unreachable.value)
    assert unreachable.value.__cause__ is None


@pytest.mark.parametrize("fault", [503, "before", "after", 500])
def test_creation_is_never_repeated(connection: Connection, between: Between, fault: int | str) -> None:
    """A POST that creates is sent once: whether it was done is found out by looking."""
    realm = RestRealm(connection)
    connection.get(connection.realm_path("/users"))
    between.faults = [fault]

    with pytest.raises(UnreachableError):
        realm.create_user(PERSON)

    assert between.seen.count("POST users") == 1
    assert (realm.find_user(PERSON.username) is not None) == (fault == "after")


def test_group_whose_answer_was_lost(connection: Connection, between: Between) -> None:
    """A group that was made without our hearing of it is found, and not made twice."""
    realm = RestRealm(connection)
    connection.get(connection.realm_path("/users"))
    between.faults = ["after"]

    made = realm.create_group(None, "机构", {"a": ("1",)}, frozenset())

    assert between.seen.count("POST groups") == 1
    assert list(realm.read_groups()) == [made]


def test_refused_token(connection: Connection, between: Between) -> None:
    """A refused token is replaced once; refused again, the server counts as unreachable."""
    between.faults = [401]
    assert connection.get(connection.realm_path("/users")) == []
    assert between.seen.count("POST token") == 2

    between.faults = [401, 401]
    with pytest.raises(UnreachableError):
        connection.get(connection.realm_path("/users"))
    assert between.seen.count("POST token") == 3


def test_refusal_shows_no_values(connection: Connection, between: Between) -> None:
    """A refusal names path and code; a body with somebody's name stays out of it."""
    between.faults = [409]

    with pytest.raises(RealmRefusedError) as refused:
        connection.request("POST", connection.realm_path("/users"), json={"firstName": "张三"})

    assert refused.value.status == 409
    assert "409" in str(refused.value)
    assert "张" not in str(refused.value)


def test_one_token_for_all_threads(connection: Connection, between: Between) -> None:
    """Threads that start together share one token: it is asked for once."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: connection.get(connection.realm_path("/users")), range(16)))

    assert between.seen.count("POST token") == 1


def test_no_redirect_is_followed(connection: Connection, between: Between) -> None:
    """A redirect would carry the token elsewhere, so it is a refusal."""
    between.faults = [302]

    with pytest.raises(RealmRefusedError) as refused:
        connection.get(connection.realm_path("/users"))

    assert refused.value.status == 302


def test_nobody_there() -> None:
    """A server that does not answer is unreachable."""
    credential = AdminPassword("nobody", Sensitive("secret"))
    with (
        Connection("http://127.0.0.1:9", "shanxi", credential, attempts=1) as connection,
        pytest.raises(UnreachableError),
    ):
        connection.get("admin/realms")
    assert "secret" not in repr(credential)


def test_plain_http_elsewhere() -> None:
    """Tokens do not travel in the clear to another machine."""
    with pytest.raises(ConfigurationError):
        Connection("http://keycloak.invalid", "shanxi", AdminPassword("x", Sensitive("x")))


def test_server_time(keycloak_realm: KeycloakRealm) -> None:
    """The server's clock is aware, and does not stand still or run back."""
    realm = keycloak_realm.rest()

    first, second = realm.read_server_time(), realm.read_server_time()

    assert first.utcoffset() is not None
    assert first <= second


def test_assertion() -> None:
    """What proves the client lives a minute, for one server, and is new each time."""
    key = ec.generate_private_key(ec.SECP256R1())
    credential = ClientKey("quanheng-sync", key)

    first, second = (credential.form("https://sso.invalid/realms/shanxi") for _ in range(2))

    claims = jwt.decode(
        first["client_assertion"],
        key.public_key(),
        algorithms=["ES256"],
        audience="https://sso.invalid/realms/shanxi",
    )
    assert claims["iss"] == claims["sub"] == "quanheng-sync"
    assert claims["exp"] - claims["iat"] <= 60
    assert first["client_assertion"] != second["client_assertion"]


def with_a_clock(realm: KeycloakRealm, minutes: float) -> Connection:
    """Our daily client on a machine whose clock is wrong."""
    off = timedelta(minutes=minutes)
    key = ClientKey(SYNC_CLIENT, realm.keys[SYNC_CLIENT], clock=lambda: datetime.now(UTC) + off)
    return realm.kept(Connection(realm.server.url, realm.name, key))


@pytest.mark.parametrize("minutes", [0.9, 10, -10])
def test_a_clock_that_is_wrong(keycloak_realm: KeycloakRealm, minutes: float) -> None:
    """Keycloak refuses assertions of another time; it gets one of its own, and the next at the first try."""
    connection = with_a_clock(keycloak_realm, minutes)
    assert abs(connection.server_time() - datetime.now(UTC)) < timedelta(minutes=0.5)
    asked = connection.counter.total
    assert asked <= 2 + abs(minutes) + 1
    connection.close()
    connection.subject()
    assert connection.counter.total == asked + 1


@pytest.mark.parametrize("minutes", [30, -30])
def test_a_clock_that_is_far_from_right(keycloak_realm: KeycloakRealm, minutes: int) -> None:
    """It is not asked without end; the message says what to look at."""
    connection = with_a_clock(keycloak_realm, minutes)
    with pytest.raises(UnreachableError, match="set the clocks"):
        connection.subject()
    assert connection.counter.total <= 20


@pytest.mark.parametrize("curve", [ec.SECP384R1(), None])
def test_key_files(tmp_path: Path, curve: ec.EllipticCurve | None) -> None:
    """A key file that is missing or of another curve is refused with what to do."""
    file = tmp_path / "key.pem"
    if curve is not None:
        key = ec.generate_private_key(curve)
        file.touch(mode=0o600)
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    with pytest.raises(ConfigurationError) as refused:
        ClientKey.read("quanheng-sync", file)

    assert refused.value.remedy


def test_a_key_file_that_others_may_read(tmp_path: Path) -> None:
    """Is not used, however good the key: somebody else may have it already."""
    file = tmp_path / "key.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    file.touch(mode=0o600)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert ClientKey.read("quanheng-sync", file).client_id == "quanheng-sync"
    file.chmod(0o640)
    with pytest.raises(ConfigurationError, match="others than its owner"):
        ClientKey.read("quanheng-sync", file)
