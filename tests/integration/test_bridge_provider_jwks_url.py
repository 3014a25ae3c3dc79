"""Public keys of clients, from a list in memory and from a server, and what a server can do to us."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from deploy.local.ports import HOST, free_port

from fixtures.bridge_provider import Hands, ListedKeys, client_settings, ec_key, key_set, public_jwk
from quanheng.bridge.provider import client_keys
from quanheng.bridge.provider.client_keys import (
    AGAIN_SECONDS,
    AHEAD_SECONDS,
    MAX_BYTES,
    RENEW_SECONDS,
    STALE_SECONDS,
    ClientKeys,
    PublishedKeys,
)
from quanheng.bridge.settings import ProviderClientSettings

ONE: Final = public_jwk(ec_key(), "one")
TWO: Final = public_jwk(ec_key("other"), "two")


class KeyServer:
    """A server of key sets, that does what a test says."""

    def __init__(self) -> None:
        self.clock: Final = Hands()
        self.keys: Final[dict[str, list[object]]] = {"shanxi": [ONE], "gansu": [TWO]}
        self.asked = 0
        self.answer: Callable[[], Awaitable[web.Response]] | None = None
        """What it answers in place of the keys."""
        self.url = ""

    async def serve(self, request: web.Request) -> web.Response:
        """One answer."""
        self.asked += 1
        if self.answer is not None:
            return await self.answer()
        return web.Response(body=key_set(*self.keys[request.match_info["client"]]))

    def breaks(self, **answer: object) -> None:
        """From now on it answers this."""

        async def always() -> web.Response:
            return web.Response(**answer)  # type: ignore[arg-type]  # whatever a test says

        self.answer = always

    def client(self, client_id: str = "shanxi") -> ProviderClientSettings:
        """A client whose keys are here."""
        return client_settings(client_id, jwks_url=f"{self.url}/{client_id}")


async def elsewhere(_request: web.Request) -> web.Response:
    """Keys at an address that no client has."""
    return web.Response(body=key_set(ONE, TWO))


@asynccontextmanager
async def serving(
    tls: ssl.SSLContext | None = None, ca_file: Path | None = None
) -> AsyncIterator[tuple[KeyServer, PublishedKeys]]:
    """A server on the loopback, and who reads it."""
    server = KeyServer()
    app = web.Application()
    app.router.add_get("/{client}", server.serve)
    app.router.add_get("/elsewhere/keys", elsewhere)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, HOST, port, ssl_context=tls).start()
    server.url = f"{'https' if tls else 'http'}://{HOST}:{port}"
    keys = PublishedKeys(server.clock, ca_file)
    try:
        yield server, keys
    finally:
        await keys.close()
        await runner.cleanup()


@asynccontextmanager
async def listed() -> AsyncIterator[tuple[KeyServer, ClientKeys]]:
    """The same keys in memory."""
    server, keys = KeyServer(), ListedKeys()
    server.url = "https://sso.invalid"
    keys.published = server.keys  # type: ignore[assignment]  # the very same lists
    yield server, keys


@pytest.mark.parametrize("source", [serving, listed])
def test_contract(source: Callable[[], Any]) -> None:
    """A key is found by client and name; one that comes later is found, one that was taken back is not."""

    async def run() -> None:
        async with source() as (server, keys):
            shanxi, gansu = server.client(), server.client("gansu")
            found = await keys.find(shanxi, "one")
            assert found is not None
            assert found.public == ec_key().public_key()
            assert await keys.find(shanxi, "two") is None
            assert await keys.find(gansu, "one") is None
            assert await keys.find(gansu, "two") is not None
            server.keys["shanxi"][:] = [public_jwk(ec_key("next"), "three")]
            server.clock.forward(AGAIN_SECONDS)
            assert await keys.find(shanxi, "three") is not None
            assert await keys.find(shanxi, "one") is None

    asyncio.run(run())


def test_a_set_is_read_once_for_many() -> None:
    """Also when they all come at once, and the first has not got its answer yet."""

    async def run() -> None:
        async with serving() as (server, keys):
            found = await asyncio.gather(*(keys.find(server.client(), "one") for _ in range(30)))
            assert all(found)
            assert server.asked == 1

    asyncio.run(run())


def test_unknown_names_do_not_have_us_ask_all_the_time() -> None:
    """Anybody may send an assertion with a name of his own: once in ten seconds it is asked for."""

    async def run() -> None:
        async with serving() as (server, keys):
            for second in range(30):
                for number in range(5):
                    assert await keys.find(server.client(), f"x{second}-{number}") is None
                server.clock.forward(1)
            assert server.asked == 3

    asyncio.run(run())


def test_a_known_key_does_not_wait_for_an_unknown_one() -> None:
    """Else anybody could hold up every login for as long as the client's server takes."""

    async def run() -> None:
        async with serving() as (server, keys):
            assert await keys.find(server.client(), "one") is not None
            held = asyncio.Event()

            async def never() -> web.Response:
                await held.wait()
                return web.Response(body=key_set(ONE, TWO))

            server.answer = never
            server.clock.forward(AGAIN_SECONDS)
            unknown = asyncio.create_task(keys.find(server.client(), "two"))
            async with asyncio.timeout(10):
                while server.asked < 2:
                    await asyncio.sleep(0.01)
                assert await keys.find(server.client(), "one") is not None
            assert not unknown.done()
            held.set()
            assert await unknown is not None

    asyncio.run(run())


