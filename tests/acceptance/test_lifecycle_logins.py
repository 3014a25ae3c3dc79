"""What is believed of logins: none that is yet to come, none of an office that nobody gave; and how long a
pack may exempt from them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import insert, update

from fixtures.asking import COLLEAGUE, KEEPER, OTHER_KEEPER, bodies, staffed, weeks
from fixtures.feeds import shanxi
from fixtures.life import CLIENT, CONSOLE, WIDE, Life, make_life
from fixtures.world import BUREAU, World
from quanheng.clock import day_in_china
from quanheng.errors import ConfigurationError, SourceError
from quanheng.model.person import BasisKind, HoldKind, ProposalKind, ProposalState
from quanheng.notify.port import NoticeKind
from quanheng.operations.doctor.lifecycle import examine_lifecycle
from quanheng.operations.doctor.result import State
from quanheng.operations.lifecycle.ahead import look_ahead
from quanheng.operations.lifecycle.daily import do_day
from quanheng.operations.lifecycle.history import take_in_history
from quanheng.operations.lifecycle.logins import take_in_logins
from quanheng.policy.lint import lint
from quanheng.policy.pack import find_pack
from quanheng.policy.schema_lifecycle import InactivityExemption
from quanheng.store import tables
from quanheng.store.logins import begin_counts, put_gap, put_logins, read_gaps

FAR = datetime(2099, 1, 1, tzinfo=UTC)


@pytest.fixture
def life(world: World) -> Life:
    """Nothing is too much."""
    return make_life(world)


def some_weeks(life: Life, count: int) -> None:
    """Weeks go by, each with a day of work."""
    for _ in range(count):
        life.world.pass_time(days=7)
        life.day()


def write(life: Life, who: str, at: datetime = FAR) -> None:
    """Somebody writes a login into the store."""
    with life.context.database.transaction() as connection:
        put_logins(connection, {(life.world.person(who).id, CLIENT): at})


def reasons(life: Life) -> list[str]:
    """Why the operator was told that nobody is locked."""
    return [facts["reason"] for facts in life.told(NoticeKind.LOGINS_MISSING)]


# Moments that are yet to come


def test_a_login_to_come_hides_no_true_one(life: Life) -> None:
    """What it was written over is read again, so that nobody is locked too early for it; later ones count."""
    before, after, never = life.hire(), life.hire(), life.hire()
    life.begin()
    some_weeks(life, 8)
    life.login(before)
    some_weeks(life, 1)
    for who in (before, after, never):
        write(life, who)
    some_weeks(life, 1)
    life.login(after)
    some_weeks(life, 4)
    assert [life.enabled(who) for who in (before, after, never)] == [True, True, False]
    assert life.logins(before) == {CLIENT: datetime(2026, 4, 27, 4, tzinfo=UTC)}
    some_weeks(life, 8)
    assert not life.enabled(before)


def test_moments_to_come_are_told_once(life: Life) -> None:
    """To the operator, by the doctor, and for good in the ledger; that day nobody is locked."""
    clerk, due = life.hire(), life.hire()
    life.begin()
    some_weeks(life, 13)
    write(life, clerk)
    life.world.pass_time(days=2)
    life.day()
    assert life.enabled(due)
    assert [item for item in examine_lifecycle(life.context) if "在将来" in item.message]
    life.world.pass_time(days=1)
    life.day()
    assert not life.enabled(due)
    assert [reason for reason in reasons(life) if "1 处登录或起算时间在将来" in reason] == reasons(life)
    assert len(reasons(life)) == 1
    assert [body["count"] for body in bodies(life, "logins_to_come")] == [1]
    assert not [state for state in examine_lifecycle(life.context) if "在将来" in state.message]


def test_silence_is_told_beside_it(life: Life) -> None:
    """Both, when both are so."""
    clerk = life.hire()
    life.begin()
    write(life, clerk)
    life.world.pass_time(days=20)
    do_day(life.context)
    (told,) = reasons(life)
    assert "在将来" in told
    assert "没有任何人登录" in told


def test_an_account_that_was_given_back_counts_from_now(life: Life) -> None:
    """When it was is lost: it is not locked at once, and not never."""
    clerk = life.hire()
    life.begin()
    some_weeks(life, 12)
    with life.context.database.transaction() as connection:
        begin_counts(connection, [life.world.person(clerk).id], FAR, given_back=True)
    some_weeks(life, 13)
    assert life.enabled(clerk)
    some_weeks(life, 2)
    assert not life.enabled(clerk)


def test_a_person_who_is_yet_to_come(life: Life) -> None:
    """Not even when the account was made is known: it counts from now."""
    clerk = life.hire()
    life.begin()
    mine = life.world.person(clerk).id
    with life.context.database.transaction() as connection:
        person, account = tables.person, tables.account
        connection.execute(update(person).where(person.c.id == mine).values(created_at=FAR))
        connection.execute(update(account).where(account.c.person_id == mine).values(counts_from=None))
    some_weeks(life, 15)
    assert not life.enabled(clerk)


@pytest.mark.parametrize("since", [datetime(2026, 3, 1, tzinfo=UTC), FAR - timedelta(days=1)])
def test_a_time_without_events_that_is_yet_to_come(life: Life, since: datetime) -> None:
    """It ends now, and with it what keeps everybody from being locked."""
    clerk = life.hire()
    life.begin()
    with life.context.database.transaction() as connection:
        put_gap(connection, since, FAR, "不明")
    some_weeks(life, 1)
    with life.context.database.reading() as connection:
        (gap,) = read_gaps(connection)
    assert gap.until == life.world.clock()
    assert gap.since <= gap.until
    some_weeks(life, 12)
    assert life.enabled(clerk)
    some_weeks(life, 2)
    assert not life.enabled(clerk)


def test_nothing_is_settled_by_a_clock_that_is_wrong(life: Life) -> None:
    """One that is behind would take true logins for such as are yet to come."""
    clerk = life.hire()
    life.begin()
    life.login(clerk)
    life.day()
    early = life.world.open(
        settings=life.context.settings, clock=lambda: life.world.clock() - timedelta(days=3)
    )
    assert "时钟" in take_in_logins(early).problem
    assert life.logins(clerk) == {CLIENT: life.world.clock()}
    assert bodies(life, "logins_to_come") == []


def test_clocks_that_differ_a_little(life: Life) -> None:
    """Keycloak's may be minutes ahead: its newest logins are no such moments."""
    clerk = life.hire()
    life.begin()
    write(life, clerk, life.world.clock() + timedelta(minutes=9))
    assert take_in_logins(life.context).problem == ""
    write(life, clerk, life.world.clock() + timedelta(minutes=11))
    assert "在将来" in take_in_logins(life.context).problem


