"""What people see: words, browsers, the page's size."""

from __future__ import annotations

import dataclasses
import gzip
import html
import re
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import cast

import pytest
from starlette.responses import Response

from fixtures.bridge_login import World
from quanheng.bridge.login.browsers import describe_browser, is_phone
from quanheng.bridge.login.pages import Asset, Pages, Visitor
from quanheng.bridge.login.waiting import Notice, Watch
from quanheng.bridge.login.words import EN, WORDS, ZH, Words, status_of, whom_to_ask
from quanheng.bridge.values import (
    AuthorizationRequest,
    Locale,
    Login,
    LoginId,
    LoginState,
    RefusalReason,
)

PREPARING, ACCEPTED, DONE = LoginState.PREPARING, LoginState.ACCEPTED, LoginState.DONE
NOW = datetime(2026, 11, 23, 1, 5, tzinfo=UTC)
ID = LoginId("a" * 32)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Settings; nothing runs."""
    return World("sqlite://", tmp_path, 8446)


def watch(state: LoginState = LoginState.WAITING, **changes: object) -> Watch:
    """Somebody looks at a login."""
    request = AuthorizationRequest(
        client_id="subsystem",
        client_name=str(changes.pop("client_name", "省社保系统")),
        redirect_uri="https://keycloak.example.gov.cn/endpoint",
        state="s",
        nonce="n",
        code_challenge="c" * 43,
        scope="openid",
        locale="zh",
    )
    login = Login(
        id=ID,
        request=request,
        state=state,
        created_at=NOW,
        deadline=NOW + timedelta(seconds=600),
        expires_at=NOW + timedelta(seconds=120),
        qr_code="https://essc.example.gov.cn/q?c=" + "x1Y" * 30 if state is LoginState.WAITING else None,
        refreshes=0,
        address="192.0.2.1",
        browser="Chrome · Windows",
    )
    return Watch(dataclasses.replace(login, **changes), "h", 0.0)  # type: ignore[arg-type]


def visitor(locale: Locale = "zh", *, phone: bool = False) -> Visitor:
    """Who looks."""
    return Visitor(locale=locale, phone=phone, token="t" * 43)


def page(world: World, seen: Watch, who: Visitor | None = None, at: datetime = NOW, **bridge: object) -> str:
    """The page's source."""
    settings = world.settings(**bridge).bridge
    assert settings is not None
    return text_of(Pages(settings).login(seen, who or visitor(), at))


def text_of(response: Response) -> str:
    """Its body."""
    return bytes(response.body).decode()


def test_everything_of_the_page_is_below_fifty_kilobytes(world: World) -> None:
    """Page, QR code, style and script together, as they are before any compression."""
    source = page(world, watch())
    assets = [Asset.read("scan.css"), Asset.read("scan.js")]

    assert all(asset.address in source for asset in assets)
    assert re.findall(r'(?:src|href)="(/static/[^"]+)"', source) == [assets[1].address, assets[0].address]
    assert len(source.encode()) + sum(len(asset.content) for asset in assets) < 50_000
    assert len(gzip.compress(source.encode())) < 10_000


@pytest.mark.parametrize("locale", ["zh", "en"])
@pytest.mark.parametrize("state", list(LoginState))
def test_every_state_has_a_page(world: World, state: LoginState, locale: Locale) -> None:
    """It names system, region, where the login was begun and whom to ask; a code only while it counts."""
    seen = watch(state, refusal=RefusalReason.LEFT, office="忻府区")
    source = page(world, seen, visitor(locale))

    for text in ("省社保系统", "山西省忻州市", "192.0.2.1", "Chrome · Windows", "09:05"):
        assert text in source
    assert status_of(WORDS[locale], seen.login, Notice.NONE) in source
    assert ('role="img"' in source) == (state is LoginState.WAITING)
    assert f'lang="{WORDS[locale].tag}"' in source
    assert 'aria-live="polite"' in source
    assert ("/refresh" in source) == (state not in (PREPARING, ACCEPTED, DONE))
    assert ("忻府区" in source) == (state is LoginState.REFUSED)


@pytest.mark.parametrize("locale", ["zh", "en"])
@pytest.mark.parametrize("notice", [Notice.UNAVAILABLE, Notice.UNUSABLE, Notice.BUSY])
def test_a_notice_is_announced_in_place_of_the_state(world: World, notice: Notice, locale: Locale) -> None:
    """And the code stays, since it may still be scanned."""
    seen = watch()
    seen.notice = notice
    source = page(world, seen, visitor(locale))

    assert WORDS[locale].notices[notice] in html.unescape(source)
    assert 'role="img"' in source
    assert f'data-mark="waiting-{notice}"' in source


