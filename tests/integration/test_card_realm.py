"""A login by card through the real bridge and a real Keycloak: who comes in, as whom, and what it leaves."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Mapping
from typing import Any, Final

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from deploy.local.card_login import CardBrowser, CardLoginError, log_in_by_card

from fixtures.card_login import FIRST, SECOND, CardLogin, card_login
from quanheng.errors import ConfigurationError
from quanheng.operations.doctor.bridge import examine_bridge
from quanheng.operations.doctor.result import State
from quanheng.operations.realm import RealmOptions, apply_realm, read_drift

__all__ = ["card_login"]

PROVIDER: Final = "/identity-provider/instances/social-card"
REFUSED: Final = "目前不能登录。请核对登录信息；核对无误的，请联系负责您账号的人社部门管理员。"
_SECONDS: Final = 15


def words(page: requests.Response) -> str:
    """What the page says."""
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", page.text, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", " ", text))


def shown(page: requests.Response, part: str) -> list[str]:
    """Lines of a part of a subsystem's page."""
    found = re.search(rf'id="{part}">(.*?)</dd>', page.text, re.DOTALL)
    assert found is not None, (page.status_code, page.url)
    return [item.strip() for item in re.findall(r">([^<]+)<", f">{found[1]}<") if item.strip()]


def fields(page: requests.Response) -> dict[str, str]:
    """What the page's form sends."""
    return {
        name: html.unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', page.text)
    }


def keys_of(card_login: CardLogin) -> set[str]:
    """Names of the realm's keys."""
    found = card_login.admin.get("/components", type="org.keycloak.keys.KeyProvider")
    return {item["name"] for item in found}


def events(card_login: CardLogin, kind: str) -> list[Any]:
    """Events of the realm, the newest first."""
    found: list[Any] = card_login.admin.get("/events", type=kind, max=100)
    return found


def test_who_comes_in(card_login: CardLogin) -> None:
    """Two people, each with the own organisation, duties and permissions, by card; a permission of one
    subsystem is none of the other."""
    for who, duties, some, none in (
        ("operator", {"岗位 › 忻府区 › 业务操作员"}, "服务事项办理", "待遇申领受理"),
        ("handler", {"岗位 › 忻府区 › 经办人员", "资格 › 正式在编"}, "待遇申领受理", "待遇资格审核"),
    ):
        browser, page = card_login.log_in(who)
        with browser:
            assert page.url == f"{card_login.subsystems[FIRST]}/"
            assert shown(page, "username") == [card_login.user(who)["username"]]
            assert set(shown(page, "duties")) == duties
            assert some in shown(page, "permissions")
            assert none not in shown(page, "permissions")
            assert shown(page, "way") == ["电子社保卡"]
            other = browser.open(card_login.subsystems[SECOND])
            assert shown(other, "permissions") == ["在本系统没有权限"]
            claims = jwt.decode(fields(page)["id_token_hint"], options={"verify_signature": False})
            assert {"idp": claims["idp"], "org_code": claims["org_code"]} == {
                "idp": "social-card",
                "org_code": card_login.world.row(card_login.staff[who]).org,
            }


def test_a_login_writes_nothing(card_login: CardLogin) -> None:
    """Name, attributes, link and groups of an account are as the sync left them; the realm
    has no new key, and nothing of its settings differs."""
    user = card_login.user("operator")
    paths = (f"/users/{user['id']}/{part}" for part in ("federated-identity", "groups"))
    before = [user, keys_of(card_login), *(card_login.admin.get(path) for path in paths)]
    card_login.log_in("operator")[0].__exit__()
    paths = (f"/users/{user['id']}/{part}" for part in ("federated-identity", "groups"))
    after = [
        card_login.user("operator"),
        keys_of(card_login),
        *(card_login.admin.get(path) for path in paths),
    ]
    assert after == before
    drift = read_drift(card_login.world.context)
    assert drift.ours == ()
    assert [
        gap.where for gap in drift.differences if gap.where.startswith(("identity-providers", "keys"))
    ] == []


def test_another_key_would_appear(card_login: CardLogin) -> None:
    """Why Keycloak signs for the bridge with RS256: with ES256 it makes a key of its own accord at the first
    login, which is told as a way in."""
    found = card_login.admin.get(PROVIDER)
    changed = {**found["config"], "clientAssertionSigningAlg": "ES256"}
    card_login.admin.send("PUT", PROVIDER, {**found, "config": changed})
    assert keys_of(card_login) == {
        "rsa-generated",
        "rsa-enc-generated",
        "hmac-generated-hs512",
        "aes-generated",
    }
    card_login.log_in("operator")[0].__exit__()
    try:
        assert "fallback-ES256" in keys_of(card_login)
        told = {gap.where for gap in read_drift(card_login.world.context).alarming}
        assert told == {
            "keys.fallback-ES256",
            "identity-providers.social-card.config.clientAssertionSigningAlg",
        }
    finally:
        made = card_login.admin.get("/components", type="org.keycloak.keys.KeyProvider")
        for component in made:
            if component["name"] == "fallback-ES256":
                card_login.admin.send("DELETE", f"/components/{component['id']}")
        card_login.apply()
    assert read_drift(card_login.world.context).ours == ()


