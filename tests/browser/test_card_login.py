"""From a subsystem to the phone and back in a real Chromium: Keycloak, bridge, phone, two subsystems."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Final

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Browser, Page

from fixtures.browser import WIDTHS, keep_picture, open_window
from fixtures.card_login import FIRST, SECOND, CardLogin, card_login

__all__ = ["card_login"]

REFUSED: Final = "目前不能登录。请核对登录信息；核对无误的，请联系负责您账号的人社部门管理员。"
_LOCALE: Final = "zh-CN"


@pytest.fixture(params=WIDTHS)
def window(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A window of whoever is at the desk."""
    page = open_window(browser, request.param, _LOCALE)
    yield page
    page.context.close()


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """The phone in somebody's hand: it shares nothing with the window."""
    page = open_window(browser, WIDTHS[-1], _LOCALE)
    yield page
    page.context.close()


def width_of(page: Page) -> int:
    """Width of the window."""
    assert page.viewport_size is not None
    return page.viewport_size["width"]


def picture(page: Page, name: str) -> None:
    """Keep what it looks like; nothing is wider than the window."""
    keep_picture(page, f"card-{name}-{width_of(page)}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width_of(page)


def hold(card_login: CardLogin, phone: Page, person: str) -> None:
    """The phone's owner opens the card and scans the newest code."""
    phone.goto(f"{card_login.simulator.origin}/phone?person={person}")
    phone.get_by_role("button", name="只扫描").wait_for()


def confirm(card_login: CardLogin, phone: Page, person: str) -> None:
    """Scan, and confirm."""
    hold(card_login, phone, person)
    phone.get_by_role("button", name="确认登录").click()


def open_code(card_login: CardLogin, window: Page, client: str = FIRST) -> None:
    """Open a subsystem: it leads to the bridge's page, which shows a code."""
    window.goto(card_login.subsystems[client])
    window.locator("#panel .frame[role=img] svg").wait_for()
    assert window.url.startswith(f"{card_login.bridge_url}/scan/")


def test_a_camera_reads_the_code(card_login: CardLogin, window: Page) -> None:
    """What is read from a picture of the page is the code that the platform gave."""
    open_code(card_login, window)
    read = zxingcpp.read_barcodes(Image.open(BytesIO(window.screenshot())))
    assert [found.format for found in read] == [zxingcpp.BarcodeFormat.QRCode]
    card_login.simulator.post("scan", code=read[0].text, person=card_login.card("operator"))
    window.get_by_text("已扫描").first.wait_for()


def test_signed_in_and_out(card_login: CardLogin, window: Page, phone: Page) -> None:
    """The subsystem leads to a code, the phone confirms, and the person is there with the right duties; the
    other subsystem asks for nothing more; who leaves one has left both."""
    open_code(card_login, window)
    picture(window, "code")
    hold(card_login, phone, card_login.card("operator"))
    phone.get_by_role("button", name="只扫描").click()
    window.get_by_text("已扫描").first.wait_for()
    picture(window, "scanned")
    phone.get_by_role("button", name="确认登录").click()

    window.wait_for_url(f"{card_login.subsystems[FIRST]}/")
    picture(window, "subsystem")
    assert window.locator("#username").inner_text() == card_login.user("operator")["username"]
    assert window.locator("#organisation").inner_text() == "山西省 › 忻州市 › 忻府区 › 南城街道"
    assert window.locator("#duties").inner_text() == "岗位 › 忻府区 › 业务操作员"
    held = {item.get_attribute("data-role") for item in window.locator("#permissions li").all()}
    posts = {post.id: post.label for post in card_login.world.pack.posts.posts}
    (subsystem,) = card_login.world.pack.permissions.subsystems
    assert held == {
        item.id for item in subsystem.permissions if "业务操作员" in {posts[post] for post in item.posts}
    }
    assert window.locator("#way").inner_text() == "电子社保卡"

    window.goto(card_login.subsystems[SECOND])
    assert window.url == f"{card_login.subsystems[SECOND]}/"
    assert window.locator("#permissions").inner_text() == "在本系统没有权限"

    window.goto(card_login.subsystems[FIRST])
    window.get_by_role("button", name="退出").click()
    window.wait_for_url(f"{card_login.subsystems[FIRST]}/goodbye")
    picture(window, "goodbye")
    for client in (FIRST, SECOND):
        open_code(card_login, window, client)


def test_refused_by_the_bridge(card_login: CardLogin, window: Page, phone: Page) -> None:
    """A card that no registry knows, one that is reported lost, that of somebody who left: each reads why and
    whom to ask, and is not signed in."""
    if card_login.user("leaver")["enabled"]:
        card_login.dismiss("leaver")
    for person, reason in (
        ("odd-stranger", "系统中没有您的账号"),
        ("odd-2", "挂失"),
        (card_login.card("leaver"), "按人事信息您已离岗，账号已停用"),
    ):
        open_code(card_login, window)
        confirm(card_login, phone, person)
        window.get_by_text(reason).first.wait_for()
        picture(window, f"refused-{person}")
    open_code(card_login, window, SECOND)


def test_refused_by_keycloak(card_login: CardLogin, window: Page, phone: Page) -> None:
    """An account that is disabled in Keycloak alone, and a card that no account is linked to: one page
    for both, in Chinese, which says whom to ask."""
    if card_login.user("off")["enabled"]:
        card_login.switch_off("off")
    card_login.unlink("unlinked")
    told = set()
    for who in ("off", "unlinked"):
        open_code(card_login, window)
        confirm(card_login, phone, card_login.card(who))
        window.locator("#kc-error-message").wait_for()
        picture(window, f"keycloak-{who}")
        told.add(window.locator("#kc-error-message").inner_text())
    assert len(told) == 1
    assert REFUSED in told.pop()


def test_cancelled_on_the_phone(card_login: CardLogin, window: Page, phone: Page) -> None:
    """The page says so and goes back by a click; Keycloak tells it again and begins nothing by itself."""
    open_code(card_login, window)
    hold(card_login, phone, card_login.card("operator"))
    phone.get_by_role("button", name="取消").click()
    window.get_by_role("button", name="返回").wait_for()
    picture(window, "cancelled")
    window.get_by_role("button", name="返回").click()
    window.locator("#kc-error-message").wait_for()
    picture(window, "keycloak-cancelled")
    assert "没有通过电子社保卡完成登录" in window.locator("#kc-error-message").inner_text()
