"""Attacks on a login by card: somebody else's browser, forged forms, lying headers, floods."""

from __future__ import annotations

import logging
import re
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
import requests
import structlog
from sqlalchemy import insert, select

from fixtures.bridge_login import (
    RunningBridge,
    Surfer,
    World,
    answer_of,
    authorization_query,
    code_on,
    login_of,
    new_world,
    running_bridge,
    wait_until,
)
from quanheng.bridge.login.limits import HOLDER
from quanheng.bridge.login.words import ZH
from quanheng.bridge.values import LoginState
from quanheng.store.tables import card_login, metadata

STEPS = ("", "/state", "/events", "/finish")


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


@pytest.fixture
def surfer(bridge: RunningBridge) -> Surfer:
    """A browser that has begun a login, and looked at the page."""
    made = Surfer(bridge)
    made.begin()
    assert made.page().status_code == 200
    return made


def accepted(bridge: RunningBridge, surfer: Surfer) -> None:
    """The login was confirmed."""
    world = bridge.world
    world.platform.confirm(code_on(world), world.card())
    surfer.wait_for("accepted")


@pytest.mark.parametrize("step", STEPS)
def test_nothing_is_given_to_whoever_knows_the_id(bridge: RunningBridge, surfer: Surfer, step: str) -> None:
    """The first deployed mistake: an anonymous request with the id gets the same as for no id at all."""
    accepted(bridge, surfer)
    stranger = Surfer(bridge)
    with_nothing = stranger.get(f"/scan/{surfer.login}{step}")
    of_nobody = stranger.get(f"/scan/{'x' * 32}{step}")

    assert with_nothing.status_code == of_nobody.status_code == 404
    assert with_nothing.text == of_nobody.text
    assert not stranger.cookies
    answer_of(surfer.finish())


@pytest.mark.parametrize("step", STEPS)
def test_the_attackers_login_in_the_victims_browser(bridge: RunningBridge, surfer: Surfer, step: str) -> None:
    """And the reverse: a cookie opens the login that it was made for, and no other (session fixation)."""
    victim = Surfer(bridge)
    victim.begin()
    assert victim.page().status_code == 200
    accepted(bridge, victim)

    for one, other in ((victim, surfer), (surfer, victim)):
        assert one.get(f"/scan/{other.login}{step}").status_code == 404
        # The other's name with one's own secret is no better.
        one.cookies[f"__Host-qh-{other.login[:8]}"] = one.cookie()
        assert one.get(f"/scan/{other.login}{step}").status_code == 404
    answer_of(victim.finish())


@pytest.mark.parametrize("state", ["preparing", "waiting", "scanned", "cancelled", "refused", "expired"])
def test_no_step_can_be_left_out(bridge: RunningBridge, surfer: Surfer, state: str) -> None:
    """The third deployed mistake: before everything is complete there is no code and no session to be had."""
    with bridge.database.transaction() as connection:
        connection.execute(
            card_login.update()
            .where(card_login.c.id == surfer.login)
            .values(state=state, refusal="left" if state == "refused" else None, subject="s" * 32)
        )
    answer = surfer.finish()
    assert "code=" not in answer.headers["Location"]
    assert answer.headers["Location"].startswith(f"{bridge.world.issuer}/scan/")
    assert "Set-Cookie" not in answer.headers


def test_the_cookie_is_bound_to_the_host(bridge: RunningBridge) -> None:
    """Out of reach of scripts and of other hosts, sent with no request of another site but a link."""
    surfer = Surfer(bridge)
    answer = surfer.begin()
    cookie = answer.headers["Set-Cookie"]

    assert re.match(rf"__Host-qh-{re.escape(surfer.login[:8])}=[A-Za-z0-9_-]{{43}};", cookie)
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert parts == {"httponly", "secure", "samesite=lax", "path=/", "max-age=600"}
    assert surfer.cookie() not in surfer.page().text


