"""The login page of the bridge in a real Chromium: every state, on a desk and on a phone, in both languages.

With ``QUANHENG_SCREENSHOTS=docs/images/bridge`` a run takes pictures.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from fixtures.bridge_login import (
    RunningBridge,
    World,
    authorization_query,
    code_on,
    new_world,
    running_bridge,
    start_bridge,
)
from fixtures.browser import WIDTHS, keep_picture, open_window
from quanheng.bridge.card.port import PlatformUnavailableError
from quanheng.bridge.login.words import EN, WORDS, ZH
from quanheng.bridge.values import Locale, LoginState, Refusal, RefusalReason

LOCALES: Final[tuple[Locale, ...]] = ("zh", "en")
_CONTRAST: Final = 4.5
"""WCAG 2.1, success criterion 1.4.3 (AA)."""
_TARGET: Final = 40
"""Pixels that a finger needs."""
_PHONE: Final = (
    "Mozilla/5.0 (Linux; Android 14; PHONE) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Chrome/120.0 Mobile Safari/537.36"
)
_LOOK: Final = """() => {
  const channel = value => { const part = value / 255;
    return part <= .03928 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4; };
  const light = color => { const [r, g, b] = color.match(/[\\d.]+/g).map(Number);
    return .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b); };
  const behind = element => { for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (!/, 0\\)$/.test(color) && color !== 'transparent') return color; }
    return 'rgb(255, 255, 255)'; };
  const texts = [];
  for (const element of document.body.querySelectorAll('*')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    const box = element.getBoundingClientRect();
    if (!own || !box.width) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(behind(element))];
    texts.push([element.textContent.trim().slice(0, 30), (Math.max(a, b) + .05) / (Math.min(a, b) + .05)]);
  }
  const controls = [...document.querySelectorAll('a, button, input:not([type=hidden])')].map(element => ({
    name: (element.getAttribute('aria-label') || element.textContent).trim(),
    height: element.getBoundingClientRect().height, inHeader: !!element.closest('header') }));
  const images = [...document.querySelectorAll('svg')].filter(element =>
    element.getAttribute('aria-hidden') !== 'true' && !element.closest('[role=img][aria-label]')).length;
  return { texts, controls, images, lang: document.documentElement.lang, title: document.title,
    headings: document.querySelectorAll('h1').length,
    live: document.querySelectorAll('[aria-live=polite]').length,
    ids: [...document.querySelectorAll('[id]')].map(element => element.id),
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth };
}"""


class _Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/endpoint?"):
            asked = self.server.asked  # type: ignore[attr-defined]
            asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(b"subsystem")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def subsystem() -> Iterator[ThreadingHTTPServer]:
    """The client; ``asked`` are the answers that it got."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answering) as server:
        server.asked = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def world(sqlite_url: str, tmp_path: Path, subsystem: ThreadingHTTPServer) -> Iterator[World]:
    """People and cards."""
    with new_world(sqlite_url, tmp_path) as made:
        made.redirect = f"http://127.0.0.1:{subsystem.server_port}/endpoint"
        yield made


@pytest.fixture
def bridge(world: World) -> Iterator[RunningBridge]:
    """A bridge."""
    with running_bridge(world) as running:
        yield running