# Holidays


def test_bad_holidays_are_told_once_a_day(world: World) -> None:
    """Which file, and what to do; logins are taken in, and nobody is locked."""
    file = world.folder / "days-off.yaml"
    file.write_text("2027: nonsense\n", encoding="utf-8")
    life = make_life(world, WIDE.model_copy(update={"holidays_file": file}))
    clerk = life.hire()
    with pytest.raises(SourceError):
        life.begin()
    life.world.pass_time(days=95)
    for _ in range(2):
        with pytest.raises(SourceError):
            life.day()
    assert life.enabled(clerk)
    assert life.logins(life.lively[0]) == {CLIENT: life.world.clock()}
    _, told = reasons(life)
    assert "days-off.yaml" in told
    assert "请改正" in told


# Offices that nobody gave


def name_keeper(life: Life) -> str:
    """A source names somebody 系统管理员, and nothing comes of it yet."""
    who = life.hire(BUREAU, "系统管理员")
    life.world.issue_and_sync()
    return who


def reject(life: Life) -> None:
    """A second person says no."""
    life.world.approve(approve=False)
    life.world.sync()


def forge(life: Life) -> None:
    """Somebody without keys writes into the store that a second person said yes."""
    table = tables.proposal
    open_ = table.c.state == ProposalState.OPEN, table.c.kind == ProposalKind.GUARDED_POST
    values = {"state": ProposalState.APPROVED, "decided_by": KEEPER}
    with life.context.database.transaction() as connection:
        assert connection.execute(update(table).where(*open_).values(**values)).rowcount == 1


def forge_grant(life: Life, who: str) -> None:
    """The same of a grant."""
    values = {
        "post": "system_admin",
        "area": "140902",
        "kind": BasisKind.CONSOLE,
        "actor": "x",
        "reason": "x",
    }
    person = life.world.person(who).id
    with life.context.database.transaction() as connection:
        connection.execute(
            insert(tables.basis).values(person_id=person, at=life.world.clock(), signature="00", **values)
        )


@pytest.mark.parametrize("decision", [lambda _life: None, reject, forge])
def test_the_console_keeps_nobody_alive_who_is_merely_named(
    world: World, decision: Callable[[Life], None]
) -> None:
    """Whoever was made an administrator is kept by it."""
    life = staffed(world)
    who = name_keeper(life)
    decision(life)
    forge_grant(life, who)
    for _ in range(14):
        life.login(who, CONSOLE)
        weeks(life, 1)
    assert not life.enabled(who)
    assert life.enabled(KEEPER)
    assert life.logins(who) == {}
    assert CONSOLE in life.logins(KEEPER)


