"""A repair looks at a few people: what needs more than them to be judged is judged with the rest."""

from __future__ import annotations

from fixtures.watching import watcher
from fixtures.world import BUREAU, VILLAGE, World
from quanheng.model.finding import FindingKind
from quanheng.model.ids import Username
from quanheng.model.realm import NewUser

OFFICE = "/管理员/140902-忻府区/系统管理员"


def test_a_former_administrator_is_not_the_last(world: World) -> None:
    """Who held an office before and is put back into its group is taken out: the office has its holder,
    though no event told of that one."""
    world.hire(BUREAU, "系统管理员", staff_no="S00001")
    world.issue_and_sync()
    world.approve()
    world.sync()
    world.change("S00001", post="经办人员")
    world.hire(BUREAU, "系统管理员", staff_no="S00002")
    world.issue_and_sync()
    world.approve()
    world.sync()
    watcher(world).tick()
    assert (world.duties("S00001"), world.duties("S00002")) == ({"经办人员"}, {"系统管理员"})

    world.console.join_group(world.user("S00001").id, world.group(OFFICE).id)
    assert watcher(world).tick().changes == 1

    assert (world.duties("S00001"), world.duties("S00002")) == ({"经办人员"}, {"系统管理员"})
    assert FindingKind.LAST_ADMINISTRATOR not in {item.kind for item in world.check().findings}


def test_whoever_is_said_to_be_somebody_else(world: World) -> None:
    """A user that says it is one of our people is foreign; that person has an account, and gets no other."""
    staff_no = world.hire(VILLAGE)
    world.issue_and_sync()
    watcher(world).tick()
    entries, accounts = len(world.ledger("create")), world.users()
    world.console.create_user(
        NewUser(
            username=Username("outsider"),
            enabled=True,
            name="外来",
            attributes={"person_id": (str(world.person(staff_no).id),)},
            groups=frozenset({("岗位", "140902-忻府区", "审核人员")}),
            identities=frozenset(),
        )
    )

    done = watcher(world).tick()

    assert (done.changes, done.refused) == (1, 0)
    assert (len(world.ledger("create")), world.users()) == (entries, accounts)
    assert watcher(world).tick().quiet
    world.verify_ledger()