def test_who_is_refused(card_login: CardLogin) -> None:
    """Whom the bridge refuses learns why; whom Keycloak alone refuses reads one text for every reason. Nobody
    gets an account or a link by it, whatever the name is."""
    card_login.dismiss("leaver")
    card_login.switch_off("off")
    card_login.unlink("unlinked")
    accounts = card_login.admin.get("/users", max=500)
    links = {user["id"]: card_login.admin.get(f"/users/{user['id']}/federated-identity") for user in accounts}

    with CardBrowser(card_login.simulator.origin) as browser:
        for person, reason in (
            (card_login.card("leaver"), "已离岗"),
            ("odd-stranger", "没有您的账号"),
            ("odd-2", "挂失"),
        ):
            page = browser.open(card_login.subsystems[FIRST])
            assert browser.confirm(page, person) == "refused"
            assert reason in words(browser.open(page.url)), person
    told = set()
    for who in ("off", "unlinked"):
        browser, page = card_login.log_in(who)
        with browser:
            assert page.status_code in (400, 401)
            assert page.url.startswith(card_login.admin.connection.url)
            told.add(re.sub(r"\s+", "", words(page)))
            assert browser.shows_code(browser.open(card_login.subsystems[FIRST]))  # not signed in
    assert len(told) == 1
    assert REFUSED in told.pop()

    assert card_login.admin.get("/users", max=500) == accounts
    assert links == {
        user["id"]: card_login.admin.get(f"/users/{user['id']}/federated-identity") for user in accounts
    }


def test_nobody_is_linked_by_name(card_login: CardLogin) -> None:
    """A card with an enabled person's name and another number: no account."""
    other = card_login.world._mint.resident_number()
    person = card_login.card("operator", id="namesake", document_number=other)
    with pytest.raises(CardLoginError, match="refused"):
        log_in_by_card(card_login.subsystems[FIRST], card_login.simulator.origin, person)


def test_cancelled(card_login: CardLogin) -> None:
    """Whoever goes back from the page is told so, and not sent to the next code at once."""
    with CardBrowser(card_login.simulator.origin) as browser:
        page = browser.open(card_login.subsystems[FIRST])
        sent = browser._session.post(
            f"{page.url.partition('?')[0]}/cancel",
            data={"token": fields(page)["token"]},
            headers={"Origin": card_login.bridge_url},
            timeout=_SECONDS,
        )
        onward = re.search(r'content="0;url=([^"]+)"', sent.text)
        assert onward is not None
        back = browser.open(html.unescape(onward[1]))
    assert back.url.startswith(card_login.admin.connection.url)
    assert "没有通过电子社保卡完成登录" in words(back)


def test_switched_off(card_login: CardLogin) -> None:
    """Without the provider nobody comes in, and the page has no other way; switched off in the
    console it stays so until somebody applies, and is a difference."""
    found = card_login.admin.get(PROVIDER)
    card_login.admin.send("PUT", PROVIDER, {**found, "enabled": False})
    try:
        assert {gap.where for gap in read_drift(card_login.world.context).alarming} == {
            "identity-providers.social-card.enabled"
        }
        off = requests.get(card_login.subsystems[FIRST], timeout=_SECONDS)
        assert off.url.startswith(card_login.admin.connection.url)
        assert REFUSED in re.sub(r"\s+", "", words(off))
        assert re.findall(r"<(?:form|input)\b", off.text) == []
    finally:
        card_login.apply()
    assert card_login.admin.get(PROVIDER)["enabled"] is True


def test_logged_out_everywhere(card_login: CardLogin) -> None:
    """Who leaves one subsystem is logged out of the other, and no ID token was in an address."""
    browser, page = card_login.log_in("handler")
    with browser:
        other = browser.open(card_login.subsystems[SECOND])
        assert shown(other, "way") == ["电子社保卡"]
        forged = browser.send("POST", f"{card_login.subsystems[FIRST]}/logout", {"form_token": "x"})
        assert forged.status_code == 403
        assert shown(browser.open(card_login.subsystems[FIRST]), "username")  # still there
        left = browser.send("POST", f"{card_login.subsystems[FIRST]}/logout", fields(page))
        assert left.url == f"{card_login.subsystems[FIRST]}/goodbye"
        assert "id_token" not in left.url
        for address in card_login.subsystems.values():
            assert browser.shows_code(browser.open(address))


