"""The login page and the console's forms in a real Chromium that prefers English: whose system it is, whom to
ask, what becomes of an account that is made by hand."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Final
from urllib.parse import urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from deploy.local.keycloak import RunningKeycloak
from playwright.sync_api import Browser, Locator, Page

from fixtures.browser import WIDTHS, keep_picture, open_window
from fixtures.hall import VISITOR, VISITOR_PASSWORD, hall_question, link_visitor, open_hall
from fixtures.servers_keycloak import describe_realm
from quanheng.keycloak.configuration import apply_configuration
from quanheng.keycloak.connection import Connection

SYSTEM: Final = "山西省人社信息系统"
REFUSED: Final = "目前不能登录。请核对登录信息；核对无误的，请联系负责您账号的人社部门管理员。"
PASSWORD: Final = "Sunny-Day-2026"
_HINTS: Final = {
    "username": "建账号时可任填，但不得填写身份证号、手机号",
    "staff_no": "新建账号时填写，人事数据到达后自动补全",
    "org_code": "系统填写，请留空",
    "person_id": "系统填写，请留空",
}
_CONTRAST: Final = 7.0
"""WCAG 2.1, success criterion 1.4.6 (AAA), for text of any size."""
_ATTEMPTS: Final = 10
_numbers = count(1)


@dataclass
class Themed:
    """A realm with the password form, and who is in it."""

    admin: Connection
    users: dict[str, str] = field(default_factory=dict)
    """Ids by user name."""

    @property
    def console(self) -> str:
        """Address of the admin console."""
        return f"{self.admin.url}/admin/{self.admin.realm}/console/#/{self.admin.realm}"

    def add(self, name: str, **fields: object) -> str:
        """An account with a password; its user name."""
        credential = {"type": "password", "value": PASSWORD, "temporary": False}
        body = {"username": name, "firstName": "张三", "enabled": True, "credentials": [credential], **fields}
        made = self.admin.request("POST", self.admin.realm_path("/users"), json=body)
        self.users[name] = made.headers["Location"].rsplit("/", 1)[-1]
        return name

    def is_locked(self, name: str) -> bool:
        """Whether wrong passwords locked it for a while."""
        path = self.admin.realm_path(f"/attack-detection/brute-force/users/{self.users[name]}")
        return bool(self.admin.get(path)["disabled"])


@pytest.fixture(scope="module")
def themed(
    keycloak_server: RunningKeycloak, keycloak_keys: dict[str, ec.EllipticCurvePrivateKey]
) -> Iterator[Themed]:
    """A frozen account, one that wrong passwords will lock, and an administrator of accounts."""
    name = f"test-themed{os.environ.get('PYTEST_XDIST_WORKER', '')}"
    choices = {"label": SYSTEM, "password_form": True}
    realm = describe_realm(keycloak_server, keycloak_keys, name, choices)
    apply_configuration(realm.admin(), realm.desired)
    made = Themed(realm.admin())
    made.add("frozen", enabled=False)
    made.add("locked")
    made.add("mistyped")
    made.add("administrator")
    management = made.admin.get(made.admin.realm_path("/clients"), clientId="realm-management")[0]["id"]
    roles = [
        made.admin.get(made.admin.realm_path(f"/clients/{management}/roles/{role}"))
        for role in ("manage-users", "view-users", "view-realm")
    ]
    holder = f"/users/{made.users['administrator']}/role-mappings/clients/{management}"
    made.admin.request("POST", made.admin.realm_path(holder), json=roles)
    yield made
    made.admin.request("DELETE", made.admin.realm_path())
    realm.close()


@pytest.fixture(params=WIDTHS)
def window(request: pytest.FixtureRequest, browser: Browser, themed: Themed) -> Iterator[Page]:
    """A window, which may ask nobody but our server."""
    page = open_window(browser, request.param, "en-US")
    asked: set[str] = set()
    page.on("request", lambda sent: asked.add(urlsplit(sent.url).netloc))
    yield page
    page.context.close()
    assert asked == {urlsplit(themed.admin.url).netloc}


def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    """Fill in the form that the page shows."""
    page.fill("#username", name)
    page.fill("#password", password)
    page.click("#kc-login")


def refusal(page: Page, name: str, password: str = PASSWORD) -> str:
    """What the form says to somebody, and where: all texts of the page in their order."""
    with page.expect_navigation():
        log_in(page, name, password)
    page.locator(".pf-v5-c-alert").wait_for()
    return page.locator("main").inner_text()


def width_of(page: Page) -> int:
    """Width of the window."""
    assert page.viewport_size is not None
    return page.viewport_size["width"]


def assert_fits(page: Page) -> None:
    """Nothing is wider than the window."""
    assert page.evaluate("document.documentElement.scrollWidth") <= width_of(page)


def contrast(text: Locator) -> float:
    """Contrast of a text with what is behind it, by WCAG 2.1."""
    colours = text.evaluate(
        """element => {
            let behind = element;
            const background = () => getComputedStyle(behind).backgroundColor;
            while (background() === 'rgba(0, 0, 0, 0)') behind = behind.parentElement;
            return [getComputedStyle(element).color, background()];
        }"""
    )
    light, dark = sorted((_luminance(colour) for colour in colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_whose_system_it_is(themed: Themed, window: Page) -> None:
    """The login page names the system and who may use it, in Chinese, on a desk and on a phone."""
    window.goto(themed.console)
    window.locator("#kc-login").wait_for()
    keep_picture(window, f"login-{width_of(window)}")

    assert window.title() == f"登录{SYSTEM}"
    assert window.locator("#kc-header-wrapper").inner_text() == SYSTEM
    assert window.locator("#kc-page-title").inner_text() == "用户登录"
    assert window.locator("#kc-login").inner_text() == "登录"
    assert "仅限授权人员使用" in window.locator(".quanheng-footer").inner_text()
    assert_fits(window)
    for text in ("#kc-header-wrapper", "#kc-page-title", ".quanheng-footer"):
        assert contrast(window.locator(text)) >= _CONTRAST, text


def test_nobody_learns_why(themed: Themed, window: Page) -> None:
    """Unknown, a wrong password, frozen, locked for a while: one text in one place: whom to ask."""
    window.goto(themed.console)
    attempts = 0
    while not themed.is_locked("locked") and attempts < _ATTEMPTS:
        refusal(window, "locked", "wrong")
        attempts += 1
    assert themed.is_locked("locked")

    causes = [("nobody", PASSWORD), ("mistyped", "wrong"), ("frozen", PASSWORD), ("locked", PASSWORD)]
    told = {name: refusal(window, name, password) for name, password in causes}

    keep_picture(window, f"login-refused-{width_of(window)}")
    assert len(set(told.values())) == 1, told
    assert REFUSED in told["frozen"]
    assert_fits(window)
    assert contrast(window.locator(".pf-v5-c-alert__title")) >= _CONTRAST


def test_nobody_learns_why_from_the_card_either(themed: Themed, browser: Browser) -> None:
    """A card without an account, of a frozen one, of a locked one: the page after it is the same."""
    admin = themed.admin
    flows = admin.get(admin.realm_path("/authentication/flows"))
    by_card = next(flow["id"] for flow in flows if flow["alias"] == "quanheng-browser")
    bound = {"authenticationFlowBindingOverrides": {"browser": by_card}}
    question = f"{admin.url}/realms/{admin.realm}/protocol/openid-connect/auth?{urlencode(hall_question())}"

    def scan() -> str:
        page = open_window(browser, WIDTHS[-1], "en-US")
        page.goto(question)
        log_in(page, VISITOR, VISITOR_PASSWORD)
        page.locator("#kc-error-message").wait_for()
        keep_picture(page, "card-refused-390")
        assert_fits(page)
        told = page.locator("body").inner_text()
        page.context.close()
        return told

    locked = themed.add(f"locked-card-{next(_numbers)}")
    page = open_window(browser, WIDTHS[-1])
    page.goto(themed.console)
    for _ in range(_ATTEMPTS):
        if not themed.is_locked(locked):
            refusal(page, locked, "wrong")
    page.context.close()
    assert themed.is_locked(locked)
    with open_hall(admin, f"{admin.realm}-hall", **bound) as visitor:
        told = [scan()]
        for name in (locked, "frozen"):
            link_visitor(admin, themed.users[name], visitor)
            told.append(scan())
            unlink = f"/users/{themed.users[name]}/federated-identity/hall"
            admin.request("DELETE", admin.realm_path(unlink))

    assert len(set(told)) == 1, told
    assert REFUSED in told[0]


def test_an_account_made_by_hand(themed: Themed, window: Page) -> None:
    """The form says in Chinese what to fill in and that it becomes a draft; so does what follows it."""
    window.goto(f"{themed.console}/users/add-user")
    log_in(window, "administrator")
    form = window.locator("main form")
    form.get_by_test_id("staff_no").wait_for()
    keep_picture(window, f"create-user-{width_of(window)}")

    words = form.inner_text()
    assert [
        name
        for name in ("人员信息", "用户名", "姓名", "人员编号", "系统填写", "机构编码", "标识")
        if name not in words
    ] == []
    assert "新建的账号是草稿：停用、无岗位" in words
    hints = {name: form.get_by_test_id(name).get_attribute("placeholder") for name in _HINTS}
    assert hints == _HINTS
    assert form.get_by_test_id("locale-select").count() == 0
    assert_fits(window)

    form.get_by_test_id("username").fill(f"draft-{next(_numbers)}")
    form.get_by_test_id("staff_no").fill("S1")
    window.get_by_role("button", name="创建", exact=True).click()
    toast = window.locator(".pf-v5-c-alert.pf-m-success")
    toast.wait_for()
    assert (
        "账号已建立为草稿：停用、无岗位。人事数据到达或用 quanheng accounts complete 补全后"
        in toast.inner_text()
    )
    keep_picture(window, f"created-user-{width_of(window)}")

    toast.get_by_role("button").click()
    window.locator("label.pf-v5-c-switch", has_text="启用").click()
    dialog = window.get_by_role("dialog")
    assert "冻结该账号" in dialog.inner_text()
    dialog.get_by_test_id("cancel").click()
    window.get_by_test_id("action-dropdown").click()
    window.get_by_role("menuitem", name="删除").click()
    assert "账号不得删除" in dialog.inner_text()
    dialog.get_by_test_id("cancel").click()


def test_a_server_without_the_theme_shows_its_own(themed: Themed, window: Page) -> None:
    """The realm asks for a theme that is not installed, as without the guard's JAR: the form is there."""
    admin = themed.admin
    admin.request(
        "PUT", admin.realm_path(), json={"loginTheme": "not-installed", "adminTheme": "not-installed"}
    )
    try:
        window.goto(themed.console)
        window.locator("#kc-login").wait_for()
        assert window.locator(".quanheng-footer").count() == 0
        log_in(window, "administrator")
        window.locator("#kc-main-content-page-container").wait_for()
    finally:
        admin.request("PUT", admin.realm_path(), json={"loginTheme": "quanheng", "adminTheme": "quanheng"})
