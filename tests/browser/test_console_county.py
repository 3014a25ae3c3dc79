"""Administrators of a county, of the province and of its audit in the console, in a real Chromium.

With ``QUANHENG_SCREENSHOTS=docs/images/console`` a run takes the pictures of ``docs/howto/console-*``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from fixtures.browser import WIDTHS, keep_picture, open_window
from fixtures.console_realm import COUNTY, OPERATOR, PASSWORD, RECHECKER, TOWNS, ConsoleRealm

DUTIES: Final = "/岗位/140902-忻府区"
_MILLISECONDS: Final = 60_000


@dataclass(frozen=True)
class Desk:
    """The console as somebody has it."""

    page: Page

    def open(self, part: str) -> None:
        """Choose something of the menu."""
        self.menu().filter(has_text=part).click()

    def menu(self) -> Locator:
        """What the menu offers."""
        return self.page.locator("nav .pf-v5-c-nav__link")

    def people(self) -> Locator:
        """User names in the list of people."""
        return self.page.locator("table[aria-label='用户管理'] tbody td:nth-child(2) a")

    def subgroups(self) -> Locator:
        """Names in the table of groups."""
        return self.page.locator("table[aria-label='群组管理'] tbody a")

    def search(self, words: str) -> None:
        """Search the list of people."""
        field = self.page.get_by_test_id("table-search-input").locator("input")
        field.fill(words)
        field.press("Enter")

    def find(self, username: str) -> None:
        """Search for somebody, and open the account."""
        self.open("用户管理")
        self.search(username)
        expect(self.people()).to_have_text([re.compile(username)])
        self.people().click()
        self.title(username)

    def title(self, name: str) -> None:
        """Wait until an account or a group is shown."""
        expect(self.page.get_by_test_id("view-header")).to_have_text(name)

    def switch(self, username: str) -> Locator:
        """What switches an account off and on."""
        return self.page.locator(f"label[for='{username}-switch']")

    def freeze(self, username: str) -> None:
        """Switch an account off, and confirm."""
        self.switch(username).click()
        self.page.get_by_test_id("confirm").click()

    def choose(self, *path: str) -> None:
        """Choose a group in the console's dialogue, as an administrator does."""
        for name in path[:-1]:
            self.dialog.get_by_test_id(name).click()
            expect(self.dialog.locator("nav[aria-label=Breadcrumb]")).to_contain_text(name)
        self.dialog.get_by_test_id(path[-1]).get_by_role("checkbox").check()

    @property
    def dialog(self) -> Locator:
        """The dialogue that is open."""
        return self.page.get_by_role("dialog")

    def join(self, *path: str) -> None:
        """Choose a group, and join it."""
        self.choose(*path)
        self.dialog.get_by_test_id("join-button").click()

    def told(self, kind: Literal["success", "danger"], picture: str = "") -> str:
        """What the console says above the page, which is then closed."""
        alert = self.page.locator(f".pf-v5-c-alert.pf-m-{kind}")
        alert.wait_for()
        words = alert.inner_text()
        if picture:
            self.picture(picture)
        # It goes by itself after a while, which may be now.
        alert.evaluate_all("alerts => alerts.forEach(alert => alert.querySelector('button').click())")
        alert.wait_for(state="detached")
        return words

    def picture(self, name: str, at: Locator | None = None) -> None:
        """The page on a desk and on a phone, when nothing is being fetched. ``at``: what has to be on it."""
        expect(self.page.get_by_role("progressbar")).to_have_count(0)
        for width in WIDTHS:
            self._resize(width)
            if at is not None:
                at.scroll_into_view_if_needed()
            keep_picture(self.page, f"{name}-{width}")
        self._resize(WIDTHS[0])

    def _resize(self, width: int) -> None:
        self.page.set_viewport_size({"width": width, "height": 800})
        menu = "expanded" if width == WIDTHS[0] else "collapsed"
        expect(self.page.locator(f".pf-v5-c-page__sidebar.pf-m-{menu}")).to_have_count(1)


Sit = Callable[[str], Desk]


@pytest.fixture
def sit(console_realm: ConsoleRealm, browser: Browser) -> Iterator[Sit]:
    """Log in at the console, each in a window of its own."""
    pages: list[Page] = []
    expect.set_options(timeout=_MILLISECONDS)

    def sit(who: str) -> Desk:
        page = open_window(browser, WIDTHS[0])
        pages.append(page)
        page.goto(console_realm.address)
        page.fill("#username", console_realm.username(who))
        page.fill("#password", PASSWORD)
        page.click("#kc-login")
        return Desk(page)

    yield sit
    for page in pages:
        page.context.close()


