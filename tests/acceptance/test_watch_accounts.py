"""What is done to accounts themselves is told once: one that is gone, one that was given a password."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fixtures.watching import as_administrator, foreigner, watcher
from fixtures.world import VILLAGE, World
from quanheng.config import NotifySettings
from quanheng.model.ids import StaffNo, Username
from quanheng.model.realm import NewUser, RealmUser
from quanheng.notify.port import Notice
from quanheng.notify.words import words_of
from quanheng.operations.watching.accounts import find_gone
from quanheng.operations.watching.announcing import deliver_notices
from quanheng.store.meta import read_text


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


def test_of_very_many_a_list_is_believed(world: World) -> None:
    """A hundred that a list left out are asked for one by one; of more, no request is made."""
    ours = [world.user(item).id for item in People(world, 101).staff]
    for count, asked in ((101, 0), (100, 100)):
        world.fake.calls.clear()
        gone = find_gone(world.context, ours[:count], listed=True)
        assert world.fake.calls["read_user"] == asked
        assert gone == (frozenset() if asked else frozenset(ours)), "they are all still there"
    world.fake.calls.clear()
    assert find_gone(world.context, ours[:3], listed=False) == frozenset(ours[:3]), "each was asked for"
    assert world.fake.calls["read_user"] == 0


def test_who_deleted_it_is_named_alone(people: People) -> None:
    """Not whoever saved the account just before, nor who changed a user storage meanwhile."""
    world, user = people.world, people.world.user(people.staff[0])
    save(world, as_administrator(world, people.staff[1]), people.staff[0])
    as_administrator(world, people.staff[1]).tamper_remove_storage()
    actor = as_administrator(world, people.staff[2])
    actor.tamper_delete_user(user.id)
    watcher(world).tick()
    (entry,) = people.bodies("account_gone")
    assert entry["actors"] == [actor.actor]


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


def save(world: World, actor: Any, staff_no: StaffNo) -> None:
    """Saved in the console as it is."""
    user = world.user(staff_no)
    actor.update_user(
        user.id, username=user.username, enabled=None, name=user.name, attributes=user.attributes
    )


def by_saving(people: People, actor: Any, staff_no: StaffNo) -> None:
    """``PUT /users/{id}`` with credentials."""
    actor.tamper_bring_password(people.world.user(staff_no).id)
    save(people.world, actor, staff_no)


def _made_again(people: People, staff_no: StaffNo) -> tuple[RealmUser, NewUser]:
    user = people.world.user(staff_no)
    people.world.console.tamper_delete_user(user.id)
    new = NewUser(
        username=user.username,
        enabled=True,
        name=user.name,
        attributes=user.attributes,
        groups=(),
        identities=user.identities,
    )
    return user, new


def by_making_it_anew(people: People, actor: Any, staff_no: StaffNo) -> None:
    """``POST /users`` with credentials, for somebody whose account was deleted."""
    _, new = _made_again(people, staff_no)
    actor.tamper_bring_password(actor.create_user(new))


def by_an_import(people: People, actor: Any, staff_no: StaffNo) -> None:
    """A partial import with credentials, the same."""
    user, new = _made_again(people, staff_no)
    actor.tamper_bring_password(actor.import_users([new])[user.username])


def by_linking_the_card_later(people: People, actor: Any, staff_no: StaffNo) -> None:
    """Made with a password as nobody's, and nobody's password is told; then it becomes ours."""
    _, new = _made_again(people, staff_no)
    made = actor.create_user(replace(new, username=Username("between"), identities=frozenset()))
    actor.tamper_bring_password(made)
    watcher(people.world).tick()
    assert people.bodies("password_set") == []
    again = people.world.user(staff_no)
    people.world.console.tamper_delete_user(again.id)
    (card,) = again.identities
    actor.link_identity(made, card)


@pytest.mark.parametrize("way", [by_saving, by_making_it_anew, by_an_import, by_linking_the_card_later])
def test_password_that_no_event_tells_of(people: People, way: Any) -> None:
    """What makes or saves an account may bring a password: the event says nothing of it, so it is asked for;
    told once, however often the account is saved, and again when another is set."""
    world, staff_no = people.world, people.staff[0]
    actor = as_administrator(world, people.staff[1])
    way(people, actor, staff_no)
    watcher(world).tick()
    (entry,) = people.bodies("password_set")
    for _ in range(2):
        save(world, actor, staff_no)
        watcher(world).tick()
    assert people.bodies("password_set") == [entry]
    (account,) = entry["accounts"]
    assert (account["user"], account["actor"]) == (str(world.user(staff_no).id), actor.actor)
    (notice,) = [item for item in people.heard() if item.kind == "password"]
    assert account["username"] in words_of(notice).text
    by_saving(people, actor, staff_no)
    watcher(world).tick()
    assert len(people.bodies("password_set")) == 2
    world.verify_ledger()


def test_password_that_a_thief_sets_in_our_name(people: People) -> None:
    """What our own account saved is asked about while its acts are in doubt."""
    world = people.world
    world.fake.as_actor("master")._tell("UPDATE", "CLIENT", "clients/ours")
    by_saving(people, world.fake.as_actor(world.fake.actor), people.staff[0])
    watcher(world).tick()
    (entry,) = people.bodies("password_set")
    assert entry["actors"] == [world.fake.actor]


def test_a_password_that_went_is_forgotten(people: People) -> None:
    """Nothing is kept of whoever has none, or none any more: it would be kept for ever."""
    world, (staff_no, other, _) = people.world, people.staff
    actor = as_administrator(world, other)
    by_saving(people, actor, staff_no)
    save(world, actor, other)
    watcher(world).tick()
    assert set(kept(world)) == {world.user(staff_no).id}
    del world.fake._state.passwords[world.user(staff_no).id]
    save(world, actor, staff_no)
    watcher(world).tick()
    assert kept(world) == {}


def kept(world: World) -> dict[str, Any]:
    """Marks of the passwords that were told, by account."""
    with world.context.database.reading() as connection:
        found: dict[str, Any] = json.loads(read_text(connection, "told_passwords") or "")
    return found


def test_whoever_is_deleted_is_not_asked_about(people: People) -> None:
    """Nor whose card was unlinked: neither brings a password."""
    world = people.world
    actor = as_administrator(world, people.staff[2])
    actor.tamper_delete_user(world.user(people.staff[0]).id)
    user = world.user(people.staff[1])
    (card,) = user.identities
    actor.unlink_identity(user.id, card.provider)
    world.fake.calls.clear()
    watcher(world).tick()
    assert world.fake.calls["read_passwords"] == 0


def test_accounts_that_we_made_are_not_asked_about(world: World) -> None:
    """Nor while our acts are in doubt: a first load comes just after the realm's settings were changed."""
    world.fake.as_actor("master")._tell("UPDATE", "CLIENT", "clients/ours")
    world.hire(VILLAGE)
    world.hire(VILLAGE)
    assert world.issue_and_sync().outcome.refused == ()
    world.fake.calls.clear()
    watcher(world).tick()
    assert world.sync().plan.empty
    assert world.fake.calls["read_passwords"] == 0


def test_password_is_asked_for_once(people: People) -> None:
    """One request for each account of ours that somebody saved; none for our own acts, for foreign accounts
    and for memberships."""
    world, realm = people.world, people.world.fake
    actor = as_administrator(world, people.staff[2])
    user = foreigner(world)
    watcher(world).tick()
    realm.calls.clear()
    for _ in range(3):
        save(world, actor, people.staff[0])
        save(world, actor, people.staff[1])
    actor.tamper_bring_password(user)
    actor.logout(world.user(people.staff[0]).id)
    actor.join_group(world.user(people.staff[2]).id, next(iter(world.user(people.staff[0]).groups)))
    watcher(world).tick()
    assert realm.calls["read_passwords"] == 2
    world.hire(VILLAGE)
    world.issue_and_sync()
    watcher(world).tick()
    assert realm.calls["read_passwords"] == 2
    assert people.bodies("password_set") == []
