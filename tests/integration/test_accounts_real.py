"""What somebody does to accounts past every veto, on a real guarded server: repaired, or told.

An account is deleted without the event that the guard vetoes, passwords are set, two names are exchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from deploy.local.keycloak import RunningKeycloak

from fixtures.guard import PASSWORD
from fixtures.watched_realm import CHIEF, DIRECTORY, WHO, WatchedRealm, watched_realms
from fixtures.world import WorldTemplate
from quanheng.keycloak.port import RealmRefusedError

VILLAGER: Final = "T00003"


@pytest.fixture(scope="module")
def watched(
    keycloak_server: RunningKeycloak,
    keycloak_keys: dict[str, ec.EllipticCurvePrivateKey],
    rules_key: Ed25519PrivateKey,
    world_template: WorldTemplate,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WatchedRealm]:
    """A guarded realm with people at work; each test leaves nothing to do."""
    with watched_realms(keycloak_server, keycloak_keys, world_template, tmp_path_factory) as make:
        yield make("guarded-accounts", rules_key)


def administrator(watched: WatchedRealm) -> str:
    """Id of the master realm's administrator, whom events name."""
    found = watched.admin.connection.get("admin/realms/master/users", username=watched.server.admin_user)
    return str(found[0]["id"])


def link_to_storage(watched: WatchedRealm, user: str, *, enabled: bool) -> None:
    """Create a user storage, and say that the user comes from it."""
    realm = watched.admin.get("")["id"]
    body = {
        "name": "theirs",
        "parentId": realm,
        "providerType": "org.keycloak.storage.UserStorageProvider",
        "providerId": "ldap",
        "config": {**DIRECTORY, "enabled": [str(enabled).lower()]},
    }
    watched.admin.send("POST", "/components", body)
    watched.admin.send("PUT", f"/users/{user}", {"federationLink": storage_of(watched)})


def storage_of(watched: WatchedRealm) -> str:
    """Id of the user storage."""
    (storage,) = watched.admin.get("/components", name="theirs")
    return str(storage["id"])


def remove_storage(watched: WatchedRealm) -> None:
    """Remove it."""
    watched.admin.send("DELETE", f"/components/{storage_of(watched)}")


def by_removal(watched: WatchedRealm, user: str) -> None:
    """With the storage go all who are linked to it."""
    link_to_storage(watched, user, enabled=False)
    remove_storage(watched)


def by_a_storage_without_them(watched: WatchedRealm, user: str) -> None:
    """Whom the storage does not know, Keycloak deletes when it next reads them."""
    link_to_storage(watched, user, enabled=True)


def by_the_watcher(watched: WatchedRealm) -> None:
    watched.look()


def by_a_sync(watched: WatchedRealm) -> None:
    assert watched.world.sync().outcome.refused == ()


@pytest.mark.parametrize(
    ("staff_no", "delete", "look"),
    [
        (WHO, by_removal, by_the_watcher),
        (CHIEF, by_removal, by_a_sync),
        (CHIEF, by_a_storage_without_them, by_the_watcher),
    ],
)
def test_an_account_deleted_past_the_veto_returns(
    watched: WatchedRealm,
    staff_no: str,
    delete: Callable[[WatchedRealm, str], None],
    look: Callable[[WatchedRealm], None],
) -> None:
    """Deleted by hand it is vetoed. Through a user storage it goes without an event that could be: it is back
    at the next look, under another id, with its card and posts, and the ledger tells of it once."""
    before, told = watched.world.user(staff_no), len(watched.bodies("account_gone"))
    with pytest.raises(RealmRefusedError, match="403"):
        watched.admin.send("DELETE", f"/users/{before.id}")
    delete(watched, before.id)
    with pytest.raises(RealmRefusedError, match="404"):
        watched.admin.get(f"/users/{before.id}")

    look(watched)

    after = watched.world.user(staff_no)
    assert after.id != before.id
    assert (after.username, after.name, after.enabled) == (before.username, before.name, True)
    assert (after.groups, after.identities, after.roles) == (before.groups, before.identities, before.roles)
    (entry,) = watched.bodies("account_gone")[told:]
    assert entry["accounts"] == [{"user": str(before.id), "username": str(before.username)}]
    assert entry["actors"] == [administrator(watched)]
    if delete is not by_removal:
        remove_storage(watched)
    for _ in range(3):
        last = watched.look()
    assert last.quiet
    assert len(watched.bodies("account_gone")) == told + 1
    watched.settle()


SECRET: Final = {"type": "password", "value": PASSWORD, "temporary": False}


def by_reset(watched: WatchedRealm, user: str) -> None:
    watched.admin.send("PUT", f"/users/{user}/reset-password", SECRET)


def by_saving(watched: WatchedRealm, user: str) -> None:
    """The event is that of any change of a user."""
    watched.admin.send("PUT", f"/users/{user}", {"credentials": [SECRET]})


@pytest.mark.parametrize("give", [by_reset, by_saving])
def test_a_password_is_told(watched: WatchedRealm, give: Callable[[WatchedRealm, str], None]) -> None:
    """A password that an administrator of the server set for a person is in the ledger once, without it."""
    told, user = len(watched.bodies("password_set")), watched.world.user(WHO)
    give(watched, user.id)
    for _ in range(2):
        watched.look()
        watched.admin.send("PUT", f"/users/{user.id}", {})
    (entry,) = watched.bodies("password_set")[told:]
    actor = administrator(watched)
    assert entry["accounts"] == [{"user": str(user.id), "username": str(user.username), "actor": actor}]
    assert not [item for item in watched.world.ledger() if PASSWORD in item.body]


def test_exchanged_names_are_put_back(watched: WatchedRealm) -> None:
    """Keycloak refuses a name that somebody has: two that were exchanged are both right after one look."""
    world = watched.world
    one, other = world.user(WHO), world.user(VILLAGER)
    told = len(watched.bodies("update"))
    with pytest.raises(RealmRefusedError, match="person-record"):
        watched.admin.rename(one.id, "between")
    with watched.past_the_guard():
        watched.admin.rename(one.id, "between")
        watched.admin.rename(other.id, one.username)
        watched.admin.rename(one.id, other.username)
    with pytest.raises(RealmRefusedError, match="409"):
        watched.admin.rename(one.id, one.username)

    done = watched.look()

    assert (done.changes, done.refused) == (2, 0)
    assert (world.user(WHO), world.user(VILLAGER)) == (one, other)
    assert len(watched.bodies("update")) == told + 2
    watched.assert_right()