def test_the_history_of_the_console(world: World, tmp_path: Path) -> None:
    """Is one of administrators alone, too."""
    life = staffed(world)
    who = name_keeper(life)
    file = tmp_path / "history.csv"
    lines = [f"{name},{CONSOLE},2026-02-20 09:00:00" for name in (who, OTHER_KEEPER)]
    file.write_text("\n".join(["账号,系统,登录时间", *lines, ""]), encoding="utf-8")
    done = take_in_history(life.context, file)
    assert (done.lines, done.people, done.bad) == (2, 1, ())
    assert life.logins(who) == {}


def pack_with(tmp_path: Path, **inactivity: Any) -> tuple[str, ...]:
    """The pack of 山西, and more of times without a login."""
    folder = tmp_path / "pack"
    shutil.copytree(find_pack("shanxi"), folder)
    file = folder / "lifecycle.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    content["inactivity"] |= inactivity
    file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return (str(folder),)


def test_what_concerns_an_office_concerns_those_who_have_it(world: World, tmp_path: Path) -> None:
    """An exemption, or another time, by post; that of other posts goes by what the sources say."""
    until = (world.clock() + timedelta(days=300)).date()
    posts = ["system_admin", "handler"]
    exempt = {"posts": posts, "reason": "值班不登录系统", "until": until}
    life = staffed(world, packs=pack_with(tmp_path, exemptions=[exempt]))
    handler = life.hire(BUREAU, "经办人员")
    who = name_keeper(life)
    for _ in range(14):
        life.world.pass_time(days=7)
        life.day()
    assert [life.enabled(item) for item in (who, KEEPER, handler)] == [False, True, True]
    assert life.holds(COLLEAGUE) == {HoldKind.INACTIVE}  # 业务管理员, who did not log in and is not exempt
    exempted = {item.person.username for item in look_ahead(life.context).exempt}
    assert exempted >= {life.world.person(KEEPER).username, life.world.person(handler).username}
    assert life.world.person(who).username not in exempted


# How long, and whom, a pack exempts


def exempting(**fields: Any) -> list[str]:
    """What lint says of an exemption of the pack of 山西."""
    pack = shanxi()
    assert pack.lifecycle.inactivity is not None
    item = InactivityExemption.model_validate({"reason": "全员免予锁定", "until": "9999-12-31"} | fields)
    inactivity = pack.lifecycle.inactivity.model_copy(update={"exemptions": (item,)})
    return lint(replace(pack, lifecycle=pack.lifecycle.model_copy(update={"inactivity": inactivity})))


def test_an_exemption_of_everybody() -> None:
    """Is none: there would be no rule left."""
    everybody = tuple(post.id for post in shanxi().posts.posts)
    for fields in (
        {"areas": ["14"]},
        {"areas": ["1409", "14"]},
        {"posts": everybody},
        {"posts": everybody, "areas": ["14"]},
    ):
        (fault,) = exempting(**fields)
        assert "the one until 9999-12-31 concerns everybody" in fault
    for fields in (
        {"areas": ["1409"]},
        {"posts": everybody[:-1]},
        {"posts": everybody[:1], "areas": ["14"]},
        {"posts": everybody, "areas": ["1409"]},
    ):
        assert exempting(**fields) == []


def test_a_pack_that_exempts_everybody_is_not_loaded(world: World, tmp_path: Path) -> None:
    """Nothing runs with it."""
    exempt = {"areas": ["14"], "reason": "全省免予锁定", "until": "9999-12-31"}
    with pytest.raises(ConfigurationError, match="concerns everybody"):
        _ = make_life(world, packs=pack_with(tmp_path, exemptions=[exempt])).context.pack


def test_the_doctor_tells_of_exemptions(world: World, tmp_path: Path) -> None:
    """That last for more than a year, or are over; not of others."""
    ends = ["9999-12-31", "2027-03-03", "2027-03-02", "2026-03-02", "2026-03-01"]
    assert day_in_china(world.clock()).isoformat() == "2026-03-02"
    exempt = [{"areas": ["140921"], "reason": "汛期驻村", "until": end} for end in ends]
    life = make_life(world, packs=pack_with(tmp_path, exemptions=exempt))
    life.begin()
    told = [item for item in examine_lifecycle(life.context) if item.id == "lifecycle.exemptions"]
    assert {item.state for item in told} == {State.WARN}
    assert [[end for end in ends if end in item.message] for item in told] == [
        ["9999-12-31"],
        ["2027-03-03"],
        ["2026-03-01"],
    ]
    assert ["超过 12 个月" in item.message for item in told] == [True, True, False]