def test_whoever_comes_while_a_new_key_is_read_gets_it_too() -> None:
    """Two logins right after a rotation both go well."""

    async def run() -> None:
        async with serving() as (server, keys):
            assert await keys.find(server.client(), "one") is not None
            server.keys["shanxi"].append(TWO)
            server.clock.forward(AGAIN_SECONDS)
            found = await asyncio.gather(*(keys.find(server.client(), "two") for _ in range(5)))
            assert all(found)
            assert server.asked == 2

    asyncio.run(run())


async def slow() -> web.Response:
    """Takes longer than anybody waits."""
    await asyncio.sleep(60)
    return web.Response()


FAULTS: Final[dict[str, dict[str, object]]] = {
    "error": {"status": 500, "body": key_set(ONE)},
    "missing": {"status": 404},
    "redirect": {"status": 302, "headers": {"Location": "/elsewhere/keys"}},
    "page": {"body": b"<html>maintenance</html>", "content_type": "text/html"},
    "no set": {"body": b'{"error":"x"}'},
    "long": {"body": key_set(ONE) + b" " * MAX_BYTES},
    "bomb": {
        "body": gzip.compress(key_set(ONE) + b" " * 50_000_000),
        "headers": {"Content-Encoding": "gzip"},
    },
    "broken gzip": {"body": b"\x1f\x8b\x08nothing", "headers": {"Content-Encoding": "gzip"}},
}


