"""When our own service accounts are asked for again, and when not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from quanheng.errors import UnreachableError
from quanheng.keycloak.own_actors import OwnActors
from quanheng.model.realm import AdminEvent

EVENT = AdminEvent(
    id="e1",
    at=datetime(2026, 3, 2, tzinfo=UTC),
    operation="UPDATE",
    resource_type="USER",
    resource_path="users/x",
    actor_realm="shanxi",
    actor_client="c",
    actor_user="us",
)


class Server:
    """Answers who we are, and counts."""

    def __init__(self) -> None:
        self.now = frozenset({"us"})
        self.asked = 0
        self.is_down = False

    def __call__(self) -> frozenset[str]:
        self.asked += 1
        if self.is_down:
            raise UnreachableError("Keycloak does not answer")
        return self.now


@pytest.fixture
def server() -> Server:
    """A server, before anybody asked."""
    return Server()


@pytest.fixture
def own(server: Server) -> OwnActors:
    """They were asked for once."""
    found = OwnActors(server)
    assert found.ids(None) == {"us"}
    return found


REASONS = {
    "somebody unknown": replace(EVENT, actor_user="we-anew"),
    "a client, by somebody known": replace(EVENT, id="e2", resource_type="CLIENT"),
}


@pytest.mark.parametrize("event", REASONS.values(), ids=list(REASONS))
def test_reasons(server: Server, own: OwnActors, event: AdminEvent) -> None:
    """Each is one once, however often it is read again."""
    own.take_note(EVENT)
    own.renew()
    assert server.asked == 1
    server.now = frozenset({"us", "we-anew"})
    for _ in range(3):
        own.take_note(event)
        own.renew()
        # By whom the event is not unknown here: only the event may be the reason.
        assert own.ids(None) == {"us", "we-anew"}
    assert server.asked == 2


def test_our_own_token(server: Server, own: OwnActors) -> None:
    """Of somebody who is none of ours: asked once, as by a connection that is another's all along."""
    for _ in range(3):
        assert own.ids("other") == {"us"}
    assert server.asked == 2


def test_no_answer(server: Server, own: OwnActors) -> None:
    """It is asked again at the next use."""
    own.take_note(REASONS["somebody unknown"])
    server.is_down = True
    for _ in range(2):
        with pytest.raises(UnreachableError):
            own.ids(None)
    server.is_down = False
    server.now = frozenset({"we-anew"})
    assert own.ids(None) == {"we-anew"}


def test_nothing_is_asked_before_its_time(server: Server) -> None:
    """Who only reads events does not ask who we are."""
    own = OwnActors(server)
    own.take_note(EVENT)
    own.renew()
    assert server.asked == 0