def test_texts_of_others_cannot_be_markup(world: World) -> None:
    """Nor break a line, nor turn the direction of what is read."""
    seen = watch(client_name="<script>alert(1)</script>\u202e\r\nX", browser="<b>", address='"><img>')
    source = page(world, seen)

    assert "<script>alert" not in source
    assert "<img>" not in source
    assert "<b>)" not in source
    assert "\u202e" not in source
    assert "\r" not in source


def test_a_phone_gets_the_app_instead(world: World) -> None:
    """The code stands in the link, encoded; without a link the page says that a phone cannot scan itself."""
    link = "alipays://x?code={code}&back=1"
    seen = watch(qr_code='a&b"<c>')

    with_link = page(world, seen, visitor(phone=True), app_link=link)
    assert 'href="alipays://x?code=a%26b%22%3Cc%3E&amp;back=1"' in with_link
    assert ZH.phone_open in with_link
    assert "frame small" in with_link
    without = page(world, seen, visitor(phone=True))
    assert ZH.phone_hint in without
    assert "alipays" not in page(world, seen, app_link=link)


def test_there_is_an_end_to_new_codes(world: World) -> None:
    """After so many, and when the whole login is over, the page says so and leads back."""
    used_up = page(world, watch(LoginState.EXPIRED, refreshes=5))
    too_late = page(world, watch(LoginState.EXPIRED), at=NOW + timedelta(seconds=600))

    for source, text in ((used_up, ZH.no_more_codes), (too_late, ZH.over)):
        assert text in source
        assert "/refresh" not in source
        assert "/cancel" in source


def test_both_languages_say_the_same_things() -> None:
    """Every state, notice and reason has its text in both, with the same places to fill in."""
    for field in dataclasses.fields(Words):
        left, right = getattr(ZH, field.name), getattr(EN, field.name)
        assert type(left) is type(right)
        if isinstance(left, str):
            assert left
            assert right
            assert sorted(re.findall(r"{\w+}", left)) == sorted(re.findall(r"{\w+}", right)), field.name
        else:
            assert len(left) == len(right), field.name
    for words in (ZH, EN):
        assert set(words.states) == set(LoginState)
        assert set(words.refusals) == set(RefusalReason)
        assert set(words.notices) == set(Notice) - {Notice.NONE}


@pytest.mark.parametrize("words", [ZH, EN], ids=["zh", "en"])
def test_who_is_asked_is_told(words: Words) -> None:
    """Of a card its issuer; else the office's administrator, where an office is known."""

    def asked(reason: RefusalReason, office: str) -> str:
        login = dataclasses.replace(watch(LoginState.REFUSED).login, refusal=reason, office=office)
        return whom_to_ask(words, login)

    assert asked(RefusalReason.CARD_LOST, "忻府区") == words.ask_card_office
    assert "忻府区" in asked(RefusalReason.LEFT, "忻府区")
    assert asked(RefusalReason.UNKNOWN, "") == words.ask_nobody
    assert asked(RefusalReason.FROZEN, "忻府区") == asked(RefusalReason.INACTIVE, "忻府区")


@pytest.mark.parametrize("words", [ZH, EN], ids=["zh", "en"])
def test_an_investigation_shows_in_no_word(words: Words) -> None:
    """Neither the text for a frozen account nor any other speaks of one."""
    for text in (*words.refusals.values(), *words.states.values()):
        assert not re.search("调查|审查|违纪|investigat|inquiry", text, re.IGNORECASE)


@pytest.mark.parametrize(
    ("agent", "described", "phone"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36",
            "Chrome · Windows",
            False,
        ),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/120.0 Safari/537.36 Edg/120.0", "Edge · Windows", False),
        ("Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0)", "Internet Explorer · Windows", False),
        ("Mozilla/5.0 (X11; Linux x86_64; UOS) Gecko/20100101 Firefox/115.0", "Firefox · UOS", False),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) MicroMessenger/8.0 Safari/604.1",
            "WeChat · iPhone",
            True,
        ),
        ("Mozilla/5.0 (Linux; Android 14) Chrome/120.0 Mobile Safari/537.36", "Chrome · Android", True),
        ("Mozilla/5.0 (Linux; Android 14; Tab) Chrome/120.0 Safari/537.36", "Chrome · Android", False),
        ("curl/8.0\r\nX: <script>", "", False),
        ("", "", False),
    ],
)
def test_browsers_are_told_in_words_of_ours(agent: str, described: str, phone: bool) -> None:
    """Nothing of what the browser sends is in them."""
    assert describe_browser(agent) == described
    assert is_phone(agent) is phone


def test_packed_files_name_their_content() -> None:
    """Another content has another address, so a browser may keep each for ever."""
    folder = cast(Path, files("quanheng.bridge.login").joinpath("static"))
    for file in folder.iterdir():
        asset = Asset.read(file.name)
        assert re.fullmatch(rf"/static/{file.stem}\.[0-9a-f]{{16}}{file.suffix}", asset.address)
        assert asset.content == file.read_bytes()
