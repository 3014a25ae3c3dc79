"""A sealed account in a real Chromium: its door, and the console behind it."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable

from playwright.sync_api import Browser

from fixtures.browser import open_window
from fixtures.glass_browser import one_time_password
from fixtures.servers_keycloak import KeycloakRealm
from quanheng.keycloak.glass import GlassAccounts
from quanheng.model.ids import Username
from quanheng.model.sensitive import Sensitive

PASSWORD = "Sunny-Day-2026-Winter"


def test_the_door_leads_to_the_console(
    make_keycloak_realm: Callable[..., KeycloakRealm], browser: Browser
) -> None:
    """After password and one-time password the console opens by itself; a locked person is switched on."""
    realm = make_keycloak_realm()
    glass = GlassAccounts(realm.admin())
    secret = base64.b32encode(secrets.token_bytes(20)).decode()
    locked = glass.make(Username("sx0000001"), "某人")
    account = glass.make(Username("break-glass-1"), "应急账号 1")
    glass.empower(account)
    glass.arm(account, Sensitive(PASSWORD), Sensitive(secret))
    page = open_window(browser, 1280)

    page.goto(glass.address())
    page.fill("#username", "break-glass-1")
    page.fill("#password", PASSWORD)
    page.click("#kc-login")
    page.fill("#otp", one_time_password(secret))
    page.click("#kc-login")
    page.get_by_role("link", name="用户管理").click()
    page.get_by_role("link", name="sx0000001").click()
    with page.expect_response(
        lambda answer: answer.request.method == "PUT" and locked in answer.url
    ) as saved:
        page.locator("label[for='sx0000001-switch']").click()

    assert saved.value.ok
    admin = realm.admin()
    assert admin.get(admin.realm_path(f"/users/{locked}"))["enabled"] is True
    page.context.close()
