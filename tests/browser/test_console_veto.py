"""The administration console in a real Chromium: an administrator reads why a grant is refused."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page

from fixtures.browser import WIDTHS, keep_picture, open_window
from fixtures.guard import PASSWORD, POSTS, GuardedRealm


def let_into_the_console(realm: GuardedRealm, user: str) -> str:
    """Give a person a password, the console's own roles and the console's password form; its user name."""
    realm.log_in(user)
    management = realm.client("realm-management")
    roles = [
        realm.admin.get(realm.path(f"/clients/{management}/roles/{name}"))
        for name in ("query-groups", "query-users", "view-users", "query-realms")
    ]
    realm.admin.request("POST", realm.path(f"/users/{user}/role-mappings/clients/{management}"), json=roles)
    flows = realm.admin.get(realm.path("/authentication/flows"))
    console = realm.client("security-admin-console")
    found = realm.admin.get(realm.path(f"/clients/{console}"))
    # The realm's own flow asks for the card; this one client asks for a password, in this test alone.
    form = next(flow["id"] for flow in flows if flow["alias"] == "browser")
    body = {**found, "authenticationFlowBindingOverrides": {"browser": form}}
    realm.admin.request("PUT", realm.path(f"/clients/{console}"), json=body)
    return str(realm.admin.get(realm.path(f"/users/{user}"))["username"])


@pytest.mark.parametrize("width", WIDTHS)
def test_the_reason_is_read_in_the_console(guarded_realm: GuardedRealm, browser: Browser, width: int) -> None:
    """A 业务管理员 tries to make a 系统管理员 a 业务管理员 as well, and reads in Chinese why not."""
    realm = guarded_realm
    target = realm.add_person("system-admin")
    administrator = let_into_the_console(realm, realm.add_person("business-admin"))
    page = open_window(browser, width)
    page.goto(f"{realm.realm.server.url}/admin/{realm.name}/console/#/{realm.name}/users/{target}/groups")
    page.fill("#username", administrator)
    page.fill("#password", PASSWORD)
    page.click("#kc-login")

    reason = try_to_join(page, "岗位", "140902-忻府区", POSTS["business-admin"])

    keep_picture(page, f"console-veto-{width}")
    page.context.close()
    assert "不予授权“业务管理员”" in reason, reason
    assert "不相容" in reason, reason
    assert "/岗位/140902-忻府区/系统管理员" in reason, reason
    assert realm.groups_of(target) == {realm.duty("system-admin")}


def try_to_join(page: Page, *path: str) -> str:
    """Choose a group in the console's dialogue, as an administrator does; the text of the red alert."""
    page.get_by_role("button", name="加入群组").click()
    dialog = page.get_by_role("dialog")
    for name in path[:-1]:
        dialog.locator("li", has_text=name).first.get_by_role("button").last.click()
        dialog.locator("nav", has_text=name).wait_for()
    dialog.locator("li", has_text=path[-1]).get_by_role("checkbox").check()
    dialog.get_by_role("button", name="加入", exact=True).click()
    alert = page.locator(".pf-v5-c-alert.pf-m-danger")
    alert.wait_for()
    return alert.inner_text()
