"""What an entitled administrator does in the console stands; what anybody else does is undone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import pytest
from sqlalchemy import Table, delete, insert, select, update

from fixtures.watching import as_administrator, watcher
from fixtures.world import BUREAU, OTHER_BUREAU, OTHER_VILLAGE, VILLAGE, World, kinds_of
from quanheng.model.finding import FindingKind
from quanheng.model.ids import StaffNo
from quanheng.model.person import BasisKind
from quanheng.store import tables

OPERATOR: Final = "/岗位/140902-忻府区/业务操作员"
HANDLER: Final = "/岗位/140902-忻府区/经办人员"
PROVINCE_BUSINESS: Final = "P00002"
Take = Callable[[World], object]


@pytest.fixture(params=["watcher", "sync"])
def take(request: pytest.FixtureRequest) -> Take:
    """Whoever reads the events first, a watcher or a sync, the outcome is the same."""
    if request.param == "sync":
        return lambda world: world.sync()
    return lambda world: watcher(world).tick()


@pytest.fixture
def bureau(world: World) -> World:
    """A clerk without a post at the county's bureau, handlers, operators, and both administrators."""
    for _ in range(3):
        world.hire(VILLAGE)
    world.hire(BUREAU, "经办人员", staff_no="H00001")
    world.hire(BUREAU, "", staff_no="C00001")
    world.hire(OTHER_VILLAGE, staff_no="O00001")
    world.hire(BUREAU, "业务管理员", staff_no="B00001")
    world.hire(BUREAU, "系统管理员", staff_no="S00001")
    world.issue_and_sync()
    world.approve()
    world.sync()
    watcher(world).tick()
    return world


def join(world: World, by: str, who: str, path: str) -> None:
    as_administrator(world, by).join_group(world.user(who).id, world.group(path).id)


def leave(world: World, by: str, who: str, path: str) -> None:
    as_administrator(world, by).leave_group(world.user(who).id, world.group(path).id)


def settled(world: World) -> bool:
    """Whether nothing is left to do for anybody."""
    quiet = watcher(world).tick().quiet and world.sync().plan.empty
    world.verify_ledger()
    return quiet and world.check().differences == ()


@pytest.mark.parametrize("by", ["B00001", PROVINCE_BUSINESS])
def test_a_grant_becomes_a_basis(bureau: World, take: Take, by: str) -> None:
    """The county's 业务管理员, or the province's, grants a duty: it stands over new issues."""
    join(bureau, by, "C00001", HANDLER)
    take(bureau)
    assert bureau.duties("C00001") == {"经办人员"}
    basis = bureau.registry().bases[0]
    assert (basis.kind, basis.post, basis.area, basis.actor) == (
        BasisKind.CONSOLE,
        "handler",
        "140902",
        bureau.user(by).id,
    )
    assert json.loads(bureau.ledger("basis_adopted")[0].body)["actor"] == bureau.user(by).id
    bureau.issue_and_sync()
    assert bureau.duties("C00001") == {"经办人员"}
    assert settled(bureau)


def test_a_revoke_becomes_a_withholding(bureau: World, take: Take) -> None:
    """An entitled administrator's revoke is not undone by any source."""
    leave(bureau, "B00001", "H00001", HANDLER)
    take(bureau)
    bureau.issue_and_sync()
    assert bureau.duties("H00001") == set()
    assert [item.actor for item in bureau.registry().withholdings] == [bureau.user("B00001").id]
    assert len(bureau.ledger("withholding_adopted")) == 1
    assert settled(bureau)


def test_a_grant_again_lifts_the_withholding(bureau: World, take: Take) -> None:
    """What was withheld and is granted again rests on its source once more."""
    leave(bureau, "B00001", "H00001", HANDLER)
    take(bureau)
    join(bureau, "B00001", "H00001", HANDLER)
    take(bureau)
    assert bureau.duties("H00001") == {"经办人员"}
    assert (bureau.registry().withholdings, bureau.registry().bases) == ((), ())
    assert settled(bureau)