def test_an_operator_from_the_form_to_work(console_realm: ConsoleRealm, sit: Sit) -> None:
    """The 系统管理员 makes a draft, may not enable it, and freezes and unlocks it once it is completed."""
    realm, desk = console_realm, sit("system")
    page, town = desk.page, "/" + "/".join((*COUNTY, TOWNS[0]))

    desk.open("用户管理")
    page.get_by_test_id("add-user").click()
    page.get_by_test_id("username").fill("wang.xinlai")
    page.get_by_test_id("firstName").fill("王新来")
    page.get_by_test_id("staff_no").fill("N00001")
    desk.picture("accounts-form", page.get_by_test_id("staff_no"))
    create = page.get_by_role("button", name="创建", exact=True)
    create.click()  # in no organisation
    assert "未能保存：HTTP 403 Forbidden" in desk.told("danger")
    page.get_by_test_id("join-groups-button").click()
    desk.choose(*COUNTY, TOWNS[0])
    desk.picture("accounts-town")
    desk.dialog.get_by_test_id("join-button").click()
    create.click()
    desk.title("wang.xinlai")
    assert "账号已建立为草稿" in desk.told("success", "accounts-draft")
    made = realm.held("wang.xinlai")
    assert (made["enabled"], made["attributes"]["staff_no"]) == (False, ["N00001"])
    assert realm.groups("wang.xinlai") == {town}

    desk.switch("wang.xinlai").click()
    reason = desk.told("danger", "accounts-draft-refused")
    assert "该账号是草稿：停用、无岗位，须待人事数据或" in reason
    assert realm.held("wang.xinlai")["enabled"] is False

    name = realm.complete("wang.xinlai", "N00001")
    assert realm.held(name)["id"] == made["id"]
    desk.find(name)
    desk.switch(name).click()
    assert "冻结该账号" in desk.dialog.inner_text()
    desk.picture("accounts-freeze")
    page.get_by_test_id("confirm").click()
    assert "用户已保存" in desk.told("success")
    assert realm.held(name)["enabled"] is False
    realm.sync()
    assert realm.held(name)["enabled"] is False

    desk.open("用户管理")
    desk.search(name)
    expect(desk.people()).to_have_text([f"{name}停用"])
    desk.picture("accounts-frozen")
    desk.people().click()
    desk.title(name)
    desk.switch(name).click()
    desk.told("success", "accounts-unlocked")
    realm.sync()
    assert realm.held(name)["enabled"] is True
    assert realm.groups(name) == {town}


def test_sessions_are_ended(console_realm: ConsoleRealm, sit: Sit) -> None:
    """Staff without an administrator's post are told in Chinese; the 系统管理员 ends their sessions."""
    realm = console_realm
    name = realm.username("operator")
    sessions = f"/users/{realm.held(name)['id']}/sessions"

    expect(sit("operator").page.get_by_text("您没有管理员岗位，不能使用控制台")).to_be_visible()
    assert len(realm.admin.get(sessions)) == 1
    desk = sit("system")
    desk.find(name)
    desk.page.get_by_test_id("user-sessions-tab").click()
    expect(desk.page.get_by_text("security-admin-console")).to_be_visible()
    desk.picture("accounts-sessions")
    desk.page.get_by_role("button", name="注销所有会话").click()
    desk.page.get_by_test_id("confirm").click()
    expect(desk.page.get_by_text("security-admin-console")).to_have_count(0)
    assert realm.admin.get(sessions) == []


def test_another_county_is_not_there(console_realm: ConsoleRealm, sit: Sit) -> None:
    """The 系统管理员 of 忻府区 has a menu of two pages, and finds its own people and nobody of 定襄县."""
    realm, desk = console_realm, sit("system")
    other = realm.held(realm.username("other_operator"))

    expect(desk.menu()).to_have_text(["用户管理", "群组管理"])
    desk.open("用户管理")
    own = [item["username"] + ("" if item["enabled"] else "停用") for item in realm.in_charge_of_county()]
    expect(desk.people()).to_have_text(own)
    desk.picture("accounts-list")
    for words in (other["username"], other["firstName"]):
        desk.search(words)
        expect(desk.page.get_by_text("没有搜索结果")).to_be_visible()
        expect(desk.people()).to_have_count(0)
    desk.picture("accounts-elsewhere")
    with desk.page.expect_response(lambda answer: f"/users/{other['id']}" in answer.url) as asked:
        desk.page.goto(f"{realm.address}/users/{other['id']}/settings")
    assert asked.value.status == 403
    assert other["firstName"] not in desk.page.locator("body").inner_text()


def test_the_way_to_the_own_county(console_realm: ConsoleRealm, sit: Sit) -> None:
    """The table of groups shows the way to the own county alone, and its towns in the order of codes."""
    realm, desk = console_realm, sit("system")

    desk.open("群组管理")
    expect(desk.subgroups()).to_have_text(["岗位", "机构"])
    desk.page.get_by_role("button", name="隐藏").click()  # the tree, which is no way: keycloak#52241
    for name, below in zip(COUNTY, [*([name] for name in COUNTY[1:]), list(TOWNS)], strict=True):
        desk.subgroups().filter(has_text=name).click()
        desk.title(name)
        expect(desk.subgroups()).to_have_text(below)
    desk.picture("accounts-towns")
    desk.subgroups().first.click()
    desk.title(TOWNS[0])
    desk.page.get_by_test_id("members").click()
    members = desk.page.locator("table[aria-label='成员'] tbody a")
    expect(members.filter(has_text=realm.username("operator"))).to_have_count(1)
    expect(members).to_have_count(len(realm.in_charge_of_county()))
    desk.picture("accounts-members")


