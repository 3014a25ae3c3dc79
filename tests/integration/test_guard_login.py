"""A login that would bring a duty along, by a mapper of an identity provider: refused with a page to read."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode, urljoin

import pytest
import requests
from deploy.local.form_login import _follow, _Form

from fixtures.guard import CARD, GuardedRealm
from fixtures.hall import HALL, VISITOR, VISITOR_PASSWORD, hall_question, link_visitor, open_hall
from quanheng.keycloak.connection import Connection


@pytest.fixture
def hall(guarded_realm: GuardedRealm) -> Iterator[str]:
    """A foreign provider whose mapper gives a duty to whoever logs in; the id of its one user."""
    mapper = {
        "name": "power",
        "identityProviderAlias": HALL,
        "identityProviderMapper": "oidc-hardcoded-role-idp-mapper",
        "config": {"syncMode": "FORCE", "role": "duty-handler"},
    }
    name = f"{guarded_realm.name}-hall".replace("guarded-", "test-")
    with open_hall(guarded_realm.admin, name) as visitor:
        mappers = guarded_realm.path(f"/identity-provider/instances/{HALL}/mappers")
        guarded_realm.configurator.request("POST", mappers, json=mapper)
        yield visitor


def scan(admin: Connection, realm: str) -> requests.Response:
    """Log in to the portal by the provider, as a browser does; the last page."""
    with requests.Session() as browser:
        browser.trust_env = False
        browser.headers["Accept"] = "text/html,application/xhtml+xml,*/*;q=0.8"
        page = _follow(
            browser,
            "GET",
            f"{admin.url}/realms/{realm}/protocol/openid-connect/auth?{urlencode(hall_question())}",
        )
        form = _Form()
        form.feed(page.text)
        assert form.action is not None, page.text
        filled_in = {**form.hidden, "username": VISITOR, "password": VISITOR_PASSWORD}
        return _follow(browser, "POST", urljoin(page.url, form.action), filled_in)


def test_mapper_of_a_provider(guarded_realm: GuardedRealm, hall: str) -> None:
    """The login ends on a page with the reason; the role was not given, and the veto names no actor."""
    realm = guarded_realm
    user = realm.add_person()
    link_visitor(realm.admin, user, hall)

    page = scan(realm.admin, realm.name)

    assert page.status_code == 403
    assert page.headers["Content-Type"].startswith("text/html")
    assert "登录过程或后台任务不得授予岗位或权限" in page.text
    assert realm.roles["handler"] not in realm.roles_of(user)
    [told] = realm.vetoes(user)
    assert (told["rule"], told["by"].get("userId")) == ("acting-nobody", None)
    assert len(realm.admin.get(realm.path(f"/users/{user}/federated-identity"))) == 2
    assert CARD in str(realm.admin.get(realm.path(f"/users/{user}/federated-identity")))
