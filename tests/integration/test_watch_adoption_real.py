"""An administrator who holds the office by right acts on a real guarded server: guard and watcher agree that
it stands.

``acceptance/test_watch_adoption`` has every case of it, in memory. Here the event, its actor and the
answer are Keycloak's own, and the guard judges before the watcher does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from deploy.local.keycloak import RunningKeycloak

from fixtures.guard import PersonLogin, assert_vetoed, raw
from fixtures.watched_realm import WatchedRealm, watched_realms
from fixtures.world import BUREAU, OTHER_VILLAGE, VILLAGE, WorldTemplate
from quanheng.keycloak.connection import Connection
from quanheng.operations.check import check

CONSOLE: Final = "test-console"
ADMINISTRATOR: Final = "B00001"
"""业务管理员 of 忻府区, by an issue of the feed that a second person approved."""
VILLAGER: Final = "V00001"
"""Works in a village of 忻府区, and has no post."""
OPERATOR: Final = "/岗位/140902-忻府区/业务操作员"
ELSEWHERE: Final = "/岗位/140921-定襄县/业务操作员"
UNDONE: Final = ("grant", "revoke", "role_remove", "console_change_refused")
"""What the ledger has of an act that did not stand."""
DECIDED: Final = ("basis_adopted", "basis_ended", "withholding_adopted", "withholding_ended")


@pytest.fixture(scope="module")
def watched(
    keycloak_server: RunningKeycloak,
    keycloak_keys: dict[str, ec.EllipticCurvePrivateKey],
    rules_key: Ed25519PrivateKey,
    world_template: WorldTemplate,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WatchedRealm]:
    """A guarded realm with both, and somebody at work in the other county; each test leaves nothing to do."""
    with watched_realms(keycloak_server, keycloak_keys, world_template, tmp_path_factory) as make:
        made = make("guarded-adoption", rules_key)
        world = made.world
        world.hire(BUREAU, "业务管理员", staff_no=ADMINISTRATOR)
        world.hire(VILLAGE, "", staff_no=VILLAGER)
        world.hire(OTHER_VILLAGE)
        world.issue_and_sync()
        world.approve()
        assert world.sync().outcome.refused == ()
        made.open_for_passwords(CONSOLE, str(world.user(ADMINISTRATOR).id))
        made.look_until_quiet()
        made.settle()
        yield made


@contextmanager
def at_the_console(watched: WatchedRealm) -> Iterator[Connection]:
    """The administrator, logged in, while the server lets the account into its Admin API.

    Nobody but our two accounts may keep ``manage-users``: it is gone again before the watcher looks, so that
    what the look finds is the administrator's act alone.
    """
    user, management = watched.ids[ADMINISTRATOR], watched.client("realm-management")
    path = f"/users/{user}/role-mappings/clients/{management}"
    role = watched.admin.get(f"/clients/{management}/roles/manage-users")
    username = str(watched.world.user(ADMINISTRATOR).username)
    realm = watched.world.settings.keycloak.realm
    watched.admin.send("POST", path, [role])
    connection = Connection(watched.server.url, realm, PersonLogin(CONSOLE, username))
    try:
        yield connection
    finally:
        connection.close()
        watched.admin.send("DELETE", path, [role])


def membership(watched: WatchedRealm, path: str) -> str:
    """Path of the villager's membership in a group."""
    realm = watched.world.settings.keycloak.realm
    return f"admin/realms/{realm}/users/{watched.ids[VILLAGER]}/groups/{watched.ids[path]}"


def assert_stands(watched: WatchedRealm, kind: str, *duties: str) -> None:
    """One look adopts the administrator's act and undoes nothing; a sync afterwards finds nothing to do."""
    undone, decided = len(watched.bodies(*UNDONE)), len(watched.bodies(*DECIDED))
    assert watched.look().changes == 0
    for _ in range(2):
        (entry,) = watched.bodies(*DECIDED)[decided:]
        assert [item.kind for item in watched.world.ledger(*DECIDED)][decided:] == [kind]
        assert entry["actor"] == watched.ids[ADMINISTRATOR]
        assert watched.bodies(*UNDONE)[undone:] == []
        assert watched.world.duties(VILLAGER) == set(duties)
        assert check(watched.world.context).clean
        assert watched.world.issue_and_sync().plan.empty
    assert watched.look().quiet


def test_what_an_entitled_administrator_does_stands(watched: WatchedRealm) -> None:
    """Granted it is a basis, taken away again its end; both stand over new issues of the feed."""
    with at_the_console(watched) as console:
        joined = raw(console, "PUT", membership(watched, OPERATOR))
    assert joined.status_code == 204, joined.text
    assert_stands(watched, "basis_adopted", "业务操作员")

    with at_the_console(watched) as console:
        left = raw(console, "DELETE", membership(watched, OPERATOR))
    assert left.status_code == 204, left.text
    assert_stands(watched, "basis_ended")
    assert (watched.world.registry().bases, watched.world.registry().withholdings) == ((), ())
    watched.world.verify_ledger()


def test_another_county_is_refused_at_once(watched: WatchedRealm) -> None:
    """The guard answers before anything is written; the watcher finds a veto and nothing to adopt or undo."""
    before = len(watched.bodies(*DECIDED, *UNDONE))
    with at_the_console(watched) as console:
        answer = raw(console, "PUT", membership(watched, ELSEWHERE))
    assert_vetoed(answer, "acting-not-entitled", 403, "业务操作员", "无权在该辖区授予")
    assert watched.look().changes == 0
    assert watched.bodies(*DECIDED, *UNDONE)[before:] == []
    assert watched.bodies("guard_veto")[-1]["actor"] == watched.ids[ADMINISTRATOR]
    watched.assert_right()