@pytest.mark.parametrize("fault", [*FAULTS, "slow", "gone"])
def test_a_server_that_fails_takes_no_key_back(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read counts for an hour, no new key comes in; then nothing counts until it is back."""
    monkeypatch.setattr(client_keys, "_TIMEOUT", aiohttp.ClientTimeout(total=0.3))

    async def run() -> None:
        async with serving() as (server, keys):
            client = server.client()
            assert await keys.find(client, "one") is not None
            server.keys["shanxi"].append(TWO)
            if fault == "gone":
                client = server.client()
                kept = keys._sets.pop(client.jwks_url)
                client = client_settings(jwks_url=f"http://{HOST}:{free_port()}/x")
                keys._sets[client.jwks_url] = kept
            elif fault == "slow":
                server.answer = slow
            else:
                server.breaks(**FAULTS[fault])
            server.clock.forward(RENEW_SECONDS + 1)
            assert await keys.find(client, "one") is not None
            server.clock.forward(AGAIN_SECONDS)
            assert await keys.find(client, "two") is None
            server.clock.forward(STALE_SECONDS - RENEW_SECONDS - AGAIN_SECONDS - 1)
            assert await keys.find(client, "one") is not None
            server.clock.forward(1)
            assert await keys.find(client, "one") is None
            if fault != "gone":
                server.answer = None
                server.clock.forward(AGAIN_SECONDS)
                assert await keys.find(client, "one") is not None

    asyncio.run(run())


def test_a_key_that_is_taken_back_counts_for_five_minutes() -> None:
    """A set is read again by then, though nobody asks for another name."""

    async def run() -> None:
        async with serving() as (server, keys):
            assert await keys.find(server.client(), "one") is not None
            server.keys["shanxi"].clear()
            server.clock.forward(RENEW_SECONDS)
            assert await keys.find(server.client(), "one") is not None
            server.clock.forward(1)
            assert await keys.find(server.client(), "one") is None

    asyncio.run(run())


def test_a_server_that_was_never_reached_is_asked_again_soon() -> None:
    """Whoever starts before Keycloak does not have to wait long."""

    async def run() -> None:
        async with serving() as (server, keys):
            server.breaks(status=503)
            assert await keys.find(server.client(), "one") is None
            assert await keys.find(server.client(), "one") is None
            assert server.asked == 1
            server.answer = None
            server.clock.forward(1)
            assert await keys.find(server.client(), "one") is not None

    asyncio.run(run())


def test_who_waited_in_vain_does_not_ask_again() -> None:
    """However long the server takes to fail: else each that waits would ask in turn."""

    async def run() -> None:
        async with serving() as (server, keys):

            async def late() -> web.Response:
                await asyncio.sleep(0.1)
                server.clock.forward(4)
                return web.Response(status=503)

            server.answer = late
            found = await asyncio.gather(*(keys.find(server.client(), "one") for _ in range(5)))
            assert found == [None] * 5
            assert server.asked == 1

    asyncio.run(run())


@pytest.mark.parametrize("source", [serving, listed])
def test_no_login_waits_for_what_was_renewed(source: Callable[[], Any]) -> None:
    """Neither the first after a start, nor one of those that come when the set is due."""

    async def run() -> None:
        async with source() as (server, keys):
            both = (server.client(), server.client("gansu"))
            await keys.renew(both)
            read = server.asked
            for _ in range(10):
                server.clock.forward(AHEAD_SECONDS / 2)
                await keys.renew(both)
                before = server.asked
                for client, kid in zip(both, ("one", "two"), strict=True):
                    assert await keys.find(client, kid) is not None
                assert server.asked == before
            assert server.asked == 2 * read

    asyncio.run(run())


def test_a_renewal_that_fails_takes_no_key_back() -> None:
    """It is tried again at the next one."""

    async def run() -> None:
        async with serving() as (server, keys):
            await keys.renew([server.client()])
            server.breaks(status=503)
            server.clock.forward(RENEW_SECONDS)
            await keys.renew([server.client()])
            assert await keys.find(server.client(), "one") is not None
            server.answer = None
            await keys.renew([server.client()])
            assert server.asked == 3

    asyncio.run(run())


def test_a_clock_that_was_set_back_does_not_stop_the_reading() -> None:
    """Nor does it make an old set a fresh one."""

    async def run() -> None:
        async with serving() as (server, keys):
            assert await keys.find(server.client(), "one") is not None
            server.clock.forward(-7200)
            server.keys["shanxi"].append(TWO)
            assert await keys.find(server.client(), "two") is not None

    asyncio.run(run())


def certificate(file: Path) -> ssl.SSLContext:
    """A server's, that nobody signed but itself; the file holds what a client has to trust."""
    key, name = ec_key("tls"), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file.write_bytes(made.public_bytes(Encoding.PEM))
    both = file.with_suffix(".both")
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    both.write_bytes(made.public_bytes(Encoding.PEM) + private)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(both)
    return context


@pytest.mark.parametrize("trusted", [True, False])
def test_keys_come_from_a_server_that_is_trusted(tmp_path: Path, trusted: bool) -> None:
    """By the certificate authority of the settings; from any other no key is taken."""
    file = tmp_path / "ca.pem"
    tls = certificate(file)

    async def run() -> None:
        async with serving(tls, file if trusted else None) as (server, keys):
            found = await keys.find(server.client(), "one")
            assert (found is not None) == trusted == (server.asked == 1)

    asyncio.run(run())


def test_nothing_of_a_key_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """A fault tells what kind it is; neither addresses nor names nor answers."""

    async def run() -> None:
        async with serving() as (server, keys):
            server.breaks(status=500, body=b"secret-answer")
            assert await keys.find(server.client(), "secret-name") is None

    asyncio.run(run())
    written = "".join(capsys.readouterr())
    assert "keys of a client cannot be read" in written
    assert "secret" not in written