def open_login(page: Page, world: World, locale: Locale = "zh") -> list[str]:
    """Come from the subsystem; the list gets every fault that the browser tells."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    query = authorization_query(ui_locales=locale, redirect_uri=world.redirect)
    page.goto(f"{world.issuer}/authorize?{urlencode(query)}")
    return faults


def require_accessible(page: Page, locale: Locale) -> None:
    """Contrast, names, one heading, a live region, nothing wider than the window."""
    seen: dict[str, Any] = page.evaluate(_LOOK)
    assert all(ratio >= _CONTRAST for _, ratio in seen["texts"]), seen["texts"]
    assert seen["texts"]
    assert all(control["name"] for control in seen["controls"]), seen["controls"]
    assert all(control["inHeader"] or control["height"] >= _TARGET for control in seen["controls"])
    assert seen["images"] == 0
    assert seen["lang"] == WORDS[locale].tag
    assert seen["headings"] == 1
    assert seen["live"] == 1
    assert len(seen["ids"]) == len(set(seen["ids"]))
    assert seen["wide"] <= 0


def say(page: Page, text: str) -> None:
    """Wait until the page announces it."""
    expect(page.locator("#status")).to_have_text(text)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("width", WIDTHS)
def test_from_the_code_to_the_subsystem(
    bridge: RunningBridge, browser: Browser, width: int, locale: Locale
) -> None:
    """The page follows the phone by itself, and ends at the client with a code; back leads to no other."""
    world, words = bridge.world, WORDS[locale]
    page = open_window(browser, width)
    faults = open_login(page, world, locale)

    say(page, words.states[LoginState.WAITING])
    expect(page.get_by_role("img", name=words.code_label)).to_be_visible()
    require_accessible(page, locale)
    keep_picture(page, f"waiting-{width}-{locale}")
    world.platform.scan(code_on(world))
    say(page, words.states[LoginState.SCANNED])
    require_accessible(page, locale)
    keep_picture(page, f"scanned-{width}-{locale}")
    login = page.url
    world.platform.confirm(code_on(world), world.card())
    page.wait_for_url(f"{world.redirect}?code=*")
    page.goto(login)
    say(page, words.states[LoginState.DONE])
    require_accessible(page, locale)
    keep_picture(page, f"done-{width}-{locale}")
    page.context.close()
    assert not faults


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("end", ["expired", "cancelled", "refused"])
def test_an_end_is_told_and_leads_on(
    bridge: RunningBridge, browser: Browser, width: int, locale: Locale, end: str
) -> None:
    """The reason and whom to ask; a click makes another code, and the keyboard is there already."""
    world, words = bridge.world, WORDS[locale]
    page = open_window(browser, width)
    faults = open_login(page, world, locale)
    say(page, words.states[LoginState.WAITING])
    code = code_on(world)
    told = words.states[LoginState(end)]
    match end:
        case "expired":
            world.platform.expire(code)
        case "cancelled":
            world.platform.cancel(code)
        case _:
            world.platform.confirm(code, world.card(Refusal(reason=RefusalReason.FROZEN, office="忻府区")))
            told = words.refusals[RefusalReason.FROZEN]

    say(page, told)
    require_accessible(page, locale)
    keep_picture(page, f"{end}-{width}-{locale}")
    if end == "refused":
        expect(page.locator("#panel")).to_contain_text("忻府区")
    button = page.get_by_role("button", name=words.another_card if end == "refused" else words.new_code)
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    say(page, words.states[LoginState.WAITING])
    assert code_on(world) != code
    page.context.close()
    assert not faults


@pytest.mark.parametrize("width", WIDTHS)
def test_a_platform_that_is_down_is_told(bridge: RunningBridge, browser: Browser, width: int) -> None:
    """Before there is a code and after; and the page recovers by itself."""
    world = bridge.world
    world.platform.fail_with(PlatformUnavailableError("down"))
    page = open_window(browser, width)
    faults = open_login(page, world)

    say(page, "电子社保卡平台暂时没有回应，正在重试")
    require_accessible(page, "zh")
    keep_picture(page, f"unavailable-{width}-zh")
    world.platform.fail_with(None)
    say(page, ZH.states[LoginState.WAITING])
    world.platform.fail_with(PlatformUnavailableError("down"))
    say(page, "电子社保卡平台暂时没有回应，正在重试")
    expect(page.get_by_role("img", name=ZH.code_label)).to_be_visible()
    world.platform.fail_with(None)
    say(page, ZH.states[LoginState.WAITING])
    page.context.close()
    assert not faults


def test_a_phone_opens_the_app(world: World, browser: Browser) -> None:
    """A button above a smaller code; without script as well."""
    with running_bridge(world, app_link="https://essc.example.gov.cn/open?code={code}"):
        context = browser.new_context(viewport={"width": 390, "height": 800}, user_agent=_PHONE)
        page = context.new_page()
        open_login(page, world)
        link = page.get_by_role("link", name=ZH.phone_open)
        expect(link).to_have_attribute("href", f"https://essc.example.gov.cn/open?code={code_on(world)}")
        code = page.get_by_role("img", name=ZH.code_label).bounding_box()
        button = link.bounding_box()
        assert code is not None
        assert button is not None
        assert button["y"] < code["y"]
        assert code["width"] < 200
        require_accessible(page, "zh")
        keep_picture(page, "phone-390-zh")
        context.close()


def test_it_works_without_script(bridge: RunningBridge, browser: Browser) -> None:
    """The code is on the first page; the page loads itself again, and goes on when the card was confirmed."""
    world = bridge.world
    context = browser.new_context(viewport={"width": 1280, "height": 800}, java_script_enabled=False)
    page = context.new_page()
    open_login(page, world)

    expect(page.get_by_role("img", name=ZH.code_label)).to_be_visible()
    page.get_by_role("button", name=ZH.new_code).click()
    expect(page.get_by_role("img", name=ZH.code_label)).to_be_visible()
    assert len(world.platform.codes) == 2
    world.platform.confirm(code_on(world), world.card())
    page.wait_for_url(f"{world.redirect}?code=*")
    context.close()


def test_cancelling_leads_back_to_the_subsystem(bridge: RunningBridge, browser: Browser) -> None:
    """With an error that says so, although forms may lead nowhere else than to the bridge."""
    world = bridge.world
    page = open_window(browser, 1280)
    faults = open_login(page, world)
    page.get_by_role("button", name=ZH.cancel).click()
    page.wait_for_url(f"{world.redirect}?error=access_denied*")
    page.context.close()
    assert not faults


def test_the_language_changes_and_the_login_stays(bridge: RunningBridge, browser: Browser) -> None:
    """Also through another code."""
    page = open_window(browser, 390)
    open_login(page, bridge.world)
    page.get_by_role("link", name="English").click()
    say(page, EN.states[LoginState.WAITING])
    assert len(bridge.world.platform.codes) == 1
    page.get_by_role("button", name=EN.new_code).click()
    page.wait_for_url("**/scan/*")
    say(page, EN.states[LoginState.WAITING])
    page.context.close()


def test_a_page_outlives_the_bridge(world: World, browser: Browser) -> None:
    """It is restarted between scan and confirmation; the page, left alone, comes to its end."""
    running = start_bridge(world)
    page = open_window(browser, 1280)
    open_login(page, world)
    say(page, ZH.states[LoginState.WAITING])
    world.platform.scan(code_on(world))
    say(page, ZH.states[LoginState.SCANNED])
    running.stop()
    with running_bridge(world):
        world.platform.confirm(code_on(world), world.card())
        page.wait_for_url(f"{world.redirect}?code=*")
    page.context.close()


def test_where_streams_do_not_get_through_the_page_asks(bridge: RunningBridge, browser: Browser) -> None:
    """A proxy that swallows server-sent events only makes it slower."""
    world = bridge.world
    page = open_window(browser, 1280)
    page.route("**/events?*", lambda route: route.abort())
    open_login(page, world)
    say(page, ZH.states[LoginState.WAITING])
    world.platform.scan(code_on(world))
    say(page, ZH.states[LoginState.SCANNED])
    world.platform.confirm(code_on(world), world.card())
    page.wait_for_url(f"{world.redirect}?code=*")
    page.context.close()


def test_two_tabs_end_once(bridge: RunningBridge, browser: Browser, subsystem: ThreadingHTTPServer) -> None:
    """Both are told; one gets the code, the other says that the login is finished."""
    world = bridge.world
    first = open_window(browser, 1280)
    open_login(first, world)
    say(first, ZH.states[LoginState.WAITING])
    second = first.context.new_page()
    second.goto(first.url)
    say(second, ZH.states[LoginState.WAITING])
    world.platform.confirm(code_on(world), world.card())

    for page in (first, second):
        expect(page.locator("body")).to_contain_text(re.compile(f"subsystem|{ZH.states[LoginState.DONE]}"))
    first.context.close()
    assert len(subsystem.asked) == 1  # type: ignore[attr-defined]
