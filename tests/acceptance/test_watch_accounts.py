"""What is done to accounts themselves is told once: one that is gone, one that was given a password."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fixtures.watching import as_administrator, foreigner, watcher
from fixtures.world import VILLAGE, World
from quanheng.config import NotifySettings
from quanheng.model.ids import StaffNo
from quanheng.notify.port import Notice
from quanheng.notify.words import words_of
from quanheng.operations.watching.announcing import deliver_notices


class Heard:
    """A way of telling that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[Notice] = []

    def send(self, notice: Notice) -> None:
        """Deliver."""
        self.told.append(notice)

    def check(self) -> None:
        """Nothing to look at."""


class People:
    """A few people at work, a watcher that has nothing to do, and somebody who is told."""

    def __init__(self, world: World, count: int) -> None:
        self.world = world
        self.staff = [world.hire(VILLAGE) for _ in range(count)]
        notify = NotifySettings(file=world.folder / "notices.jsonl")
        world.context = world.open(settings=world.settings.model_copy(update={"notify": notify}))
        world.issue_and_sync()
        for _ in range(3):
            watcher(world).tick()
        assert watcher(world).tick().quiet
        self.heard()

    def bodies(self, kind: str) -> list[Any]:
        """Bodies of the ledger's entries of a kind."""
        return [json.loads(entry.body) for entry in self.world.ledger(kind)]

    def heard(self) -> list[Notice]:
        """Notices since the last time, of what was done to accounts."""
        way = Heard()
        while deliver_notices(self.world.context, {"file": way}):
            pass
        return [item for item in way.told if item.kind in ("account_gone", "password")]


@pytest.fixture
def people(world: World) -> People:
    """Three of them."""
    return People(world, 3)


def by_event(people: People, staff_no: StaffNo) -> str:
    """Deleted by somebody."""
    actor = as_administrator(people.world, people.staff[-1])
    actor.tamper_delete_user(people.world.user(staff_no).id)
    return str(actor.actor)


def without_event(people: People, staff_no: StaffNo) -> str:
    """Gone with a user storage that somebody removed: the component's event is all there is."""
    world = people.world
    actor = as_administrator(world, people.staff[-1])
    actor.tamper_remove_storage(world.user(staff_no).id)
    return str(actor.actor)


@pytest.mark.parametrize("way", [by_event, without_event])
def test_gone_is_told_once(people: People, way: Any) -> None:
    """An account that is gone is made again, with its card and post, under another id; it is told once, and
    who did it."""
    world, staff_no = people.world, people.staff[0]
    before = world.user(staff_no)
    actor = way(people, staff_no)
    for _ in range(3):
        world.pass_time(minutes=2)
        watcher(world).tick()
    after = world.user(staff_no)
    assert after.id != before.id
    assert (after.username, after.groups, after.identities) == (
        before.username,
        before.groups,
        before.identities,
    )
    (entry,) = people.bodies("account_gone")
    assert entry["accounts"] == [{"user": str(before.id), "username": str(before.username)}]
    assert (entry["count"], entry["actors"]) == (1, [actor])
    (notice,) = people.heard()
    text = words_of(notice).text
    assert before.username in text
    assert str(world.user(people.staff[-1]).username) in text, "the actor by name"
    assert before.name not in text
    world.verify_ledger()


def test_gone_is_told_by_a_sync_too(people: People) -> None:
    """Whoever takes it in tells of it: here no watcher runs."""
    world = people.world
    by_event(people, people.staff[0])
    world.sync()
    assert len(people.bodies("account_gone")) == 1
    assert watcher(world).tick().changes == 0
    assert len(people.bodies("account_gone")) == 1


def test_whom_a_list_left_out_is_not_gone(people: People) -> None:
    """A list may leave out somebody while others come or go: who is there when asked for is not told."""
    world, realm = people.world, people.world.fake
    hidden = world.user(people.staff[0])

    def hide(name: str) -> None:
        if name == "sweep_users":
            realm._state.users.pop(hidden.id, None)
        elif name == "read_user":
            realm._state.users[hidden.id] = hidden

    realm.before_call = hide
    world.console.tamper_remove_storage()
    watcher(world).tick()
    realm.before_call = None
    assert realm._state.users[hidden.id] == hidden
    assert people.bodies("account_gone") == []


def test_foreign_accounts_go_unheard(people: People) -> None:
    """Whoever is not ours may go, and may have a password."""
    world = people.world
    user = foreigner(world)
    watcher(world).tick()
    world.console.tamper_password(user)
    watcher(world).tick()
    world.console.tamper_delete_user(user)
    watcher(world).tick()
    assert people.bodies("account_gone") == people.bodies("password_set") == []
    assert people.heard() == []


def test_password_is_told(people: People) -> None:
    """A password that somebody set for an account of ours is told once, with whom, by whom, and no more."""
    world = people.world
    user = world.user(people.staff[0])
    actor = as_administrator(world, people.staff[1])
    for _ in range(2):  # told as one
        actor.tamper_password(user.id)
    for _ in range(2):
        watcher(world).tick()
    (entry,) = people.bodies("password_set")
    assert entry["accounts"] == [{"user": str(user.id), "username": str(user.username), "actor": actor.actor}]
    assert (entry["count"], entry["actors"]) == (1, [actor.actor])
    (notice,) = people.heard()
    words = words_of(notice)
    assert "密码" in words.subject
    assert user.username in words.text
    assert world.user(people.staff[1]).username in words.text
    assert user.name not in words.text


def test_a_logout_is_no_password(people: People) -> None:
    """Of what else is done to an account nobody is told."""
    world = people.world
    user = world.user(people.staff[0])
    world.console.logout(user.id)
    watcher(world).tick()
    assert people.bodies("password_set") == []


def test_many_are_counted(world: World) -> None:
    """What is done to many accounts at once is one notice and one entry, of twenty names and their number."""
    people = People(world, 25)
    for staff_no in people.staff:
        world.console.tamper_password(world.user(staff_no).id)
    watcher(world).tick()
    for staff_no in people.staff:
        world.console.tamper_delete_user(world.user(staff_no).id)
    watcher(world).tick()
    for kind in ("password_set", "account_gone"):
        (entry,) = people.bodies(kind)
        assert (entry["count"], len(entry["accounts"])) == (25, 20)
    assert sorted(str(item.kind) for item in people.heard()) == ["account_gone", "password"]