def test_a_revoke_ends_a_console_basis(bureau: World, take: Take) -> None:
    """What only the console had given is over; nothing is withheld from a later source."""
    join(bureau, "B00001", "C00001", HANDLER)
    take(bureau)
    leave(bureau, PROVINCE_BUSINESS, "C00001", HANDLER)
    take(bureau)
    assert bureau.duties("C00001") == set()
    assert (bureau.registry().withholdings, bureau.registry().bases) == ((), ())
    assert len(bureau.ledger("basis_ended")) == 1
    assert settled(bureau)


def refused(world: World) -> list[str]:
    """Why changes in the console did not stand."""
    return [json.loads(entry.body)["why"] for entry in world.ledger("console_change_refused")]


@pytest.mark.parametrize(
    ("by", "who", "path", "why"),
    [
        ("S00001", "C00001", HANDLER, "操作人的岗位无权"),
        ("H00001", "C00001", HANDLER, "操作人的岗位无权"),
        ("B00001", "B00001", HANDLER, "不得为本人"),
        ("B00001", "O00001", "/岗位/140921-定襄县/业务操作员", ""),
        ("B00001", "C00001", "/岗位/140902-忻府区/审核人员", "操作人的岗位无权"),
        ("B00001", "C00001", "/岗位/140921-定襄县/经办人员", "操作人的岗位无权"),
        (
            PROVINCE_BUSINESS,
            "C00001",
            "/岗位/140921-定襄县/经办人员",
            "岗位属于 定襄县，人员属于 忻府区，不得跨地区授予",
        ),
        (PROVINCE_BUSINESS, "C00001", OPERATOR, "不在本人所属"),
        (PROVINCE_BUSINESS, "S00001", HANDLER, "不得有经办"),
        (PROVINCE_BUSINESS, "C00001", "/管理员/140902-忻府区/系统管理员", "操作人的岗位无权"),
    ],
)
def test_not_entitled_is_undone(bureau: World, take: Take, by: str, who: str, path: str, why: str) -> None:
    """Another kind of administrator, oneself, another county, a guarded post, a wrong level, a conflict."""
    before = bureau.paths(who)
    join(bureau, by, who, path)
    take(bureau)
    assert bureau.paths(who) == before
    assert bureau.registry().bases == ()
    if why:
        assert why in refused(bureau)[0]
    assert settled(bureau)


def test_why_is_about_the_post_that_was_granted(bureau: World, take: Take) -> None:
    """What was taken away before is not why another post was refused."""
    leave(bureau, PROVINCE_BUSINESS, "H00001", HANDLER)
    take(bureau)
    join(bureau, PROVINCE_BUSINESS, "H00001", OPERATOR)
    take(bureau)
    assert refused(bureau) == ["该岗位不在本人所属地区或级别"]


def test_revoked_by_somebody_not_entitled(bureau: World, take: Take) -> None:
    """A duty that 系统管理员 took away is given back."""
    leave(bureau, "S00001", "H00001", HANDLER)
    take(bureau)
    assert bureau.duties("H00001") == {"经办人员"}
    assert bureau.registry().withholdings == ()
    assert settled(bureau)


def test_power_gained_a_moment_ago_entitles_nobody(bureau: World, take: Take) -> None:
    """Somebody made 业务管理员 in the console, who grants at once: both are undone."""
    office = "/管理员/140902-忻府区/业务管理员"
    bureau.console.join_group(bureau.user("S00001").id, bureau.group(office).id)
    join(bureau, "S00001", "C00001", HANDLER)
    take(bureau)
    assert bureau.duties("C00001") == set()
    assert bureau.duties("S00001") == {"系统管理员"}
    assert settled(bureau)


def test_disabled_administrator_entitles_nobody(bureau: World, take: Take) -> None:
    """A grant by an account that is switched off does not stand."""
    user = bureau.user("B00001")
    bureau.console.update_user(
        user.id, username=user.username, enabled=False, name=user.name, attributes=user.attributes
    )
    bureau.sync()
    join(bureau, "B00001", "C00001", HANDLER)
    take(bureau)
    assert bureau.duties("C00001") == set()


