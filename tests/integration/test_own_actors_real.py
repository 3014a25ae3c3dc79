"""A process that ran all along knows our service accounts after they were made anew."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from fixtures.servers_keycloak import KeycloakRealm
from quanheng.keycloak.clients import open_configurator
from quanheng.keycloak.configuration import apply_configuration
from quanheng.keycloak.rest import CONFIGURATOR_CLIENT, SYNC_CLIENT


@pytest.mark.parametrize("again", [SYNC_CLIENT, CONFIGURATOR_CLIENT])
def test_clients_that_are_made_anew(make_keycloak_realm: Callable[..., KeycloakRealm], again: str) -> None:
    """It learns of it from the events; those that it has seen ask for nothing more."""
    made = make_keycloak_realm()
    admin, realm = made.admin(), made.rest()
    since = realm.read_server_time() - timedelta(minutes=1)
    list(realm.read_admin_events(since))
    before = realm.own_actors
    list(realm.read_admin_events(since))  # of the administrator, too, who is known from now on
    client = admin.get(admin.realm_path("/clients"), clientId=again)[0]
    admin.request("DELETE", admin.realm_path(f"/clients/{client['id']}"))
    apply_configuration(admin, made.desired)
    open_configurator(admin)
    list(realm.read_admin_events(since))
    after = realm.own_actors
    assert len(after) == len(after - before) + 1 == 2
    assert after == made.rest().own_actors
    asked = realm.connection.counter.total
    list(realm.read_admin_events(since))
    assert realm.own_actors == after
    assert realm.connection.counter.total == asked + 1


def test_our_own_token(make_keycloak_realm: Callable[..., KeycloakRealm]) -> None:
    """Where no event is kept, the token that our own client gets says so."""
    made = make_keycloak_realm()
    admin, realm = made.admin(), made.rest()
    before = realm.own_actors
    client = admin.get(admin.realm_path("/clients"), clientId=SYNC_CLIENT)[0]
    admin.request("DELETE", admin.realm_path(f"/clients/{client['id']}"))
    apply_configuration(admin, made.desired)
    assert realm.own_actors == before  # nobody has asked anything yet
    realm.read_roles()
    assert realm.own_actors == made.rest().own_actors != before


def test_somebody_with_the_name_of_our_account(make_keycloak_realm: Callable[..., KeycloakRealm]) -> None:
    """Whoever took the name of an account that was deleted is not ours."""
    made = make_keycloak_realm()
    admin, realm = made.admin(), made.rest()
    name = f"service-account-{CONFIGURATOR_CLIENT}"
    users = admin.realm_path("/users")
    client = admin.get(admin.realm_path("/clients"), clientId=CONFIGURATOR_CLIENT)[0]["id"]
    account = admin.get(admin.realm_path(f"/clients/{client}/service-account-user"))["id"]
    assert account in realm.own_actors
    admin.request("DELETE", f"{users}/{account}")
    admin.request("POST", users, json={"username": name, "enabled": True})
    assert len(made.rest().own_actors) == 1
