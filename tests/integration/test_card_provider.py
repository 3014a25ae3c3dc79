"""Whoever points the card's provider elsewhere logs in as anybody: its addresses stay as they were left."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from deploy.local.keycloak import RunningKeycloak

from fixtures.real_world import RealWorld, choices_of, open_real_world
from fixtures.servers_keycloak import KeycloakRealm
from fixtures.world import WorldTemplate
from quanheng.errors import ConfigurationError
from quanheng.keycloak.clients import open_configurator
from quanheng.keycloak.configuration import NotMendedError
from quanheng.keycloak.credentials import AdminPassword
from quanheng.keycloak.rest import CONFIGURATOR_CLIENT
from quanheng.model.sensitive import Sensitive
from quanheng.operations.realm import RealmApplied, RealmOptions, apply_realm, read_drift, read_options
from quanheng.policy.pack import load_packs
from quanheng.store.meta import read_text, write_text

PROVIDER: Final = "/identity-provider/instances/social-card"
WHERE: Final = "identity-providers.social-card.config"
BRIDGE: Final = RealmOptions(social_card_issuer="https://bridge.invalid/")
ADDRESSES: Final = ("issuer", "authorizationUrl", "tokenUrl", "jwksUrl", "userInfoUrl", "clientId")
PINS: Final = "identity_provider_pins"
"""Entry of ``meta``."""
THIEF: Final = "https://thief.invalid/x"


@pytest.fixture
def real(
    make_keycloak_realm: Callable[..., KeycloakRealm], world_template: WorldTemplate, tmp_path: Path
) -> RealWorld:
    """A realm that is not configured yet, and whoever configures it."""
    made = make_keycloak_realm(configured=False, **choices_of(load_packs(["shanxi"])))
    # The server believes no rules of ours, and does not have to guard the realm.
    return open_real_world(made, world_template, tmp_path / "world", rules_key=Ed25519PrivateKey.generate())


@pytest.fixture
def apply(real: RealWorld, keycloak_server: RunningKeycloak) -> Callable[..., RealmApplied]:
    """``quanheng realm apply``."""
    credential = AdminPassword(keycloak_server.admin_user, Sensitive(keycloak_server.admin_password))

    def run(options: RealmOptions = BRIDGE, **how: bool) -> RealmApplied:
        return apply_realm(real.world.context, credential, options, keep_open=True, **how)

    return run


def config(real: RealWorld) -> dict[str, Any]:
    """Settings of the provider."""
    found: dict[str, Any] = real.admin.get(PROVIDER)["config"]
    return found


def put(real: RealWorld, **settings: str) -> None:
    """Change settings of the provider in the console."""
    found = real.admin.get(PROVIDER)
    real.admin.send("PUT", PROVIDER, {**found, "config": {**found["config"], **settings}})


def read_pins(real: RealWorld) -> str | None:
    """What is known of how the addresses were left."""
    with real.world.context.database.reading() as connection:
        return read_text(connection, PINS)


def drift(real: RealWorld) -> set[str]:
    """What of ours differs, as the daily client sees it."""
    return {gap.where for gap in read_drift(real.world.context).ours}


def test_addresses_are_kept(real: RealWorld, apply: Callable[..., RealmApplied]) -> None:
    """Each that is altered, added or taken out is named, and applying with the same options puts it back."""
    assert apply().accepted == ()
    before = config(real)
    assert before["tokenUrl"] == "https://bridge.invalid/token"
    assert drift(real) == set()
    altered = dict.fromkeys(
        ("issuer", "authorizationUrl", "tokenUrl", "jwksUrl", "userInfoUrl", "clientId"), THIEF
    )
    altered |= {"userIDClaim": "preferred_username", "disableNonce": "true"}
    put(real, **altered, validateSignature="false")
    assert drift(real) == {f"{WHERE}.{name}" for name in (*altered, "validateSignature")}
    done = apply()
    assert {gap.where for gap in done.mended if not gap.foreign} == {
        f"{WHERE}.{name}" for name in (*altered, "validateSignature")
    }
    assert done.accepted == ()
    assert config(real) == before
    assert drift(real) == set()


def test_what_the_console_writes_out(real: RealWorld, apply: Callable[..., RealmApplied]) -> None:
    """Saved in the console, what is off is written as off: that alters nothing."""
    apply()
    put(real, userInfoUrl="", disableNonce="false", supportsClientAssertions="false")
    assert drift(real) == set()


def test_changes_of_the_operator(real: RealWorld, apply: Callable[..., RealmApplied]) -> None:
    """Accepted only when it is asked for, and then named; from then on they are what is kept."""
    apply()
    put(real, userInfoUrl="https://bridge.invalid/me", tokenUrl="https://bridge.invalid/oauth/token")
    names = {f"{WHERE}.userInfoUrl", f"{WHERE}.tokenUrl"}
    done = apply(accept_provider=True)
    assert {gap.where for gap in done.accepted} == names
    assert done.mended == ()
    assert drift(real) == set()
    put(real, userInfoUrl=THIEF)
    assert drift(real) == {f"{WHERE}.userInfoUrl"}
    apply()
    assert config(real)["userInfoUrl"] == "https://bridge.invalid/me"


def test_what_cannot_be_mended(real: RealWorld, keycloak_server: RunningKeycloak) -> None:
    """The rest is finished all the same: the configurator is closed, what was chosen is remembered, how the
    addresses were left stays known, and the ledger has who did it; then it is told."""
    context, admin = real.world.context, real.admin
    credential = AdminPassword(keycloak_server.admin_user, Sensitive(keycloak_server.admin_password))
    apply_realm(context, credential, BRIDGE)
    open_configurator(admin.connection)
    pins = read_pins(real)
    (account,) = admin.get("/clients", clientId="account")
    admin.send("PUT", f"/clients/{account['id']}", {"clientId": "renamed", "name": "unknown"})
    put(real, tokenUrl=THIEF)
    admin.send("PUT", "", {**admin.get(""), "registrationAllowed": True})
    told = len(real.world.ledger("realm_configured"))
    options = replace(BRIDGE, password_form=True)

    with pytest.raises(NotMendedError, match="no client 'account'"):
        apply_realm(context, credential, options)

    assert admin.get("")["registrationAllowed"] is False
    assert [item["enabled"] for item in admin.get("/clients", clientId=CONFIGURATOR_CLIENT)] == [False]
    assert read_options(context) == options
    assert read_pins(real) == pins
    (entry,) = real.world.ledger("realm_configured")[told:]
    body = json.loads(entry.body)
    assert "realm.registrationAllowed" in body["mended"]
    assert [text for text in body["not_mended"] if "no client 'account'" in text]
    assert body["configurator_open"] is False


def test_another_type(real: RealWorld, apply: Callable[..., RealmApplied]) -> None:
    """Somebody else's provider under our alias: it is made anew as it was left, and switched off."""
    apply()
    before = config(real)
    settings = {"clientId": "x", "entityId": "x", "singleSignOnServiceUrl": THIEF}
    real.admin.send("DELETE", PROVIDER)
    body = {"alias": "social-card", "providerId": "saml", "enabled": True, "config": settings}
    real.admin.send("POST", "/identity-provider/instances", body)
    assert "identity-providers.social-card.providerId" in drift(real)

    assert apply().accepted == ()

    assert config(real) == before
    assert real.admin.get(PROVIDER)["enabled"] is False
    assert drift(real) == set()


