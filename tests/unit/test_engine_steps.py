"""Single steps against the fake: what is known while a plan is carried out, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.pure import card
from quanheng.engine.steps import Result, World, run_creations, run_group_step, run_user_step
from quanheng.keycloak.fake import FakeRealm
from quanheng.keycloak.port import RealmRefusedError
from quanheng.model.change import Change, ChangeKind
from quanheng.model.ids import KeycloakId, Username
from quanheng.model.realm import NewUser
from quanheng.operations.refresh import read_live

ATTRIBUTES = {"person_id": ["p"], "staff_no": ["S1"], "org_code": ["14"]}


def change(kind: ChangeKind, private: dict[str, Any] | None = None, **detail: Any) -> Change:
    """A change of sx1."""
    return Change(kind=kind, subject="sx1", reason="", detail=detail, private=private or {})


def create(subject: str = "card-1", **detail: Any) -> Change:
    """The creation of sx1 with a card."""
    values = {"enabled": True, "attributes": ATTRIBUTES, "groups": [], "holds": [], **detail}
    return change(ChangeKind.CREATE, {"name": "人", "subject": subject}, **values)


@pytest.fixture
def fake() -> FakeRealm:
    """An empty realm."""
    return FakeRealm("shanxi")


def made(fake: FakeRealm, subject: str = "card-1") -> KeycloakId:
    """sx1, with a card, as it was made before."""
    new = NewUser(
        username=Username("sx1"),
        enabled=True,
        name="人",
        attributes={},
        groups=(),
        identities=frozenset({card(subject, "sx1")}),
    )
    return fake.create_user(new)


def test_group_under_a_group_of_the_same_plan(fake: FakeRealm) -> None:
    """A group lies under one that was made a step before, found by its key."""
    world = World(read_live(fake))
    for number, detail in enumerate(
        (
            {"key": "root:org", "path": ["机构"]},
            {"key": "org:14", "path": ["机构", "14-山西省"], "parent": "root:org"},
        )
    ):
        step = change(ChangeKind.GROUP_CREATE, attributes={}, roles=[], **detail)
        world.learn(run_group_step(fake, world, (number, step)))
    assert {group.path for group in fake.read_groups().values()} == {("机构",), ("机构", "14-山西省")}
    assert set(world.made) == {"root:org", "org:14"}


def test_group_under_one_that_was_refused(fake: FakeRealm) -> None:
    """Without its parent a group is refused, with the parent's key as the reason."""
    world = World(read_live(fake))
    step = change(ChangeKind.GROUP_CREATE, key="org:14", path=["机构", "14"], parent="root:org",
                  attributes={}, roles=[])  # fmt: skip
    with pytest.raises(RealmRefusedError, match="root:org"):
        run_group_step(fake, world, (0, step))


def test_rename_is_known_below(fake: FakeRealm) -> None:
    """After a rename the world knows the new paths of everything below, as Keycloak has them."""
    top = fake.create_group(None, "机构", {}, frozenset())
    middle = fake.create_group(top, "甲", {}, frozenset())
    fake.create_group(middle, "乙", {}, frozenset())
    world = World(read_live(fake))
    step = change(ChangeKind.GROUP_UPDATE, id=top, name="组织", attributes={})
    world.learn(run_group_step(fake, world, (0, step)))
    assert world.groups == dict(fake.read_groups())


def test_grant_of_a_group_that_is_not_there(fake: FakeRealm) -> None:
    """A duty whose group was refused is refused too, and nothing is called."""
    user = made(fake)
    world = World(read_live(fake))
    fake.calls.clear()
    with pytest.raises(RealmRefusedError, match="duty:1"):
        run_user_step(fake, world, (0, change(ChangeKind.GRANT, id=user, key="duty:1")))
    assert fake.writes == 0