def test_a_browser_holds_no_more_than_five(bridge: RunningBridge) -> None:
    """The oldest is dropped; others' cookies are left alone."""
    surfer = Surfer(bridge)
    surfer.cookies["other"] = "x"
    logins = []
    for _ in range(7):
        surfer.begin()
        logins.append(surfer.login)

    assert list(surfer.cookies) == ["other", *(f"__Host-qh-{login[:8]}" for login in logins[-5:])]
    assert [surfer.page(login).status_code for login in logins] == [404] * 2 + [200] * 5


@pytest.mark.parametrize("action", ["refresh", "cancel"])
@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({}, ""),
        ({}, "x" * 43),
        ({"Origin": "https://thief.invalid"}, None),
        ({"Origin": "null"}, None),
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, None),
        ({"Origin": "null", "Sec-Fetch-Site": "same-site"}, None),
        ({"Origin": "http://127.0.0.1"}, None),
    ],
)
def test_a_forged_form_does_nothing(
    bridge: RunningBridge, surfer: Surfer, action: str, headers: dict[str, str], token: str | None
) -> None:
    """Without our token, or from a page that is not ours."""
    form = {"token": surfer.token() if token is None else token}
    answer = surfer.post(f"/scan/{surfer.login}/{action}", form, headers=headers)

    assert answer.status_code == 403
    assert ZH.forged in answer.text
    assert surfer.state() == "waiting"
    assert surfer.get(f"/scan/{surfer.login}/{action}").status_code == 405


@pytest.mark.parametrize("body", [b"\xff=\xfe", b"&".join(b"a=%d" % n for n in range(40)), b"token=%FF", b""])
def test_what_is_no_form_does_nothing(bridge: RunningBridge, surfer: Surfer, body: bytes) -> None:
    """Garbage is refused like a forged form."""
    assert surfer.post(f"/scan/{surfer.login}/cancel", body).status_code == 403
    assert surfer.state() == "waiting"


def test_only_get_takes_the_code(bridge: RunningBridge, surfer: Surfer) -> None:
    """A HEAD request, as link checkers send, leaves it where it is."""
    accepted(bridge, surfer)
    assert surfer.head(f"/scan/{surfer.login}/finish").status_code == 405
    assert "code=" in surfer.finish().headers["Location"]


def test_a_token_is_for_one_login(bridge: RunningBridge, surfer: Surfer) -> None:
    """That of another login of the same browser does not count."""
    token, first = surfer.token(), surfer.login
    surfer.begin()
    assert surfer.post(f"/scan/{surfer.login}/cancel", {"token": token}).status_code == 403
    surfer.login = first
    assert surfer.post(f"/scan/{first}/cancel", {"token": token}).status_code == 200


def test_old_browsers_without_origin_are_known_by_their_fetch(bridge: RunningBridge, surfer: Surfer) -> None:
    """Of two headers that tell where a form comes from one is enough."""
    headers = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
    form = {"token": surfer.token()}
    assert surfer.post(f"/scan/{surfer.login}/cancel", form, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "thief.invalid",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost",
        "thief@127.0.0.1",
        "127.0.0.1:x",
        "[::1",
        "",
    ],
)
@pytest.mark.parametrize("path", ["/authorize", "/.well-known/openid-configuration", "/scan/x"])
def test_a_host_that_lies_gets_nothing(bridge: RunningBridge, host: str, path: str) -> None:
    """Neither a page nor a redirect; what watches the bridge may call it by any name."""
    surfer = Surfer(bridge)
    answer = surfer.get(path, headers={"Host": host})
    assert answer.status_code == 421
    assert "Location" not in answer.headers
    assert "thief" not in answer.text
    assert surfer.get("/healthz", headers={"Host": "thief.invalid"}).status_code == 200


def test_two_hosts_are_none(bridge: RunningBridge) -> None:
    """A proxy may look at the one and we at the other."""
    port = bridge.world.port
    lines = ["GET / HTTP/1.1", f"Host: 127.0.0.1:{port}", "Host: thief.invalid", "Connection: close", "", ""]
    with socket.create_connection(("127.0.0.1", port), 5) as raw:
        raw.sendall("\r\n".join(lines).encode())
        assert raw.recv(100).split()[1] in (b"400", b"421")


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/authorize", "/nothing", "/jwks", "/scan/x", "/static/x", "page"]
)
def test_everything_carries_the_headers(bridge: RunningBridge, surfer: Surfer, path: str) -> None:
    """Also errors. Pages of a login are kept nowhere."""
    answer = surfer.page() if path == "page" else surfer.get(path)
    headers = answer.headers

    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] in ("no-referrer", "same-origin")
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "geolocation=()" in headers["Permissions-Policy"]
    assert "server" not in headers
    if path not in ("/jwks",):
        assert headers["Cache-Control"] == "no-store"
    assert "Strict-Transport-Security" not in headers  # there is no TLS on this loopback


