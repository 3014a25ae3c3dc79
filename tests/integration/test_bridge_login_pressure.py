"""A platform that repeats itself or is slow, a store that others write, connections that say nothing."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest
import uvicorn
from deploy.local.ports import HOST, free_port
from sqlalchemy import func, select
from starlette.responses import PlainTextResponse

from fixtures.bridge_login import (
    RunningBridge,
    Surfer,
    World,
    answer_of,
    authorization_query,
    code_on,
    new_world,
    running_bridge,
    wait_until,
)
from quanheng.bridge import serving
from quanheng.bridge.card.port import PlatformUnavailableError
from quanheng.bridge.login import routes, shield
from quanheng.bridge.settings import BridgeSettings
from quanheng.bridge.values import Card
from quanheng.model.sensitive import Sensitive
from quanheng.store.faults import StoreBusyError
from quanheng.store.tables import card_login


@pytest.fixture
def world(sqlite_url: str, tmp_path: Path) -> Iterator[World]:
    """People and cards."""
    with new_world(sqlite_url, tmp_path) as made:
        yield made


@pytest.fixture
def bridge(world: World) -> Iterator[RunningBridge]:
    """A bridge."""
    with running_bridge(world) as running:
        yield running


def test_a_code_that_comes_twice_is_on_one_screen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever process asked for it: one confirmation logs in one browser."""
    with running_bridge(world) as first, running_bridge(world, port=free_port()) as second:
        surfer, other = Surfer(first), Surfer(second)
        surfer.begin()
        surfer.page()
        surfer.wait_for("waiting")
        again = code_on(world)

        async def repeat() -> str:
            return again

        monkeypatch.setattr(world.platform, "make_code", repeat)
        other.begin()
        assert other.page().status_code == 200
        world.platform.confirm(again, world.card())
        surfer.wait_for("accepted")
        assert other.state() == "preparing"
        answer_of(surfer.finish())
        assert "code=" not in other.finish().headers.get("Location", "")


class Slow:
    """Looks cards up when it is told to."""

    def __init__(self, world: World) -> None:
        self.begun = threading.Event()
        self.released = threading.Event()
        self._identify = world.platform.identify

    async def identify(self, essc_no: Sensitive) -> Card:
        """See :meth:`CardPlatform.identify`."""
        self.begun.set()
        while not self.released.is_set():
            await asyncio.sleep(0.02)
        return await self._identify(essc_no)


def test_confirmed_in_time_and_looked_up_after(
    world: World, bridge: RunningBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that loads itself meanwhile does not end the login."""
    slow = Slow(world)
    monkeypatch.setattr(world.platform, "identify", slow.identify)
    surfer = Surfer(bridge)
    surfer.begin()
    surfer.page()
    surfer.wait_for("waiting")
    world.clock.forward(115)
    world.platform.confirm(code_on(world), world.card())
    wait_until(lambda: surfer.state() and slow.begun.is_set())
    world.clock.forward(10)
    surfer.page()
    slow.released.set()
    surfer.wait_for("accepted")
    assert [record.outcome for record in world.records] == ["accepted"]


def test_confirmed_and_never_looked_up(
    world: World, bridge: RunningBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record has it: somebody confirmed."""

    async def fail(_essc_no: Sensitive) -> Card:
        raise PlatformUnavailableError

    monkeypatch.setattr(world.platform, "identify", fail)
    surfer = Surfer(bridge)
    surfer.begin()
    surfer.page()
    surfer.wait_for("waiting")
    world.platform.confirm(code_on(world), world.card())
    wait_until(lambda: surfer.state() and bridge.app.state.room.find(surfer.login).confirmed is not None)
    world.clock.forward(31)
    surfer.wait_for("expired")
    assert [record.outcome for record in world.records] == ["late"]


def test_what_only_reads_waits_for_no_writer(bridge: RunningBridge) -> None:
    """However many wait to begin while somebody else writes: pages that wait, and the health, answer."""
    surfer = Surfer(bridge)
    surfer.begin()
    surfer.page()
    surfer.wait_for("waiting")
    with bridge.database.transaction():
        beginners = [threading.Thread(target=Surfer(bridge).begin) for _ in range(12)]
        for each in beginners:
            each.start()
        assert surfer.get("/healthz").status_code == 200
        assert surfer.page().status_code == 200
        assert any(each.is_alive() for each in beginners), "they wait for the store"
    for each in beginners:
        each.join()


def test_a_store_that_stays_busy_is_said(bridge: RunningBridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """To come again, not that something is broken."""

    def busy(*_: object, **__: object) -> bool:
        raise StoreBusyError

    monkeypatch.setattr(routes, "create_login", busy)
    answer = Surfer(bridge).begin()
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "10"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Dest": "iframe"},
        {"Sec-Purpose": "prefetch"},
        {"Purpose": "prefetch"},
    ],
)
def test_a_login_begins_when_somebody_goes_there(bridge: RunningBridge, headers: dict[str, str]) -> None:
    """Not by a picture on another page, nor by a browser's guess."""
    surfer = Surfer(bridge)
    path = f"/authorize?{urlencode(authorization_query())}"
    assert surfer.get(path, headers=headers).status_code == 400
    assert surfer.head(path).status_code == 400
    with bridge.database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(card_login)).scalar() == 0
    assert surfer.get(path, headers={"Sec-Fetch-Dest": "document"}).status_code == 303


