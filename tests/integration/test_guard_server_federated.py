"""Accounts that Keycloak takes from an LDAP directory: duties for them, and the sweep that finds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from fixtures.guard import CARD, GuardedRealm, assert_vetoed, raw
from fixtures.servers_slapd import PEOPLE_BASE, FilledSlapd
from quanheng.keycloak.fake import FakeRealm
from quanheng.keycloak.guard import Guard
from quanheng.keycloak.reading import RealmReading
from quanheng.keycloak.rest import SYNC_CLIENT
from quanheng.keycloak.sweeping import RealmSweep
from quanheng.model.ids import KeycloakId
from quanheng.model.realm import RealmUser

Federate = Callable[..., tuple[str, str]]


@pytest.fixture
def federate(guarded_realm: GuardedRealm, slapd: FilledSlapd) -> Iterator[Federate]:
    """Have the realm take two people from the directory, imported or not; ids of their accounts."""
    realm, server = guarded_realm, slapd.server
    made: list[str] = []

    def add(*, imported: bool) -> tuple[str, str]:
        names = [row.staff_no for row in slapd.population.people[:2]]
        config = {
            "enabled": "true",
            "vendor": "other",
            "connectionUrl": server.url,
            "authType": "simple",
            "bindDn": server.bind_dn,
            "bindCredential": server.bind_password,
            "usersDn": PEOPLE_BASE,
            "searchScope": "2",
            "customUserSearchFilter": f"(|{''.join(f'(uid={name})' for name in names)})",
            "usernameLDAPAttribute": "uid",
            "rdnLDAPAttribute": "uid",
            "uuidLDAPAttribute": "entryUUID",
            "userObjectClasses": "inetOrgPerson, qhStaff",
            "editMode": "READ_ONLY",
            "importEnabled": str(imported).lower(),
        }
        body = {
            "name": "ldap",
            "providerId": "ldap",
            "providerType": "org.keycloak.storage.UserStorageProvider",
            "config": {name: [value] for name, value in config.items()},
        }
        answer = realm.admin.request("POST", realm.path("/components"), json=body)
        made.append(answer.headers["Location"].rsplit("/", 1)[-1])
        found = [
            realm.admin.get(realm.path("/users"), username=name.lower(), exact="true")[0]["id"]
            for name in names
        ]
        return found[0], found[1]

    yield add
    for component in made:
        realm.admin.request("DELETE", realm.path(f"/components/{component}"))


def give_card(realm: GuardedRealm, user: str) -> None:
    """Link a card, as the sync does."""
    link = {"identityProvider": CARD, "userId": f"of-{user[-20:]}", "userName": "x"}
    done = raw(realm.sync, "POST", realm.path(f"/users/{user}/federated-identity/{CARD}"), json=link)
    assert done.status_code == 204, done.text


def sweep(realm: GuardedRealm, guard: Guard) -> dict[KeycloakId, RealmUser]:
    """Everybody as the sync sees them."""
    connection = realm.realm.client(SYNC_CLIENT)
    return {user.id: user for user in RealmSweep(connection, RealmReading(connection), guard).users()}


def test_imported_account(guarded_realm: GuardedRealm, federate: Federate) -> None:
    """An imported account is judged like any other: no duty without a card, none against a rule."""
    realm = guarded_realm
    user, _ = federate(imported=True)

    assert_vetoed(realm.join(realm.sync, user, realm.duty("handler")), "target-unlinked", 409, "电子社保卡")
    give_card(realm, user)
    assert realm.join(realm.sync, user, realm.duty("handler")).status_code == 204
    assert_vetoed(realm.join(realm.sync, user, realm.duty("reviewer")), "g11-review", 409, "不相容")
    assert realm.groups_of(user) == {realm.duty("handler")}


def test_account_that_keycloak_does_not_keep(guarded_realm: GuardedRealm, federate: Federate) -> None:
    """One that stays in the directory gets no duty, card or not: Keycloak itself cannot write it."""
    realm = guarded_realm
    user, _ = federate(imported=False)
    assert user.startswith("f:")
    give_card(realm, user)
    before = realm.roles_of(user)

    joined = realm.join(realm.sync, user, realm.duty("handler"))
    granted = realm.grant(realm.sync, user, realm.roles["handler"])

    assert min(joined.status_code, granted.status_code) >= 400
    assert realm.groups_of(user) == set()
    assert realm.roles_of(user) == before


@pytest.mark.parametrize("imported", [True, False])
def test_sweep(guarded_realm: GuardedRealm, federate: Federate, imported: bool) -> None:
    """The sweep shows them as when it asks for each: what a directory gives is in no table of ours."""
    realm = guarded_realm
    user, other = map(KeycloakId, federate(imported=imported))
    give_card(realm, user)
    if imported:
        assert realm.join(realm.sync, user, realm.duty("handler")).status_code == 204
    guard = realm.realm.rest().guard
    assert {user, other}.isdisjoint(guard.read_holders())

    quick = sweep(realm, guard)

    assert quick == sweep(realm, FakeRealm("none").guard)
    assert [quick[user], quick[other]] == [realm.realm.rest().read_user(item) for item in (user, other)]
    assert [link.provider for link in quick[user].identities] == [CARD]
    assert quick[user].groups == ({realm.duty("handler")} if imported else frozenset())
    assert quick[other].identities == frozenset()
