"""A first sync and a second one: what a small world becomes, and that nothing is left to do."""

from __future__ import annotations

from fixtures.world import BUREAU, FOUNDERS, TOWNSHIP, VILLAGE, World, kinds_of
from quanheng.model.finding import FindingKind
from quanheng.model.person import ProposalKind


def test_people_become_accounts(world: World) -> None:
    """Everybody of the feed has one enabled account with organisation, duty, card and number."""
    villager = world.hire(VILLAGE)
    handler = world.hire(BUREAU, "经办人员", employment="合同制")
    done = world.issue_and_sync()

    assert done.outcome.refused == ()
    assert set(world.users()) == {villager, handler, *FOUNDERS.values()}
    user = world.user(villager)
    assert user.enabled
    assert user.username == world.person(villager).username
    assert {item.subject for item in user.identities} == {world.person(villager).subject}
    assert user.attributes["org_code"] == (VILLAGE,)
    assert world.paths(villager) == {
        "/机构/14-山西省/1409-忻州市/140902-忻府区/140902001-南城街道",
        "/岗位/140902-忻府区/业务操作员",
    }
    assert world.paths(handler) == {
        "/机构/14-山西省/1409-忻州市/140902-忻府区/140902000-局机关",
        "/岗位/140902-忻府区/经办人员",
    }


def test_founders_are_administrators_at_once(world: World) -> None:
    """Whom the bootstrap named is in the administrators' group alone, and in no organisation's."""
    world.issue_and_sync()
    for post, staff_no in FOUNDERS.items():
        label = world.pack.post_by_id[post].label
        assert world.paths(staff_no) == {f"/管理员/14-山西省/{label}", "/资格/正式在编"}
    assert world.proposals() == ()


def test_second_sync_does_nothing(world: World) -> None:
    """A second sync finds nothing to do, writes nothing, and asks Keycloak at most twenty times."""
    for _ in range(30):
        world.hire(TOWNSHIP)
    world.issue_and_sync()
    world.fake.calls.clear()
    revision = world.registry().revision
    entries = len(world.ledger())

    again = world.sync()

    assert again.plan.empty
    assert again.unchanged == 32
    assert world.fake.writes == 0
    assert world.fake.calls.total() <= 20
    assert world.registry().revision == revision
    assert len(world.ledger()) == entries
    assert world.check().clean


def test_equal_content_in_a_new_issue_changes_no_account(world: World) -> None:
    """The same people issued anew are remembered as the newest word, and no account is touched."""
    world.hire(VILLAGE)
    world.issue_and_sync()
    world.fake.calls.clear()
    world.pass_time(days=1)
    assert world.issue_and_sync().plan.empty
    assert world.fake.writes == 0
    assert world.registry().sources["hr"].sequence == 2  # type: ignore[index]


def test_source_alone_makes_no_administrator(world: World) -> None:
    """A row that makes someone administrator is a proposal; approved, the person is one."""
    staff_no = world.hire(BUREAU, "系统管理员")
    done = world.issue_and_sync()
    assert FindingKind.AWAITS_APPROVAL in kinds_of(done.plan.findings)
    assert world.duties(staff_no) == set()
    assert [(item.kind, item.subject) for item in world.proposals()] == [
        (ProposalKind.GUARDED_POST, staff_no)
    ]

    world.approve()
    world.sync()

    assert world.paths(staff_no) == {"/管理员/140902-忻府区/系统管理员", "/资格/正式在编"}
    assert world.sync().plan.empty


def test_rejected_proposal_stays_rejected(world: World) -> None:
    """What was rejected is not proposed again by the next issue of the same row."""
    staff_no = world.hire(BUREAU, "审核人员")
    world.issue_and_sync()
    world.approve(approve=False)
    world.issue_and_sync()
    assert world.proposals() == ()
    assert world.duties(staff_no) == set()


def test_ledger_has_each_change_once(world: World) -> None:
    """The ledger verifies and has each user created and each group created exactly once."""
    for _ in range(12):
        world.hire(VILLAGE)
    world.issue_and_sync()
    world.verify_ledger()
    assert len(world.ledger("create")) == len(world.users()) == 14
    assert len(world.ledger("group_create")) == len(world.console.read_groups())
    assert [item.kind for item in world.ledger()][:2] == ["bootstrap", "plan_begun"]