def test_another_issuer(real: RealWorld, apply: Callable[..., RealmApplied]) -> None:
    """It is the operator's word: all addresses are its, and those that nobody chose are gone."""
    apply()
    put(real, userInfoUrl=THIEF)
    apply(RealmOptions(social_card_issuer="https://other.invalid"))
    found = config(real)
    assert found["issuer"] == "https://other.invalid"
    assert found["jwksUrl"] == "https://other.invalid/jwks"
    assert not found.get("userInfoUrl")
    assert drift(real) == set()


def test_a_provider_that_was_taken_away(real: RealWorld, apply: Callable[..., RealmApplied]) -> None:
    """It comes back as it was left, not as it was made."""
    apply()
    put(real, tokenUrl="https://bridge.invalid/oauth/token")
    apply(accept_provider=True)
    real.admin.send("DELETE", PROVIDER)
    apply()
    assert config(real)["tokenUrl"] == "https://bridge.invalid/oauth/token"
    assert drift(real) == set()


def test_nothing_is_known_of_it(real: RealWorld, apply: Callable[..., RealmApplied]) -> None:
    """A store that never configured this realm takes the addresses as they are, and says what is not as it
    would have made it."""
    apply()
    put(real, tokenUrl=THIEF)
    with real.world.context.database.transaction() as connection:
        write_text(connection, PINS, "{}")
    done = apply()
    assert [(gap.where, gap.found) for gap in done.accepted] == [(f"{WHERE}.tokenUrl", THIEF)]
    assert drift(real) == set()


def test_switched_on_and_off(real: RealWorld, apply: Callable[..., RealmApplied]) -> None:
    """From when somebody says so it is managed: switched off in the console, it is a difference until it is
    applied again."""
    apply()
    assert real.admin.get(PROVIDER)["enabled"] is False
    on = replace(BRIDGE, social_card=True)
    apply(on)
    assert real.admin.get(PROVIDER)["enabled"] is True
    real.admin.send("PUT", PROVIDER, {**real.admin.get(PROVIDER), "enabled": False})
    assert drift(real) == {"identity-providers.social-card.enabled"}
    apply(on)
    assert real.admin.get(PROVIDER)["enabled"] is True
    apply(replace(BRIDGE, social_card=False))
    assert real.admin.get(PROVIDER)["enabled"] is False
    assert drift(real) == set()


def test_not_switched_on_without_a_bridge(real: RealWorld, apply: Callable[..., RealmApplied]) -> None:
    """Nobody could log in at an address that nobody has."""
    with pytest.raises(ConfigurationError, match="where the bridge is"):
        apply(RealmOptions(social_card=True))
    assert read_options(real.world.context).social_card is None
