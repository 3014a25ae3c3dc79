"""A login that would bring a duty along, by a mapper of an identity provider: refused with a page to read."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from urllib.parse import urlencode, urljoin

import pytest
import requests
from deploy.local.form_login import _follow, _Form

from fixtures.guard import CARD, GuardedRealm
from quanheng.keycloak.connection import Connection

HALL = "hall"
"""The identity provider, and the realm that plays it."""
PASSWORD = "Long-enough-1"


@pytest.fixture
def hall(guarded_realm: GuardedRealm) -> Iterator[str]:
    """A foreign provider whose mapper gives a duty to whoever logs in; the id of its one user."""
    admin, secret = guarded_realm.admin, secrets.token_urlsafe(16)
    name = f"{guarded_realm.name}-hall".replace("guarded-", "test-")
    base = f"{admin.url}/realms/{name}/protocol/openid-connect"
    client = {
        "clientId": "broker",
        "secret": secret,
        "redirectUris": [f"{admin.url}/*"],
        "publicClient": False,
    }
    user = {
        "username": "visitor",
        "enabled": True,
        "email": "visitor@hall.invalid",
        "firstName": "张",
        "lastName": "三",
        "credentials": [{"type": "password", "value": PASSWORD, "temporary": False}],
    }
    realm = {"realm": name, "enabled": True, "clients": [client], "users": [user]}
    admin.request("POST", "admin/realms", json=realm)
    provider = {
        "alias": HALL,
        "providerId": "oidc",
        "enabled": True,
        "config": {
            "authorizationUrl": f"{base}/auth",
            "tokenUrl": f"{base}/token",
            "issuer": f"{admin.url}/realms/{name}",
            "clientId": "broker",
            "clientSecret": secret,
            "defaultScope": "openid",
            "syncMode": "FORCE",
        },
    }
    mapper = {
        "name": "power",
        "identityProviderAlias": HALL,
        "identityProviderMapper": "oidc-hardcoded-role-idp-mapper",
        "config": {"syncMode": "FORCE", "role": "duty-handler"},
    }
    providers = guarded_realm.path("/identity-provider/instances")
    admin.request("POST", providers, json=provider)
    guarded_realm.configurator.request("POST", f"{providers}/{HALL}/mappers", json=mapper)
    portal = {
        "clientId": "portal",
        "publicClient": True,
        "redirectUris": ["http://127.0.0.1:1/*"],
    }
    admin.request("POST", guarded_realm.path("/clients"), json=portal)
    yield admin.get(f"admin/realms/{name}/users")[0]["id"]
    admin.request("DELETE", f"{providers}/{HALL}")
    admin.request("DELETE", guarded_realm.path(f"/clients/{guarded_realm.client('portal')}"))
    admin.request("DELETE", f"admin/realms/{name}")


def scan(admin: Connection, realm: str) -> requests.Response:
    """Log in to the portal by the provider, as a browser does; the last page."""
    question = {
        "client_id": "portal",
        "response_type": "code",
        "scope": "openid",
        "redirect_uri": "http://127.0.0.1:1/done",
        "kc_idp_hint": HALL,
    }
    with requests.Session() as browser:
        browser.trust_env = False
        browser.headers["Accept"] = "text/html,application/xhtml+xml,*/*;q=0.8"
        page = _follow(
            browser, "GET", f"{admin.url}/realms/{realm}/protocol/openid-connect/auth?{urlencode(question)}"
        )
        form = _Form()
        form.feed(page.text)
        assert form.action is not None, page.text
        filled_in = {**form.hidden, "username": "visitor", "password": PASSWORD}
        return _follow(browser, "POST", urljoin(page.url, form.action), filled_in)


def test_mapper_of_a_provider(guarded_realm: GuardedRealm, hall: str) -> None:
    """The login ends on a page with the reason; the role was not given, and the veto names no actor."""
    realm = guarded_realm
    user = realm.add_person()
    link = {"identityProvider": HALL, "userId": hall, "userName": "visitor"}
    realm.admin.request("POST", realm.path(f"/users/{user}/federated-identity/{HALL}"), json=link)

    page = scan(realm.admin, realm.name)

    assert page.status_code == 403
    assert page.headers["Content-Type"].startswith("text/html")
    assert "登录过程或后台任务不得授予岗位或权限" in page.text
    assert realm.roles["handler"] not in realm.roles_of(user)
    [told] = realm.vetoes(user)
    assert (told["rule"], told["by"].get("userId")) == ("acting-nobody", None)
    assert len(realm.admin.get(realm.path(f"/users/{user}/federated-identity"))) == 2
    assert CARD in str(realm.admin.get(realm.path(f"/users/{user}/federated-identity")))
