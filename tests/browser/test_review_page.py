"""The printable page of a county's list in a real Chromium, on a desk, on a phone and on paper."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from fixtures.browser import WIDTHS, keep_picture, open_window
from quanheng.lifecycle.review import Handling, ReviewItem, ReviewKind
from quanheng.model.ids import OrgCode, PersonId
from quanheng.operations.review.page import build_page
from quanheng.operations.review.rows import ReviewRow
from quanheng.operations.review.workbook import Heading

HEADING = Heading(
    realm="山西省人社信息系统",
    month="2026-03",
    county="140902",
    county_name="忻府区",
    deadline="2026-03-09",
)
SAID = (
    (ReviewKind.ILLEGAL, "控制台建立的草稿账号，尚未补全实名信息（E4）", Handling.COMPLETE),
    (ReviewKind.OVER_PRIVILEGED, "超出《账号权限对照表》：待遇资格审核（直接授予）（J11）", Handling.REVOKE),
    (
        ReviewKind.DUPLICATE,
        "与 sx0000007 姓名、电话相同，疑为同一人；本账号启用，权限 3 项，从未登录（S11）",
        Handling.DEREGISTER,
    ),
    (ReviewKind.SURPLUS, "没有任何岗位，最近登录 2026-01-12（S11）", Handling.FREEZE),
    (ReviewKind.IDLE, "自 2025-11-02 起从未登录，已满 3 个月（S11）", Handling.FREEZE),
    (ReviewKind.WAIVER_ENDING, "豁免“经办人员原则上不兼业务操作员”将于 2026-03-31 到期（S5）", Handling.END),
)


def write_page(folder: Path, first: str = "zhang.san") -> Path:
    """The page of a list with an answer; ``first``: what the first account is called."""
    rows = [
        ReviewRow(
            item=ReviewItem(
                key=f"{number:064x}",
                month="2026-03",
                county=OrgCode("140902"),
                person=PersonId("a" * 32),
                username=f"sx{number:07}" if number != 1 else first,
                kind=kind,
                detail=detail,
                proposed=proposed,
                deadline=date(2026, 3, 9),
                answer=Handling.KEEP if number == 4 else None,
                answer_reason="等待安排岗位" if number == 4 else "",
            ),
            system="就业社保服务信息系统" if number not in (1, 4) else "统一登录",
            office="南城街道和平社区",
            name="王某某",
            account_type="普通账号" if number != 1 else "草稿账号",
        )
        for number, (kind, detail, proposed) in enumerate(SAID, start=1)
    ]
    file = folder / f"{len(first)}.html"
    file.write_bytes(build_page(HEADING, rows))
    return file


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits(browser: Browser, tmp_path: Path, width: int) -> None:
    """Nothing sticks out at the side, nothing is asked from anywhere, and its policy lets its style in."""
    page, page_file = open_window(browser, width), write_page(tmp_path)
    faults: list[str] = []
    asked: list[str] = []
    page.on("console", lambda line: faults.append(line.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert asked == [page_file.as_uri()]
    assert faults == []
    title = page.locator("h1")
    assert title.evaluate("node => getComputedStyle(node).textAlign") == "center"
    shown = page.locator("td[data-label=使用人]").first.evaluate(
        "node => getComputedStyle(node, '::before').content"
    )
    assert shown == ("none" if width == WIDTHS[0] else '"使用人"')
    keep_picture(page, f"review-{width}")
    page.goto(write_page(tmp_path, "a" * 64).as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.context.close()


def test_it_prints_on_a4_landscape(browser: Browser, tmp_path: Path) -> None:
    """One sheet for a few lines, as its style says."""
    page = open_window(browser, WIDTHS[0])
    page.goto(write_page(tmp_path).as_uri())
    paper = page.pdf(prefer_css_page_size=True)
    page.context.close()
    assert paper.count(b"/Type /Page\n") + paper.count(b"/Type /Page ") == 1
    box = paper.partition(b"/MediaBox [")[2].partition(b"]")[0].split()
    width, height = (float(part) for part in box[2:])
    assert (round(width), round(height)) == (842, 595)
