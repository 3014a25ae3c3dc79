"""The bridge as processes of their own: started by command, several on one port, stopped by a signal."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
import requests
from deploy.local.ports import free_port

from fixtures.bridge_login import CLIENT, REDIRECT, authorization_query, wait_until
from fixtures.bridge_provider import ListedKeys
from quanheng.bridge.app import clients_of, create_app
from quanheng.bridge.serving import run_server
from quanheng.bridge.settings import ProviderClientSettings
from quanheng.config import read_settings
from quanheng.errors import ConfigurationError
from quanheng.identity.keys import generate_keys
from quanheng.identity.wrapping import make_wrapping_key

RUN = """
import sys
from pathlib import Path
from quanheng.bridge.serving import run_server
from quanheng.bridge.settings import ProviderClientSettings
from quanheng.config import read_settings
from quanheng.logs import start_logs
if __name__ == "__main__":
    start_logs()
    file = Path(sys.argv[1])
    run_server(read_settings(file), workers=int(sys.argv[2]), settings_file=file)
"""
_STOP_SECONDS = 20


@pytest.fixture
def settings_file(sqlite_url: str, tmp_path: Path) -> Path:
    """``quanheng.toml`` of a bridge, with everything that it names."""
    generate_keys(tmp_path / "keys")
    make_wrapping_key(tmp_path / "bridge.key")
    secret = tmp_path / "platform.key"
    secret.write_text("0123456789abcdef\n")
    secret.chmod(0o600)
    port = free_port()
    file = tmp_path / "quanheng.toml"
    file.write_text(
        f"""
packs = ["shanxi"]
store_url = "{sqlite_url}"
[keycloak]
url = "https://keycloak.example.gov.cn"
realm = "shanxi"
sync = {{client_id = "quanheng-sync", key_file = "x.pem"}}
configurator = {{client_id = "quanheng-configurator", key_file = "x.pem"}}
[bridge]
issuer = "http://127.0.0.1:{port}"
port = {port}
key_file = "bridge.key"
region = "山西省忻州市"
[[bridge.clients]]
client_id = "{CLIENT}"
redirect_uris = ["{REDIRECT}"]
jwks_url = "http://127.0.0.1:9/certs"
name = "x"
[bridge.platform]
url = "http://127.0.0.1:9/CSB/"
channel_no = "c"
access_no = "a"
system_name = "x"
access_key = "k"
signing_key_file = "platform.key"
encryption_key_file = "platform.key"
""",
        encoding="utf-8",
    )
    return file


@contextmanager
def process(file: Path, workers: int) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    """A bridge, its address and its log."""
    script = file.with_name("serve.py")
    script.write_text(RUN)
    log = file.with_name("log")
    with log.open("wb") as output:
        started = subprocess.Popen(
            [sys.executable, str(script), str(file), str(workers)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONWARNINGS": "default"},
        )
    bridge = read_settings(file).bridge
    assert bridge is not None
    try:
        yield started, bridge.issuer, log
    finally:
        if started.poll() is None:
            started.terminate()
            started.wait(_STOP_SECONDS)


def answers(url: str) -> bool:
    """Whether it is there."""
    try:
        return requests.get(f"{url}/healthz", timeout=2).ok
    except requests.ConnectionError:
        return False


def waiting_page(url: str) -> requests.Response:
    """The stream of a login that has begun."""
    query = urlencode(authorization_query())
    begun = requests.get(f"{url}/authorize?{query}", allow_redirects=False, timeout=5)
    cookie = begun.headers["Set-Cookie"].partition(";")[0]
    events = f"{begun.headers['Location']}/events"
    return requests.get(events, headers={"Cookie": cookie}, stream=True, timeout=_STOP_SECONDS)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal(settings_file: Path, workers: int, number: signal.Signals) -> None:
    """A page that waits is sent away, the process ends by itself, no address of a login is in its log."""
    with process(settings_file, workers) as (started, url, log):
        wait_until(lambda: answers(url) or started.poll() is not None, 60)
        assert answers(url), log.read_text()
        assert requests.get(f"{url}/jwks", timeout=5).json()["keys"]
        with waiting_page(url) as page:
            lines = page.iter_lines()
            assert next(lines) == b"retry: 2000"
            started.send_signal(number)
            assert b"retry: 2000" not in list(lines)
        started.wait(_STOP_SECONDS)
        text = log.read_text()
    assert "Traceback" not in text, text
    assert "/scan/" not in text


def test_the_realm_is_the_client_when_none_is_named(settings_file: Path) -> None:
    """As 'quanheng realm apply' sets it up in Keycloak."""
    text = settings_file.read_text(encoding="utf-8")
    start, end = text.index("[[bridge.clients]]"), text.index("[bridge.platform]")
    settings_file.write_text(text[:start] + text[end:], encoding="utf-8")
    (client,) = clients_of(read_settings(settings_file))

    assert client.client_id == "shanxi"
    assert client.redirect_uris == (
        "https://keycloak.example.gov.cn/realms/shanxi/broker/social-card/endpoint",
    )
    assert client.jwks_url.endswith("/realms/shanxi/protocol/openid-connect/certs")
    assert "山西" in client.name


def test_what_is_missing_is_told_before_it_serves(settings_file: Path) -> None:
    """A key that others may read, an authority that is not there, workers without the file, no table."""
    settings = read_settings(settings_file)
    with pytest.raises(ConfigurationError, match="workers"):
        run_server(settings, workers=2)
    with pytest.raises(ConfigurationError, match=r"\[bridge\]"):
        run_server(settings.model_copy(update={"bridge": None}))
    nowhere = {"ca_file": settings_file.with_name("no-ca.pem")}
    keycloak = settings.keycloak.model_copy(update=nowhere)
    with pytest.raises(ConfigurationError, match=r"no-ca\.pem.*keycloak\.ca_file"):
        run_server(settings.model_copy(update={"keycloak": keycloak}))
    settings_file.with_name("platform.key").chmod(0o644)
    with pytest.raises(ConfigurationError, match=r"platform\.key"):
        run_server(settings)


def test_keys_of_clients_are_read_before_it_serves(settings_file: Path) -> None:
    """Keycloak that waits for tokens with all its threads could not tell them any more."""
    settings = read_settings(settings_file)
    read: list[str] = []

    class Keys(ListedKeys):
        async def renew(self, clients: Sequence[ProviderClientSettings]) -> None:
            read.extend(client.client_id for client in clients)

    app = create_app(settings, client_keys=Keys())

    async def run() -> None:
        async with app.router.lifespan_context(app):
            assert read == [client.client_id for client in clients_of(settings)]

    asyncio.run(run())