def test_over_tls_browsers_are_held_to_it(world: World) -> None:
    """An issuer with https, behind a proxy of this machine."""
    with running_bridge(world, issuer="https://bridge.example.gov.cn") as bridge:
        answer = requests.get(
            f"{bridge.url}/", headers={"Host": "bridge.example.gov.cn:443"}, timeout=5, proxies={"http": ""}
        )
    assert answer.status_code == 200
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")


def test_packed_files_are_kept(bridge: RunningBridge, surfer: Surfer) -> None:
    """For ever, since their names say what is in them; nothing else of the folder is served."""
    addresses = re.findall(r'"(/static/[^"]+)"', surfer.page().text)
    assert len(addresses) == 2
    for address in addresses:
        answer = surfer.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
    assert surfer.get("/static/../app.py").status_code == 404
    assert surfer.get("/static/scan.css").status_code == 404


def test_large_bodies_are_refused(bridge: RunningBridge, surfer: Surfer) -> None:
    """Whether or not their length is told."""
    told = surfer.post(f"/scan/{surfer.login}/cancel", {"token": "x" * 20_000})
    assert told.status_code == 413

    def parts() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 1000

    answer = surfer.session.post(
        f"{bridge.url}/scan/{surfer.login}/cancel",
        data=parts(),
        headers={"Cookie": "; ".join(f"{name}={value}" for name, value in surfer.cookies.items())},
        timeout=5,
    )
    assert answer.status_code == 413
    assert surfer.state() == "waiting"


@pytest.mark.parametrize("poison", ["a\r\nSet-Cookie: x=1", "a\nb", "\u202ea", "<script>alert(1)</script>"])
def test_headers_of_others_are_shown_as_nothing_else(
    bridge: RunningBridge, poison: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A browser's name is told in words of ours; addresses that a stranger forwards are not believed."""
    surfer = Surfer(bridge)
    headers = {
        "User-Agent": quote(poison),
        "X-Forwarded-For": quote(poison),
        "Accept-Language": quote(poison),
    }
    answer = surfer.get(f"/authorize?{urlencode(authorization_query())}", headers=headers)
    surfer.login = login_of(answer)
    page = surfer.page().text

    assert "x" not in surfer.cookies
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert "127.0.0.1" in page
    assert poison not in caplog.text


def test_one_address_begins_only_so_many(world: World) -> None:
    """It is told when to come again, others go on; what it forwards does not make it another."""
    with running_bridge(world, limits={"logins_per_minute": 3}) as bridge:
        surfer = Surfer(bridge)
        answers = [surfer.begin() for _ in range(3)]
        assert [answer.status_code for answer in answers] == [303] * 3
        answer = surfer.get(
            f"/authorize?{urlencode(authorization_query())}", headers={"X-Forwarded-For": "198.51.100.7"}
        )
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) >= 1
        assert ZH.slow_down_title in answer.text
        assert surfer.page().status_code == 200


def test_behind_a_proxy_each_address_counts_for_itself(world: World) -> None:
    """A county behind the same proxy does not use up another's."""
    limits = {"logins_per_minute": 1, "logins_per_minute_in_all": 3}
    with running_bridge(world, limits=limits, trusted_proxies=["127.0.0.1/32"]) as bridge:

        def begin(address: str) -> requests.Response:
            query = urlencode(authorization_query())
            return Surfer(bridge).get(f"/authorize?{query}", headers={"X-Forwarded-For": address})

        assert begin("198.51.100.7").status_code == 303
        assert begin("198.51.100.7").status_code == 429
        assert begin("2001:db8::1").status_code == 303
        assert begin("2001:db8::2").status_code == 429
        assert begin("198.51.100.8").status_code == 303
        assert begin("198.51.100.9").status_code == 429
        with bridge.database.reading() as connection:
            found = set(connection.execute(select(card_login.c.address)).scalars())
    assert found == {"198.51.100.7", "2001:db8::1", "198.51.100.8"}