def test_no_address_is_made_of_the_request(bridge: RunningBridge) -> None:
    """An address that is not ours is none, whatever it is like."""
    surfer = Surfer(bridge)
    for path in ("/authorize/", "/scan/", f"/scan/{'x' * 32}/"):
        answer = surfer.get(path)
        assert answer.status_code == 404
        assert "Location" not in answer.headers


def test_the_clock_is_set_back(world: World, bridge: RunningBridge) -> None:
    """No code lives longer for it."""
    surfer = Surfer(bridge)
    surfer.begin()
    surfer.page()
    surfer.wait_for("waiting")
    world.clock.forward(-3600)
    surfer.page()
    surfer.wait_for("expired")


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("https://Login.Example.GOV.cn", "https://login.example.gov.cn"),
        ("https://login.example.gov.cn:443/", "https://login.example.gov.cn"),
        ("http://127.0.0.1:8446", "http://127.0.0.1:8446"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_an_issuer_is_written_as_browsers_write_it(world: World, written: str, known: str) -> None:
    """Else forms of ours would be taken for others'."""
    table = world.settings().bridge
    assert table is not None
    assert BridgeSettings.model_validate({**table.model_dump(), "issuer": written}).issuer == known


def ends(connection: socket.socket) -> bool:
    """The other side has closed it."""
    connection.settimeout(10)
    try:
        while connection.recv(4096):
            pass
    except ConnectionResetError:
        return True
    return True


def test_a_body_that_does_not_come(bridge: RunningBridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends it drop by drop is sent away."""
    monkeypatch.setattr(shield, "BODY_SECONDS", 0.2)
    host = bridge.url.removeprefix("http://")
    with closing(socket.create_connection((HOST, bridge.server.config.port))) as connection:
        head = f"POST /token HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        connection.sendall(f"{head}Content-Length: 100\r\n\r\na=".encode())
        assert ends(connection)


@pytest.mark.parametrize("before", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_a_head_that_does_not_come(before: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither at first, nor after a request that was answered."""
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.3)
    port = free_port()
    config = uvicorn.Config(
        PlainTextResponse("ok"),
        host=HOST,
        port=port,
        http=serving.PatientProtocol,
        log_config=None,
        lifespan="off",
        timeout_keep_alive=60,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started)
        with closing(socket.create_connection((HOST, port))) as connection:
            connection.sendall(before + b"GET / HTTP/1.1\r\nHost: x\r\n")
            assert ends(connection)
    finally:
        server.should_exit = True
        thread.join(10)
