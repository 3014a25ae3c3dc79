"""Accounts that the master realm's administrator makes in the console, on a real guarded server: off within a
look, and somebody's account once a feed or an application says whose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fixtures.drafts import TOWN, form
from fixtures.guard import PASSWORD
from fixtures.watched_realm import CHIEF, WatchedRealm
from fixtures.world import TOWNSHIP, VILLAGE
from quanheng.errors import RefusedError
from quanheng.model.finding import FindingKind
from quanheng.model.ids import Username
from quanheng.operations.completing import complete, read_drafts
from quanheng.operations.synchronise import synchronise


@pytest.fixture(scope="module")
def watched(make_watched: Callable[..., WatchedRealm], rules_key: Ed25519PrivateKey) -> WatchedRealm:
    """A guarded realm with people at work."""
    return make_watched("guarded-drafts", rules_key)


def make(watched: WatchedRealm, name: str, **fields: Any) -> str:
    """Make an account in a township as the console does; its id."""
    body = {"username": name, "enabled": True, "groups": ["/" + "/".join(TOWN)], **fields}
    watched.admin.send("POST", "/users", body)
    return watched.named(name)


def found(watched: WatchedRealm, user: str) -> Any:
    """An account as Keycloak has it."""
    return watched.admin.get(f"/users/{user}")


def test_a_draft_without_a_name_is_switched_off(watched: WatchedRealm) -> None:
    """Enabled and with no more than a user name: off after one look, once, and listed with who made it."""
    made = make(watched, "no.name")
    told = len(watched.bodies("disable"))
    done = watched.look()
    assert (done.changes, done.refused) == (1, 0)
    assert found(watched, made)["enabled"] is False
    for _ in range(2):
        watched.look()
    assert [item["detail"]["id"] for item in watched.bodies("disable")[told:]] == [made]
    (line,) = [line for line in read_drafts(watched.world.context) if line.draft.user.id == made]
    assert line.draft.organisations == (TOWNSHIP,)
    assert line.made_by
    assert line.made_at is not None
    report = watched.world.check()
    assert report.differences == ()
    assert FindingKind.DRAFT_ACCOUNT in {item.kind for item in report.findings if item.subject == "no.name"}
    watched.admin.send("DELETE", f"/users/{made}")


def test_a_feed_completes_a_draft(make_watched: Callable[..., WatchedRealm]) -> None:
    """The same id, the issued name, the duty, the card, enabled; another with a password is not linked.

    Without the guard, which lets the realm's own administrators alone write a staff number."""
    watched = make_watched("test-drafts", Ed25519PrivateKey.generate())
    world = watched.world
    who, other = world.hire(VILLAGE), world.hire(VILLAGE)
    made = make(watched, "for.feed", enabled=False, firstName="新来", attributes={"staff_no": [who]})
    secret = {"type": "password", "value": PASSWORD, "temporary": False}
    suspect = make(watched, "suspect", enabled=False, attributes={"staff_no": [other]}, credentials=[secret])
    world.issue()
    done = synchronise(world.context)
    assert done.outcome.refused == ()
    assert [item.subject for item in done.plan.findings if item.kind is FindingKind.DRAFT_NOT_LINKED] == [
        "suspect"
    ]
    account = world.console.read_user(made)
    person = world.person(who)
    assert (account.username, account.name, account.enabled) == (person.username, person.name, True)
    assert [link.subject for link in account.identities] == [person.subject]
    assert len(account.groups) == 2
    second = world.console.find_user(world.person(other).username)
    assert (second.id != suspect, second.enabled) == (True, True)
    watched.admin.send("DELETE", f"/users/{suspect}")
    watched.look_until_quiet()
    watched.settle()


def test_an_application_completes_a_draft(watched: WatchedRealm) -> None:
    """At once; with a password it is refused."""
    world = watched.world
    made = make(watched, "for.form", enabled=False)
    secret = {"type": "password", "value": PASSWORD, "temporary": False}
    suspect = make(watched, "suspect", enabled=False, credentials=[secret])
    chief = world.login(CHIEF)
    with pytest.raises(RefusedError, match="密码"):
        complete(world.context, Username("suspect"), form(), chief)
    done = complete(world.context, Username("for.form"), form(), chief)
    assert (done.enabled, done.waits) == (True, ())
    account = world.console.read_user(made)
    assert (account.username, account.name, account.enabled) == (done.username, "王新来", True)
    watched.admin.send("DELETE", f"/users/{suspect}")
    watched.look_until_quiet()
    watched.settle()
