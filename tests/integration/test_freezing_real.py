"""Frozen on a real server: every session ends within seconds, offline ones too, and none comes back.

Keycloak itself ends no session when an account is switched off: it refuses the tokens while that lasts, and
honours them again when the account is switched on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fixtures.guard import PASSWORD
from fixtures.watched_realm import CHIEF, WatchedRealm
from fixtures.world import BUREAU, World
from quanheng.model.person import HoldKind, RequestKind
from quanheng.operations.lifecycle.freezing import freeze
from quanheng.operations.lifecycle.requesting import ask_request, prepare_request

PORTAL: Final = "portal"
CLERK: Final = "T00003"
"""A villager, 业务操作员."""
COLLEAGUE: Final = "B00001"
"""业务管理员 of 忻府区."""
OFFLINE: Final = "offline_access"
_SECONDS: Final = 30
_SOON: Final = 8.0
"""Seconds in which sessions end; the daemon looks every two."""
_BETWEEN: Final = 2.0
"""Seconds between two looks of the daemon."""


@dataclass
class Session:
    """Somebody who has logged in to a bureau's own client."""

    base: str
    tokens: dict[str, Any] = field(repr=False)

    @property
    def honoured(self) -> tuple[bool, bool]:
        """Whether the server honours the token in hand, and the one for a new one."""
        bearer = {"Authorization": f"Bearer {self.tokens['access_token']}"}
        now = requests.get(f"{self.base}/userinfo", headers=bearer, timeout=_SECONDS)
        question = {"grant_type": "refresh_token", "client_id": PORTAL}
        again = requests.post(
            f"{self.base}/token",
            data={**question, "refresh_token": self.tokens["refresh_token"]},
            timeout=_SECONDS,
        )
        return now.ok, again.ok


ALIVE, DEAD = (True, True), (False, False)


def _hire(world: World) -> None:
    world.hire(BUREAU, "业务管理员", staff_no=COLLEAGUE)


@pytest.fixture(scope="module")
def watched(make_watched: Callable[..., WatchedRealm]) -> WatchedRealm:
    """A realm with a client for passwords, as none of ours is."""
    watched: WatchedRealm = make_watched("test-freezing", Ed25519PrivateKey.generate(), _hire)
    watched.open_for_passwords(PORTAL, watched.ids[CLERK], watched.ids[CHIEF])
    watched.look_until_quiet()
    return watched


def log_in(watched: WatchedRealm, who: str, scope: str = "openid") -> Session:
    """Log somebody in, by password."""
    base = f"{watched.server.url}/realms/{watched.world.settings.keycloak.realm}/protocol/openid-connect"
    person = {"username": str(watched.world.user(who).username), "password": PASSWORD}
    question = {"grant_type": "password", "client_id": PORTAL, "scope": scope}
    answer = requests.post(f"{base}/token", data={**question, **person}, timeout=_SECONDS)
    assert answer.ok, answer.text
    return Session(base, answer.json())


@contextmanager
def staying_offline(watched: WatchedRealm) -> Iterator[None]:
    """Meanwhile the clerk may have offline tokens, which nobody has by right; nobody looks meanwhile."""
    path = f"/users/{watched.ids[CLERK]}/role-mappings/realm"
    watched.admin.send("POST", path, [watched.role(OFFLINE)])
    yield
    watched.admin.send("DELETE", path, [watched.role(OFFLINE)])


def switch(watched: WatchedRealm, *, on: bool, by: Session | None = None) -> None:
    """Turn the switch of the clerk in the console, as the master administrator or with somebody's token."""
    path = f"/users/{watched.ids[CLERK]}"
    body = {**watched.admin.get(path), "enabled": on}
    if by is None:
        watched.admin.send("PUT", path, body)
        return
    answer = requests.put(
        f"{watched.server.url}/admin/realms/{watched.world.settings.keycloak.realm}{path}",
        json=body,
        headers={"Authorization": f"Bearer {by.tokens['access_token']}"},
        timeout=_SECONDS,
    )
    assert answer.ok, answer.text


def sessions(watched: WatchedRealm) -> int:
    """How many sessions the clerk has."""
    return len(watched.admin.get(f"/users/{watched.ids[CLERK]}/sessions"))


def holds(watched: WatchedRealm) -> set[tuple[HoldKind, str]]:
    """Kind and origin of the clerk's stored holds."""
    person = watched.world.person(CLERK).id
    return {(hold.kind, hold.origin) for hold in watched.world.registry().holds if hold.person == person}


def test_frozen_by_command(watched: WatchedRealm) -> None:
    """Every session is over before the command ends. What was begun before stays dead, whoever switches the
    account on; a second person gives it back, and then one logs in anew."""
    world = watched.world
    with staying_offline(watched):
        session, offline = log_in(watched, CLERK), log_in(watched, CLERK, f"openid {OFFLINE}")
        assert (session.honoured, offline.honoured) == (ALIVE, ALIVE)
        assert sessions(watched) > 0
        time.sleep(1.1)  # Keycloak voids what is older than a second; of that very second it voids nothing
        world.clock.now = datetime.now(UTC)
        begun = time.monotonic()
        assert freeze(world.context, CLERK, reason="口令可能泄露").off
        assert time.monotonic() - begun < _SOON
        assert (session.honoured, offline.honoured) == (DEAD, DEAD)
        assert sessions(watched) == 0
        switch(watched, on=True)  # past us, and nobody looks
        assert (session.honoured, offline.honoured) == (DEAD, DEAD)
        late = log_in(watched, CLERK)
    watched.look()
    assert (late.honoured, world.user(CLERK).enabled) == (DEAD, False)
    assert holds(watched) == {(HoldKind.FROZEN, "freeze:os:operator@test")}
    asked = prepare_request(world.context, CLERK, RequestKind.UNFREEZE, reason="口令已重置")
    proposal = ask_request(world.context, asked, world.login(COLLEAGUE))
    world.approve(proposal.key, by=CHIEF)
    assert (world.user(CLERK).enabled, holds(watched)) == (True, set())
    assert [item.honoured for item in (session, offline, late)] == [DEAD] * 3
    time.sleep(1.1)  # a token of the second in which sessions were ended counts as older
    assert log_in(watched, CLERK).honoured == ALIVE
    watched.look_until_quiet()
    watched.assert_right()


def test_disabled_in_the_console(watched: WatchedRealm) -> None:
    """By the county's 系统管理员: the watcher ends the sessions within seconds. Switched on again there, the
    account is back, the sessions are not."""
    chief, session = log_in(watched, CHIEF), log_in(watched, CLERK)
    begun = time.monotonic()
    switch(watched, on=False, by=chief)
    assert session.honoured == DEAD
    assert sessions(watched) > 0  # Keycloak keeps them
    while sessions(watched):
        assert time.monotonic() - begun < _SOON
        time.sleep(_BETWEEN)
        watched.look()
    assert holds(watched) == {(HoldKind.FROZEN, "console")}
    switch(watched, on=True, by=chief)
    watched.look()
    assert (holds(watched), is_on(watched), session.honoured) == (set(), True, DEAD)
    watched.look_until_quiet()
    watched.assert_right()


def is_on(watched: WatchedRealm) -> bool:
    """Whether the clerk's account is switched on."""
    return watched.world.user(CLERK).enabled


def test_keycloak_itself_ends_nothing(watched: WatchedRealm) -> None:
    """Why we do: switched off and on, the old session goes on, token in hand and all."""
    session = log_in(watched, CLERK)
    switch(watched, on=False)
    assert session.honoured == DEAD
    switch(watched, on=True)
    assert session.honoured == ALIVE
    watched.look_until_quiet()