def test_requests_and_streams_are_limited(world: World) -> None:
    """A page whose stream is refused asks instead; a script that asks too often is told to wait."""
    limits = {"requests_per_minute": 30, "streams_per_address": 1}
    stranger = f"/scan/{'x' * 32}/state"
    with running_bridge(world, limits=limits) as bridge:
        surfer = Surfer(bridge)
        surfer.begin()
        surfer.page()
        events = surfer.events()
        next(events)
        refused = surfer.get(f"/scan/{surfer.login}/events")
        assert refused.status_code == 429
        assert surfer.state() == "waiting"
        events.close()  # type: ignore[attr-defined]
        answers = [surfer.get(stranger) for _ in range(40)]
        assert answers[-1].status_code == 429
        assert int(answers[-1].headers["Retry-After"]) >= 1
        # Whoever holds a login is not disturbed by the neighbour, and is counted by it.
        world.platform.confirm(code_on(world), world.card())
        surfer.wait_for("accepted")
        answers = [surfer.get(f"/scan/{surfer.login}/state") for _ in range(HOLDER)]
        assert answers[-1].status_code == 429


def test_when_all_logins_are_taken_a_page_says_so(world: World) -> None:
    """With ten thousand open, the next one is told when to come again; a refresh too."""
    with running_bridge(world) as bridge:
        surfer = Surfer(bridge)
        surfer.begin()
        surfer.page()
        with bridge.database.transaction() as connection:
            row = dict(
                connection.execute(select(card_login).where(card_login.c.id == surfer.login)).mappings().one()
            )
            rows = [{**row, "id": secrets.token_urlsafe(24), "qr_code_hash": None} for _ in range(9_999)]
            connection.execute(insert(card_login), rows)
        answer = Surfer(bridge).begin()
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "30"
        assert ZH.full_title in answer.text
        assert "Set-Cookie" not in answer.headers
        # Another code takes the place of its own.
        assert login_of(surfer.submit("refresh")) != surfer.login


def test_a_fault_of_ours_shows_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A page that says to try again, and a log without values."""
    with running_bridge(world) as bridge:
        surfer = Surfer(bridge)
        surfer.begin()
        with bridge.database.transaction() as connection:
            connection.exec_driver_sql("DROP TABLE card_login")
        with structlog.testing.capture_logs() as logs:
            answer = surfer.page()
    assert answer.status_code == 500
    assert ZH.fault_title in answer.text
    assert "card_login" not in answer.text
    assert surfer.login not in str([{**entry, "exc_info": None} for entry in logs])
    assert any(entry["event"] == "a request failed" for entry in logs)
    assert surfer.login not in caplog.text


def test_no_secret_is_left_anywhere(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Names and numbers of people, numbers of cards, what browsers hold: in no log, column or page."""
    caplog.set_level(logging.DEBUG)
    texts: list[str] = []
    with structlog.testing.capture_logs() as logs, running_bridge(world) as bridge:
        for usable in (True, False):
            surfer = Surfer(bridge)
            texts.append(surfer.begin().text)
            texts.append(surfer.page().text)
            held = surfer.cookie()
            world.platform.confirm(code_on(world), world.card(usable=usable))
            state = LoginState.ACCEPTED if usable else LoginState.REFUSED
            surfer.wait_for(state.value)
            texts += [surfer.page().text, surfer.finish().headers["Location"], surfer.page().text]
            world.secret_texts.append(held)
        wait_until(lambda: len(world.records) == 2)
        with bridge.database.reading() as connection:
            for table in metadata.sorted_tables:
                texts += [str(tuple(row)) for row in connection.execute(select(table))]
    texts += [str(logs), caplog.text, str(world.records)]

    for secret in world.secret_texts:
        assert not any(secret in text for text in texts)