def test_a_duty_is_granted(console_realm: ConsoleRealm, sit: Sit) -> None:
    """The 业务管理员 grants a duty, reads in Chinese why not a conflicting one, and cannot freeze."""
    realm, desk = console_realm, sit("business")
    name = realm.employ("N00002")
    page, place = desk.page, realm.groups(name)

    expect(desk.menu()).to_have_text(["用户管理", "群组管理"])
    desk.find(name)
    page.get_by_test_id("user-groups-tab").click()
    page.get_by_test_id("add-group-button").click()
    desk.choose(*DUTIES.strip("/").split("/"), OPERATOR)
    desk.picture("duties-choose")
    desk.dialog.get_by_test_id("join-button").click()
    assert "已添加群组成员身份" in desk.told("success", "duties-granted")
    assert realm.groups(name) == place | {f"{DUTIES}/{OPERATOR}"}
    realm.sync()
    assert realm.groups(name) == place | {f"{DUTIES}/{OPERATOR}"}

    page.get_by_test_id("add-group-button").click()
    desk.join(*DUTIES.strip("/").split("/"), RECHECKER)
    reason = desk.told("danger", "duties-refused")
    assert "不予授权：“业务操作员与业务复核员不得由一人兼任”（T1）" in reason
    assert "不相容" in reason
    assert realm.groups(name) == place | {f"{DUTIES}/{OPERATOR}"}

    desk.freeze(name)
    desk.told("danger", "duties-no-freeze")
    assert realm.held(name)["enabled"] is True

    page.get_by_test_id(f"leave-{OPERATOR}").click()
    desk.picture("duties-leave")
    page.get_by_test_id("confirm").click()
    desk.told("success")
    assert realm.groups(name) == place


def test_the_province_keeps_county_administrators(console_realm: ConsoleRealm, sit: Sit) -> None:
    """The province's 系统管理员 switches a county's administrator off and on, and finds nobody of a town."""
    realm, desk = console_realm, sit("province_system")
    name = realm.username("business")

    desk.open("用户管理")
    kept = ("system", "business", "handler", "other_system", "other_business")
    expect(desk.people()).to_have_text(sorted(realm.username(who) for who in kept))
    desk.picture("province-list")
    desk.search(realm.username("operator"))
    expect(desk.page.get_by_text("没有搜索结果")).to_be_visible()
    desk.find(name)
    desk.freeze(name)
    desk.told("success", "province-frozen")
    assert realm.held(name)["enabled"] is False
    desk.switch(name).click()
    desk.told("success")
    assert realm.held(name)["enabled"] is True
    desk.page.get_by_test_id("user-groups-tab").click()
    expect(desk.page.get_by_test_id("add-group-button")).to_be_disabled()


def test_bureau_staff_get_their_duties_from_the_province(console_realm: ConsoleRealm, sit: Sit) -> None:
    """The province's 业务管理员 takes a duty from somebody of a county's bureau and grants it again."""
    realm, desk = console_realm, sit("province_business")
    name, duty = realm.username("handler"), f"{DUTIES}/经办人员"
    assert duty in realm.groups(name)

    desk.open("用户管理")
    expect(desk.people()).to_have_text([name])
    desk.find(name)
    desk.page.get_by_test_id("user-groups-tab").click()
    desk.page.get_by_test_id("leave-经办人员").click()
    desk.page.get_by_test_id("confirm").click()
    desk.told("success")
    assert duty not in realm.groups(name)
    desk.page.get_by_test_id("add-group-button").click()
    desk.choose(*duty.strip("/").split("/"))
    desk.picture("province-duty")
    desk.dialog.get_by_test_id("join-button").click()
    desk.told("success")
    assert duty in realm.groups(name)


def test_the_auditor_reads_and_changes_nothing(console_realm: ConsoleRealm, sit: Sit) -> None:
    """The 审计员 of the province finds everybody and every act, and neither saves nor switches anybody."""
    realm, desk = console_realm, sit("auditor")
    name = realm.username("operator")

    pages = ["客户端", "领域角色", "用户管理", "群组管理", "事件", "领域设置", "身份供应商", "用户联盟"]
    expect(desk.menu()).to_have_text(pages)
    for who in ("operator", "other_operator", "system", "province_system"):
        desk.open("用户管理")
        desk.search(realm.username(who))
        expect(desk.people()).to_have_text([realm.username(who)])
    desk.picture("audit-people")
    desk.open("事件")
    desk.page.get_by_test_id("admin-events-tab").click()
    expect(desk.page.get_by_role("row").filter(has_text="GROUP_MEMBERSHIP").first).to_be_visible()
    desk.picture("audit-events")
    desk.find(name)
    before = realm.held(name)
    desk.freeze(name)
    desk.told("danger", "audit-refused")
    desk.page.get_by_test_id("firstName").fill("另一人")
    desk.page.get_by_role("button", name="保存", exact=True).click()
    desk.told("danger")
    assert realm.held(name) == before