def test_a_basis_without_signature_counts_for_nothing(bureau: World) -> None:
    """Whoever writes a basis into the store without the key gives nothing away, and it is told."""
    join(bureau, "B00001", "C00001", HANDLER)
    watcher(bureau).tick()
    with bureau.context.database.transaction() as connection:
        connection.execute(update(tables.basis).values(person_id=bureau.person("S00001").id))
    found = bureau.sync()
    assert FindingKind.FORGED_DECISION in kinds_of(found.plan.findings)
    assert (bureau.duties("S00001"), bureau.duties("C00001")) == ({"系统管理员"}, set())


def test_a_source_that_conflicts_suspends_the_basis(bureau: World) -> None:
    """What the sources say stands before a console's grant: it is suspended, told, and back afterwards."""
    join(bureau, "B00001", "C00001", HANDLER)
    watcher(bureau).tick()
    bureau.drop("S00001")
    bureau.issue_and_sync()
    bureau.pass_time(days=40)
    bureau.issue_and_sync()
    bureau.change("C00001", post="系统管理员", post_id="system_admin")
    bureau.issue_and_sync()
    bureau.approve()
    done = bureau.sync()
    assert bureau.duties("C00001") == {"系统管理员"}
    assert FindingKind.BASIS_SUSPENDED in kinds_of(done.plan.findings)
    assert len(bureau.registry().bases) == 1


def test_a_transfer_ends_what_the_console_gave(bureau: World) -> None:
    """In another county nothing of it counts."""
    join(bureau, "B00001", "C00001", HANDLER)
    watcher(bureau).tick()
    bureau.change("C00001", org=OTHER_BUREAU)
    bureau.issue_and_sync()
    assert bureau.duties("C00001") == set()


def test_who_leaves_holds_nothing(bureau: World) -> None:
    """A basis of the console does not outlast the person's leaving."""
    join(bureau, "B00001", "C00001", HANDLER)
    watcher(bureau).tick()
    bureau.change("C00001", status="退休", status_from="2026-03-01")
    bureau.issue_and_sync()
    assert bureau.duties(StaffNo("C00001")) == set()
    assert not bureau.user("C00001").enabled


def test_an_ended_basis_is_not_put_back(bureau: World, take: Take) -> None:
    """Its signature is genuine, but the ledger has its end: it counts no more, and is told of."""
    join(bureau, "B00001", "C00001", HANDLER)
    take(bureau)
    (old,) = rows(bureau, tables.basis)
    leave(bureau, PROVINCE_BUSINESS, "C00001", HANDLER)
    take(bureau)
    with bureau.context.database.transaction() as connection:
        connection.execute(insert(tables.basis).values(old))
    done = bureau.sync()
    assert bureau.duties("C00001") == set()
    assert [item.detail for item in done.plan.findings if item.violation] == [
        "授予依据依台账已终止，不予承认"
    ]


def test_a_withholding_is_not_taken_away(bureau: World, take: Take) -> None:
    """The ledger has it: the post stays withheld, is told of, and who is entitled may grant it again."""
    leave(bureau, "B00001", "H00001", HANDLER)
    take(bureau)
    with bureau.context.database.transaction() as connection:
        connection.execute(delete(tables.withholding))
    done = bureau.issue_and_sync()
    assert bureau.duties("H00001") == set()
    assert [item.detail for item in done.plan.findings if item.violation] == [
        "台账中的收回记录不见了，仍按收回处理"
    ]
    join(bureau, "B00001", "H00001", HANDLER)
    take(bureau)
    assert bureau.duties("H00001") == {"经办人员"}
    assert settled(bureau)


def test_an_ended_withholding_is_not_put_back(bureau: World, take: Take) -> None:
    """Nor can somebody's post be taken away by an old row."""
    leave(bureau, "B00001", "H00001", HANDLER)
    take(bureau)
    (old,) = rows(bureau, tables.withholding)
    join(bureau, "B00001", "H00001", HANDLER)
    take(bureau)
    with bureau.context.database.transaction() as connection:
        connection.execute(insert(tables.withholding).values(old))
    done = bureau.sync()
    assert bureau.duties("H00001") == {"经办人员"}
    assert FindingKind.FORGED_DECISION in kinds_of(done.plan.findings)


def rows(world: World, table: Table) -> list[dict[str, Any]]:
    """All rows of a table."""
    with world.context.database.reading() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]