@pytest.mark.parametrize(
    ("kind", "logs_out"),
    [
        (ChangeKind.DISABLE, True),
        (ChangeKind.REVOKE, True),
        (ChangeKind.ROLE_REMOVE, True),
        (ChangeKind.UNLINK, True),
        (ChangeKind.ENABLE, False),
        (ChangeKind.GRANT, False),
        (ChangeKind.ROLE_ADD, False),
    ],
)
def test_taking_ends_sessions(fake: FakeRealm, kind: ChangeKind, logs_out: bool) -> None:
    """Whatever takes power away ends the user's sessions; whatever gives it does not."""
    user = made(fake)
    group = fake.create_group(None, "组", {}, frozenset())
    role = fake.tamper_role("auditor")
    world = World(read_live(fake))
    fake.calls.clear()
    step = change(kind, id=user, group=group, key="k", roles=[role], provider="other")
    run_user_step(fake, world, (0, step))
    assert fake.calls["logout"] == logs_out


@pytest.mark.parametrize(("subject", "logs_out"), [("card-1", False), ("card-2", True)])
def test_another_card_ends_sessions(fake: FakeRealm, subject: str, logs_out: bool) -> None:
    """Whoever logged in by a card that is not the user's is out when the right one replaces it."""
    user = made(fake)
    world = World(read_live(fake))
    provider = next(iter(world.users[user].identities)).provider
    step = change(ChangeKind.LINK, {"subject": subject}, id=user, provider=provider)
    fake.calls.clear()
    run_user_step(fake, world, (0, step))
    assert fake.calls["logout"] == logs_out


def test_first_card_ends_none(fake: FakeRealm) -> None:
    """A card that is linked to a user who had none takes nothing from anybody."""
    user = made(fake)
    provider = next(iter(fake._state.users[user].identities)).provider
    fake.unlink_identity(user, provider)
    world = World(read_live(fake))
    fake.calls.clear()
    run_user_step(fake, world, (0, change(ChangeKind.LINK, {"subject": "x"}, id=user, provider=provider)))
    assert fake.calls["logout"] == 0


def test_move_leaves_before_it_joins(fake: FakeRealm) -> None:
    """Nobody is in two organisations, not even for a moment."""
    user = made(fake)
    old, new = (fake.create_group(None, name, {}, frozenset()) for name in ("旧", "新"))
    fake.join_group(user, old)
    world = World(read_live(fake))
    order: list[str] = []
    fake.before_call = order.append
    step = change(ChangeKind.MOVE, id=user, key="k", group=new, **{"from": old})
    result = run_user_step(fake, world, (0, step))
    assert order == ["leave_group", "join_group"]
    assert result.user is not None
    assert result.user.groups == {new}


def creations(fake: FakeRealm, *changes: Change) -> list[Result]:
    """Create a batch."""
    return run_creations(fake, "social-card", {}, list(enumerate(changes)))


def test_own_user_of_an_interrupted_run_is_taken(fake: FakeRealm) -> None:
    """A user of that name with our card is ours from before: taken as it is, made by no second call."""
    user = made(fake)
    (result,) = creations(fake, create())
    assert result.refusal is None
    assert result.user is not None
    assert result.user.id == user


def test_foreign_user_of_that_name_is_refused(fake: FakeRealm) -> None:
    """A user of that name without our card is somebody else's: refused, and not touched."""
    user = made(fake, "other")
    before = fake.read_user(user)
    (result,) = creations(fake, create())
    assert result.refusal is not None
    assert "外来账号" in result.refusal
    assert fake.read_user(user) == before


def test_batch_with_some_that_are_there(fake: FakeRealm) -> None:
    """A bulk import leaves out who is there; those are looked at one by one."""
    user = made(fake)
    other = Change(
        kind=ChangeKind.CREATE,
        subject="sx2",
        reason="",
        detail=create().detail,
        private={"name": "人", "subject": "card-2"},
    )
    results = creations(fake, create(), other)
    assert [result.refusal for result in results] == [None, None]
    assert fake.calls["import_users"] == 1
    assert results[0].user is not None
    assert results[0].user.id == user
    assert {item.username for item in fake.sweep_users()} == {"sx1", "sx2"}


def test_refused_batch_is_tried_one_by_one(fake: FakeRealm) -> None:
    """One that Keycloak would refuse does not keep out the others of its batch."""
    bad = Change(
        kind=ChangeKind.CREATE,
        subject="sx2",
        reason="",
        detail=create().detail,
        private={"name": "", "subject": "card-2"},
    )
    good, refused = creations(fake, create(), bad)
    assert good.user is not None
    assert refused.refusal is not None
    assert "人" not in refused.refusal
