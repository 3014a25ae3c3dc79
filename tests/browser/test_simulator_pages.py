"""The simulator's phone page in a real Chromium, on a desk and on a phone."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from playwright.sync_api import Browser, Page, expect

from fixtures.browser import WIDTHS, keep_picture, open_window
from fixtures.card_platform import SYSTEM_NAME, RunningSimulator, platform_settings, run_simulator
from fixtures.identities import a_mint
from quanheng.bridge.card.national import NationalPlatform
from quanheng.bridge.values import ScanState

NUMBER: Final = a_mint().resident_number()
PEOPLE: Final = 200
_T = TypeVar("_T")


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    """With many people, of whom one is looked for."""
    with run_simulator() as running:
        for place in range(PEOPLE):
            running.post(
                "people",
                id=f"p{place}",
                name=f"测试{place:03}",
                document_number=NUMBER,
                label="五台县 操作员",
            )
        running.post("people", id="admin", name="王测试", document_number=NUMBER, label="忻府区 系统管理员")
        yield running


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run something in a loop of its own: Playwright has one in this thread."""
    found: list[_T] = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(work)))
    thread.start()
    thread.join()
    return found[0]


@pytest.fixture(params=WIDTHS)
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A window of each width."""
    window = open_window(browser, request.param)
    faults: list[str] = []
    window.on("pageerror", lambda error: faults.append(str(error)))
    window.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    yield window
    window.context.close()
    assert faults == []


def new_code(simulator: RunningSimulator, folder: Path) -> str:
    """A code that the adapter made."""

    async def make() -> str:
        platform = NationalPlatform(platform_settings(folder, simulator.url))
        try:
            return await platform.make_code()
        finally:
            await platform.close()

    return run(make())


def state_of(simulator: RunningSimulator, folder: Path, code: str) -> ScanState:
    """What the adapter says of it."""

    async def ask() -> ScanState:
        platform = NationalPlatform(platform_settings(folder, simulator.url))
        try:
            return (await platform.ask(code)).state
        finally:
            await platform.close()

    return run(ask())


def fits(page: Page) -> bool:
    """Whether nothing sticks out at the side."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_somebody_is_found_and_confirms(simulator: RunningSimulator, page: Page, tmp_path: Path) -> None:
    """Search by words of name and label, see who asks, scan, confirm; the number is masked all the way."""
    code = new_code(simulator, tmp_path)
    width = page.viewport_size["width"] if page.viewport_size else 0
    page.goto(f"{simulator.origin}/phone")
    assert fits(page)
    expect(page.get_by_role("listitem").filter(has_text="操作员")).not_to_have_count(PEOPLE)
    expect(page.get_by_role("button", name="确认登录")).to_be_disabled()
    page.get_by_label(re.compile("姓名")).fill("忻府区 管理员")
    page.get_by_role("button", name="查找").click()
    keep_picture(page, f"phone-search-{width}")
    page.get_by_role("link", name=re.compile("王测试")).click()
    expect(page.get_by_text(f"{SYSTEM_NAME} 请求登录")).to_be_visible()
    page.get_by_role("button", name="只扫描").click()
    expect(page.get_by_text("已扫描，等待确认").first).to_be_visible()
    assert state_of(simulator, tmp_path, code) is ScanState.SCANNED
    keep_picture(page, f"phone-scanned-{width}")
    page.get_by_role("button", name="确认登录").click()
    expect(page.get_by_text("已确认").first).to_be_visible()
    assert state_of(simulator, tmp_path, code) is ScanState.CONFIRMED
    assert NUMBER not in page.content()
    assert NUMBER not in page.url
    assert fits(page)


def test_an_address_brings_its_code(simulator: RunningSimulator, page: Page, tmp_path: Path) -> None:
    """Not the newest one; and cancelling ends it."""
    code = new_code(simulator, tmp_path)
    newer = new_code(simulator, tmp_path)
    page.goto(f"{simulator.origin}/phone?code={code}&person=admin")
    page.get_by_role("button", name="取消").click()
    expect(page.get_by_text("已取消").first).to_be_visible()
    assert state_of(simulator, tmp_path, code) is ScanState.CANCELLED
    assert state_of(simulator, tmp_path, newer) is ScanState.WAITING


def test_a_code_that_ended_meanwhile_is_told(simulator: RunningSimulator, page: Page, tmp_path: Path) -> None:
    """The button of an old page does nothing, and says so."""
    code = new_code(simulator, tmp_path)
    page.goto(f"{simulator.origin}/phone?code={code}&person=admin")
    simulator.post("expire", code=code)
    page.get_by_role("button", name="确认登录").click()
    expect(page.get_by_role("alert")).to_contain_text("二维码已过期或已处理")
    assert state_of(simulator, tmp_path, code) is ScanState.EXPIRED