def test_tokens_that_do_not_count(card_login: CardLogin) -> None:
    """A subsystem logs nobody out for what Keycloak did not sign for it, as a logout token, now."""
    browser, page = card_login.log_in("operator")
    address = f"{card_login.subsystems[FIRST]}/backchannel-logout"
    token = fields(page)["id_token_hint"]
    sid = jwt.decode(token, options={"verify_signature": False})["sid"]
    now = int(time.time())
    claims: Mapping[str, Any] = {
        "iss": jwt.decode(token, options={"verify_signature": False})["iss"],
        "aud": FIRST,
        "sid": sid,
        "iat": now,
        "exp": now + 60,
        "jti": "1",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    }
    kid = jwt.get_unverified_header(token)["kid"]
    forged = jwt.encode(
        dict(claims), ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers={"kid": kid}
    )
    for bad in (
        token,
        forged,
        jwt.encode(dict(claims), "", algorithm="none", headers={"kid": kid}),
        "",
        "x.y.z",
    ):
        assert requests.post(address, data={"logout_token": bad}, timeout=_SECONDS).status_code == 400
    with browser:
        assert shown(browser.open(card_login.subsystems[FIRST]), "username")


def test_answers_that_do_not_count(card_login: CardLogin) -> None:
    """A subsystem takes no code with a state that it did not give, or gave to another browser, or from
    another issuer, and none twice."""
    address = f"{card_login.subsystems[FIRST]}/callback"
    issuer = f"{card_login.admin.connection.url}/realms/{card_login.admin.connection.realm}"
    login = requests.get(f"{card_login.subsystems[FIRST]}/login", timeout=_SECONDS, allow_redirects=False)
    found = re.search(r"state=([\w-]+)", login.headers["Location"])
    assert found is not None
    state = found[1]
    cookie = login.headers["Set-Cookie"].partition(";")[0]
    tries: list[tuple[dict[str, str], str]] = [
        ({"state": "x", "code": "y", "iss": issuer}, cookie),
        ({"state": state, "code": "y", "iss": issuer}, ""),
        ({"state": state, "code": "y", "iss": "https://other.invalid"}, cookie),
        ({"state": state, "code": "y", "iss": issuer}, cookie),  # the one before used it up
    ]
    for query, held in tries:
        answer = requests.get(
            address, params=query, headers={"Cookie": held}, timeout=_SECONDS, allow_redirects=False
        )
        assert answer.status_code == 400, query
        assert "Set-Cookie" not in answer.headers


def test_doctor(card_login: CardLogin) -> None:
    """The doctor finds the bridge well; and says when the provider trusts another or is off, or the
    bridge is down."""
    context = card_login.world.context
    assert {
        result.id: result.state for result in examine_bridge(context) if result.state is not State.OK
    } == {}

    found = card_login.admin.get(PROVIDER)
    wrong = {**found["config"], "issuer": "https://other.invalid", "tokenUrl": "https://other.invalid/token"}
    card_login.admin.send("PUT", PROVIDER, {**found, "enabled": False, "config": wrong})
    try:
        told = {result.id for result in examine_bridge(context) if result.state is not State.OK}
        assert told == {"bridge.provider", "bridge.addresses"}
    finally:
        card_login.apply()

    elsewhere = {
        **found["config"],
        "tokenUrl": card_login.bridge_url.replace("127.0.0.1", "localhost") + "/token",
    }
    card_login.admin.send("PUT", PROVIDER, {**found, "config": elsewhere})
    try:
        assert "bridge.addresses" in {item.id for item in examine_bridge(context) if item.state is State.FAIL}
        card_login.apply(accept_provider=True)
        assert [item for item in examine_bridge(context) if item.state is not State.OK] == []
    finally:
        card_login.admin.send("PUT", PROVIDER, found)
        card_login.apply(accept_provider=True)

    bridge = context.settings.bridge
    assert bridge is not None
    gone = context.settings.model_copy(
        update={"bridge": bridge.model_copy(update={"issuer": "http://127.0.0.1:9"})}
    )
    with card_login.world.open(settings=gone) as other:
        told = {result.id for result in examine_bridge(other) if result.state is State.FAIL}
    assert "bridge.reached" in told


def test_the_settings_say_where_the_bridge_is(card_login: CardLogin) -> None:
    """Nobody named an issuer: it is that of [bridge]; without such a table it is not switched
    on."""
    assert card_login.admin.get(PROVIDER)["config"]["issuer"] == card_login.bridge_url
    settings = card_login.world.context.settings.model_copy(update={"bridge": None})
    with (
        card_login.world.open(settings=settings) as context,
        pytest.raises(ConfigurationError, match="where the bridge is"),
    ):
        apply_realm(context, card_login.admin_password, RealmOptions(social_card=True))


def test_events_say_nothing_of_the_card(card_login: CardLogin) -> None:
    """No number of a document, phone or card is in the realm's events of all these logins."""
    text = json.dumps([*events(card_login, "LOGIN"), *events(card_login, "IDENTITY_PROVIDER_LOGIN_ERROR")])
    assert "social-card" in text
    for row in card_login.world.people:
        assert row.canonical_number not in text
        assert row.phone not in text
