"""What only a server of one's own shows: the broken glass, and events that expire before they were read.

Its guard was told to break the glass, and what has expired is cleared each second, not each quarter of an
hour. The realm is guarded.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from deploy.local.keycloak import QUICK_START, start_keycloak, stop_keycloak

from fixtures.servers_keycloak import guard_options
from fixtures.watched_realm import OFFICE, WHO, WatchedRealm, watched_realms
from fixtures.world import WorldTemplate
from quanheng.operations.watching.watcher import read_exposure

_OFTEN: Final = "-Dkc.spi-scheduled--interval=1"
"""Seconds between two clearings of what has expired; Keycloak's own is 900."""
_PATIENCE_SECONDS: Final = 60


@pytest.fixture(scope="module")
def watched(
    keycloak_keys: dict[str, ec.EllipticCurvePrivateKey],
    world_template: WorldTemplate,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WatchedRealm]:
    """A guarded realm whose glass is broken, in which nothing is left to do."""
    folder, key = tmp_path_factory.mktemp("glass"), Ed25519PrivateKey.generate()
    options = guard_options(key, folder, break_glass_until=datetime.now(UTC) + timedelta(hours=1))
    server = start_keycloak(
        folder / "keycloak", heap="512m", java_options=f"{QUICK_START} {_OFTEN}", guard=options
    )
    try:
        with watched_realms(server, keycloak_keys, world_template, tmp_path_factory) as make:
            yield make("guarded-glass", key)
    finally:
        stop_keycloak(server.pid, hard=True)  # nothing of it is kept


def give_office(watched: WatchedRealm) -> None:
    """What the guard would refuse: a second office, by somebody who may give none."""
    watched.admin.send("PUT", f"/users/{watched.ids[WHO]}/groups/{watched.ids[OFFICE]}")


def test_break_glass_is_in_the_ledger_and_what_it_let_pass_is_undone(watched: WatchedRealm) -> None:
    """One look enters whom, by whom and why into the ledger, tells of it, and takes the office away again."""
    ended = read_exposure(watched.world.context).ended
    (opened,) = watched.bodies("guard_break_glass")
    assert datetime.fromisoformat(opened["until"]) > datetime.now(UTC)
    give_office(watched)
    assert watched.ids[WHO] in watched.in_conflict()
    assert watched.look().changes == 1
    watched.assert_right()
    _, used = watched.bodies("guard_break_glass")
    assert used["user"] == watched.ids[WHO]
    assert used["actor"]
    assert "系统管理员" in used["reason"]
    assert "不相容" in used["reason"]
    assert watched.bodies("guard_veto") == []
    (refused,) = watched.bodies("console_change_refused")
    assert (refused["user"], refused["group"], refused["actor"]) == (
        watched.ids[WHO],
        OFFICE,
        used["actor"],
    )
    (taken,) = watched.bodies("revoke")
    assert taken["detail"]["path"] == OFFICE
    report = read_exposure(watched.world.context)
    assert (report.ended - ended, report.open) == (1, 0)
    watched.look_until_quiet()
    assert len(watched.bodies("guard_break_glass")) == 2
    watched.world.verify_ledger()


def test_events_that_expired_while_the_daemon_was_off(watched: WatchedRealm) -> None:
    """Nobody looked until Keycloak had dropped them: the gap is told, everything is read, the office goes."""
    settings = watched.admin.get("")
    watched.look()
    told = len(watched.bodies("events_missing"))
    give_office(watched)
    short = {**settings, "attributes": {**settings["attributes"], "adminEventsExpiration": "1"}}
    watched.admin.send("PUT", "", short)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while watched.admin.get("/admin-events"):
        assert time.monotonic() < deadline, "nothing expired"
        time.sleep(0.2)
    watched.admin.send("PUT", "", settings)
    assert watched.look().changes == 1
    watched.assert_right()
    (entry,) = watched.bodies("events_missing")[told:]
    assert "管理事件不见了" in entry["why"]
    watched.look_until_quiet()
    assert len(watched.bodies("events_missing")) == told + 1
    watched.world.verify_ledger()
