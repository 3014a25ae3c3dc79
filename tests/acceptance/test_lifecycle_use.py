"""Three months without a login: announced, locked, and never on the word of events that went missing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from fixtures.asking import CLERK, KEEPER, staffed, weeks
from fixtures.life import Life, make_life
from fixtures.watching import as_administrator
from fixtures.world import BUREAU, NOON, OTHER_VILLAGE, PROVINCE_BUREAU, VILLAGE, VILLAGE_2, World
from quanheng.bridge.values import LoginId, LoginRecord
from quanheng.clock import CHINA, day_in_china
from quanheng.config import LifecycleSettings, Limit
from quanheng.errors import ConfigurationError, RefusedError, SourceError, UnsafePlanError
from quanheng.keycloak.compare import Difference
from quanheng.model.person import HoldKind, ProposalKind, ProposalState
from quanheng.notify.port import NoticeKind
from quanheng.operations import realm
from quanheng.operations.context import Context
from quanheng.operations.doctor.lifecycle import examine_lifecycle
from quanheng.operations.doctor.result import State
from quanheng.operations.lifecycle import daily, logins
from quanheng.operations.lifecycle.ahead import look_ahead
from quanheng.operations.lifecycle.daily import do_day, is_due
from quanheng.operations.lifecycle.history import take_in_history
from quanheng.operations.synchronise import apply_digest
from quanheng.policy.pack import find_pack
from quanheng.store.login_records import put_record
from quanheng.store.logins import read_gaps


@pytest.fixture
def life(world: World) -> Life:
    """Two counties of 忻州; nothing is too much."""
    return make_life(world)


def near_the_end(life: Life, last: datetime) -> None:
    """Let a day begin shortly before three months after ``last``, with logins on the way."""
    month, year = last.astimezone(CHINA).month + 3, last.year
    due = last.astimezone(CHINA).replace(month=(month - 1) % 12 + 1, year=year + (month - 1) // 12)
    life.at(due.astimezone(UTC) - timedelta(seconds=1))
    life.day()


def test_locked_at_the_same_hour_three_months_later(life: Life) -> None:
    """One second before, the account is on; at the same hour three calendar months later it is locked."""
    clerk = life.hire()
    life.begin()
    life.login(clerk)
    near_the_end(life, NOON)
    assert life.enabled(clerk)
    life.world.pass_time(seconds=1)
    life.day()
    assert not life.enabled(clerk)
    (hold,) = life.stored(clerk)
    assert (hold.kind, hold.origin) == (HoldKind.INACTIVE, "lifecycle")
    assert "3 个月" in hold.reason
    (entry,) = life.world.ledger("disable")
    assert "S11" in entry.body
    assert life.world.fake.calls["logout"] == 1


def test_twice_does_nothing_twice(life: Life) -> None:
    """A second run of the day changes and tells nothing."""
    life.hire()
    life.begin()
    life.pass_days(95)
    entries, told = len(life.world.ledger()), len(life.told())
    life.day()
    life.day()
    assert (len(life.world.ledger()), len(life.told())) == (entries, told)


def test_a_login_begins_the_count_anew(life: Life) -> None:
    """Whoever logs in is not locked; to the client that does not count, is."""
    clerk, other = life.hire(), life.hire()
    life.begin()
    life.pass_days(80)
    life.login(clerk)
    life.login(other, client="account-console")
    life.pass_days(20)
    assert life.enabled(clerk)
    assert not life.enabled(other)


def test_nobody_logged_in_ever(life: Life) -> None:
    """An account that was never used counts since it was made."""
    clerk = life.hire()
    life.begin()
    life.pass_days(91)
    assert life.enabled(clerk)
    life.pass_days(2)
    assert life.holds(clerk) == {HoldKind.INACTIVE}


def test_announced_once_on_each_of_the_days(life: Life) -> None:
    """30, 7 and 1 days before, once each, by county, with the user name and nothing of the person."""
    clerk = life.hire()
    life.begin()
    life.pass_days(93)
    username = str(life.world.person(clerk).username)
    told = life.told(NoticeKind.LOCK_AHEAD)
    assert [facts["days"] for facts in told] == [30, 7, 1]
    assert all(facts["county"] == "140902" and username in facts["accounts"][0] for facts in told)
    assert [facts["count"] for facts in life.told(NoticeKind.LOCKED)] == [1]


def test_announcements_that_were_missed_are_made_up_once(life: Life) -> None:
    """A daemon that was away when 30 days were left tells of the 7 on its return, not of both."""
    life.hire()
    life.begin()
    life.pass_days(50)
    life.world.pass_time(days=36)
    life.day()
    assert [facts["days"] for facts in life.told(NoticeKind.LOCK_AHEAD)] == [7]


def test_down_for_two_weeks(life: Life) -> None:
    """What was due meanwhile is done on the return; who logged in meanwhile is not locked."""
    clerk, other = life.hire(), life.hire()
    life.begin()
    life.pass_days(85)
    life.world.pass_time(days=7)
    for who in (other, *life.lively):
        life.login(who)
    life.world.pass_time(days=7)
    for who in life.lively:
        life.login(who)
    do_day(life.context)
    assert (life.enabled(clerk), life.enabled(other)) == (False, True)


def test_login_a_second_before_the_job(life: Life) -> None:
    """The newest logins are taken in before anybody is locked."""
    clerk = life.hire()
    life.begin()
    life.world.pass_time(days=95)
    life.login(clerk)
    life.world.pass_time(seconds=1)
    life.day()
    assert life.enabled(clerk)


def test_login_while_the_job_runs(life: Life) -> None:
    """Somebody who comes in after the first look and before the lock is left alone."""
    clerk = life.hire()
    life.begin()
    life.world.pass_time(days=95)
    for who in life.lively:
        life.login(who)
    looks: list[str] = []

    def when(name: str) -> None:
        if name == "read_logins":
            looks.append(name)
            if len(looks) == 2:
                life.login(clerk)

    life.world.fake.before_call = when
    do_day(life.context)
    assert life.enabled(clerk)


def test_login_between_the_last_look_and_the_lock(life: Life) -> None:
    """Its event shows at the look after the lock, which ends it again."""
    clerk = life.hire()
    life.begin()
    life.world.pass_time(days=95)
    for who in life.lively:
        life.login(who)
    looks: list[str] = []

    def when(name: str) -> None:
        if name == "read_logins":
            looks.append(name)
            if len(looks) == 3:
                life.login(clerk, at=life.world.clock() - timedelta(seconds=1))

    life.world.fake.before_call = when
    do_day(life.context)
    assert len(looks) == 3
    assert life.enabled(clerk)
    assert len(life.world.ledger("lock_mistaken")) == 1


def test_event_of_a_login_before_the_lock_shows_after_it(life: Life) -> None:
    """The lock was a mistake, and is lifted by itself, with an entry."""
    clerk = life.hire()
    life.begin()
    life.world.pass_time(days=95)
    moment = life.world.clock() - timedelta(minutes=1)
    life.day()
    assert not life.enabled(clerk)
    life.login(clerk, at=moment)
    life.world.pass_time(minutes=2)
    life.day()
    assert life.enabled(clerk)
    assert len(life.world.ledger("lock_mistaken")) == 1
    life.world.pass_time(days=1)
    life.day()
    assert life.enabled(clerk)


def test_events_late_twice_and_out_of_order(life: Life) -> None:
    """The newest login stays, however its events come."""
    clerk = life.hire()
    life.begin()
    now = life.world.clock()
    for minutes in (3, 1, 4, 1):
        life.login(clerk, at=now - timedelta(minutes=minutes))
    life.day()
    life.day()
    assert life.logins(clerk) == {"jiujinban": now - timedelta(minutes=1)}


def test_refused_attempts_do_not_count(life: Life) -> None:
    """Who was refused has not logged in."""
    clerk = life.hire()
    life.begin()
    life.login(clerk, error="user_disabled")
    life.day()
    assert life.logins(clerk) == {}


@pytest.mark.parametrize(("counts", "on"), [(False, False), (True, True)])
def test_renewed_tokens_count_where_the_pack_says_so(
    life: Life, with_pack: Callable[..., None], counts: bool, on: bool
) -> None:
    """Renewing a token is no login, unless the pack says that it is."""
    with_pack(life, lambda file: file["logins"].update(refresh_counts=counts))
    clerk = life.hire()
    life.begin()
    life.world.pass_time(days=60)
    life.login(clerk, refresh=True)
    life.day()
    life.world.pass_time(days=40)
    life.day()
    assert life.enabled(clerk) is on


@pytest.mark.parametrize("counts", [False, True])
def test_events_of_renewed_tokens_are_kept_where_they_count(
    life: Life, with_pack: Callable[..., None], counts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pack's word is what is asked of Keycloak."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    monkeypatch.setattr(realm, "read_public_key", lambda _client: key)
    with_pack(life, lambda file: file["logins"].update(refresh_counts=counts))
    wanted = realm.desired_configuration(life.context, realm.RealmOptions()).realm["enabledEventTypes"]
    assert ("REFRESH_TOKEN" in wanted) is counts


@pytest.fixture
def with_pack(tmp_path: Path) -> Callable[..., None]:
    """Gives a life another ``lifecycle.yaml``."""

    def change(life: Life, edit: Callable[[dict[str, Any]], Any]) -> None:
        folder = tmp_path / "pack"
        shutil.copytree(find_pack("shanxi"), folder)
        file = folder / "lifecycle.yaml"
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        edit(content)
        file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        other = make_life(life.world, packs=(str(folder),))
        life.context = other.context

    return change


def test_another_time_for_a_post_and_an_organisation(life: Life, with_pack: Callable[..., None]) -> None:
    """Where the pack names a shorter time, it counts there alone."""
    with_pack(
        life,
        lambda file: file["inactivity"].update(
            overrides=[{"areas": ["140921"], "after": {"value": 40, "unit": "days"}, "article": "S11"}]
        ),
    )
    here, there = life.hire(VILLAGE), life.hire(OTHER_VILLAGE)
    life.begin()
    life.pass_days(41)
    assert (life.enabled(here), life.enabled(there)) == (True, False)


def test_another_time_and_an_exemption_for_a_post(life: Life, with_pack: Callable[..., None]) -> None:
    """By the posts that people hold, wherever they are."""
    until = (NOON + timedelta(days=200)).date()
    with_pack(
        life,
        lambda file: file["inactivity"].update(
            overrides=[{"posts": ["handler"], "after": {"value": 40, "unit": "days"}, "article": "S11"}],
            exemptions=[{"posts": ["operator"], "reason": "汛期驻村", "until": until}],
        ),
    )
    handler, operator = life.hire(BUREAU, "经办人员"), life.hire(VILLAGE)
    life.begin()
    life.pass_days(41)
    assert (life.enabled(handler), life.enabled(operator)) == (False, True)
    life.pass_days(60)
    assert life.enabled(operator)
    assert str(life.world.person(operator).username) in {
        str(item.person.username) for item in look_ahead(life.context).exempt
    }


def test_exempt_until_a_day(life: Life, with_pack: Callable[..., None]) -> None:
    """Whom the pack exempts is not locked until that day is over, and is named with the reason."""
    until = (NOON + timedelta(days=100)).date()
    with_pack(
        life,
        lambda file: file["inactivity"].update(
            exemptions=[{"areas": ["140921"], "reason": "汛期驻村", "until": until}]
        ),
    )
    there = life.hire(OTHER_VILLAGE)
    life.begin()
    life.pass_days(100)
    assert life.enabled(there)
    assert [
        item.verdict.exempt.reason for item in look_ahead(life.context).exempt if item.verdict.exempt
    ] == ["汛期驻村"]
    life.pass_days(1)
    assert not life.enabled(there)


@pytest.mark.parametrize("area", ["1409", "140902", "140902001", "140902001001"])
def test_areas_below_a_county(life: Life, with_pack: Callable[..., None], area: str) -> None:
    """A township or a village has another time, or is exempt, like a county."""
    clerk = life.hire(VILLAGE)
    after = {"value": 20, "unit": "days"}
    overrides = [{"areas": [area], "after": after, "article": "S11"}]
    with_pack(life, lambda file: file["inactivity"].update(overrides=overrides))
    life.begin()
    life.pass_days(21)
    assert not life.enabled(clerk)


def test_exempt_in_a_township(life: Life, with_pack: Callable[..., None]) -> None:
    """And its villages."""
    clerk = life.hire(VILLAGE)
    until = day_in_china(life.world.clock()) + timedelta(days=120)
    exempt = {"areas": [VILLAGE[:9]], "reason": "抗洪停网", "until": until}
    with_pack(life, lambda file: file["inactivity"].update(exemptions=[exempt]))
    life.begin()
    life.pass_days(95)
    assert life.enabled(clerk)


def test_the_end_of_an_exemption_is_announced(life: Life, with_pack: Callable[..., None]) -> None:
    """Like that of a count: whoever was not locked for it is not locked unannounced after it."""
    clerk = life.hire(VILLAGE)
    until = day_in_china(life.world.clock()) + timedelta(days=119)
    exempt = {"areas": [VILLAGE], "reason": "汛期驻村", "until": until}
    with_pack(life, lambda file: file["inactivity"].update(exemptions=[exempt]))
    life.begin()
    life.pass_days(119)
    assert life.enabled(clerk)
    name = str(life.world.user(clerk).username)
    told = [
        (item["days"], line)
        for item in life.told(NoticeKind.LOCK_AHEAD)
        for line in item["accounts"]
        if line.startswith(name)
    ]
    end = (until + timedelta(days=1)).isoformat()
    assert told == [(days, f"{name}：{end} 00:00") for days in (30, 7, 1)]
    life.pass_days(1)
    assert not life.enabled(clerk)


def test_accounts_that_are_nobodys_are_named(life: Life) -> None:
    """Service accounts and those for emergencies are outside, and each is named with the pack's reason."""
    life.begin()
    assert {item.kind for item in look_ahead(life.context).outsiders} == {"service_account"}


def test_the_last_administrators_of_the_province_stay(life: Life) -> None:
    """Nobody would be left to unlock anybody; a second one of the same kind is locked."""
    first, second = life.world.region.founders.values()
    spare = life.hire(PROVINCE_BUREAU, "系统管理员")
    life.lively = [life.hire(VILLAGE), life.hire(OTHER_VILLAGE)]
    life.world.issue_and_sync()
    life.world.approve()
    life.world.sync()
    for _ in range(2):
        life.world.pass_time(days=95)
        for who in life.lively:
            life.login(who)
        do_day(life.context)
    assert life.enabled(second)
    assert sorted([life.enabled(first), life.enabled(spare)]) == [False, True]


# Too many at once


@pytest.fixture
def careful(world: World) -> Life:
    """A fifth of a county is too much."""
    return make_life(world, LifecycleSettings(lock=Limit(count=100, percent=90)))


def staff(life: Life, org: str, count: int) -> list[str]:
    """So many people of one organisation."""
    return [life.hire(org) for _ in range(count)]


def test_a_fifth_of_a_county_is_asked_about(careful: Life) -> None:
    """The county where too many would be locked waits for a second person; the other goes on."""
    many, few = staff(careful, VILLAGE, 4), staff(careful, OTHER_VILLAGE, 1)
    busy = [*staff(careful, VILLAGE_2, 9), *staff(careful, OTHER_VILLAGE, 9)]
    careful.begin()
    careful.lively += busy
    careful.world.pass_time(days=95)
    careful.day()
    assert all(careful.enabled(who) for who in many)
    assert not any(careful.enabled(who) for who in few)
    (proposal,) = [item for item in careful.world.proposals() if item.kind is ProposalKind.UNSAFE_PLAN]
    assert "140902" in proposal.summary
    (facts,) = careful.told(NoticeKind.LOCK_STOPPED)
    assert proposal.subject.startswith(facts["digest"])
    with pytest.raises(UnsafePlanError):
        apply_digest(careful.context, proposal.subject)

    careful.day()  # asked once
    assert len(careful.told(NoticeKind.LOCK_STOPPED)) == 1
    careful.world.sync()  # a sync ends its own proposals alone
    assert [item.key for item in careful.world.proposals() if item.kind is ProposalKind.UNSAFE_PLAN] == [
        proposal.key
    ]

    careful.world.approve(proposal.key)
    careful.login(many[0])
    careful.world.pass_time(seconds=1)
    with careful.context.database.reading() as connection:
        assert read_gaps(connection) == []
    done = apply_digest(careful.context, proposal.subject)
    assert done.outcome.done == {"disable": 3}
    assert [careful.enabled(who) for who in many] == [True, False, False, False]
    with pytest.raises(UnsafePlanError):  # used once
        apply_digest(careful.context, proposal.subject)


def test_the_whole_realm(careful: Life) -> None:
    """When it is too much for the realm nobody is locked, in no county."""
    people = [*staff(careful, VILLAGE, 12), *staff(careful, OTHER_VILLAGE, 12)]
    careful.context.settings.lifecycle.__dict__["lock"] = Limit(count=10, percent=90)
    careful.begin()
    careful.world.pass_time(days=95)
    careful.day()
    assert all(careful.enabled(who) for who in people)
    assert careful.told(NoticeKind.LOCK_STOPPED)


def test_asked_again_when_it_is_about_others(careful: Life) -> None:
    """Another list of people is another question; the old one is withdrawn."""
    first = staff(careful, VILLAGE, 4)
    careful.begin()
    careful.world.pass_time(days=95)
    careful.day()
    (old,) = [item for item in careful.world.proposals() if item.kind is ProposalKind.UNSAFE_PLAN]
    careful.login(first[0])
    careful.day()
    states = {
        item.key: item.state
        for item in careful.world.registry().proposals.values()
        if item.kind is ProposalKind.UNSAFE_PLAN
    }
    assert states.pop(old.key) is ProposalState.WITHDRAWN
    assert list(states.values()) == [ProposalState.OPEN]


# Events that may not be believed


def test_nobody_at_all_logs_in(life: Life) -> None:
    """The whole province inactive is no fact about people: nobody is locked, and the operator is told."""
    clerk = life.hire()
    life.begin()
    life.lively.clear()
    for _ in range(100):
        life.world.pass_time(days=1)
        do_day(life.context)
    assert life.enabled(clerk)
    told = life.told(NoticeKind.LOGINS_MISSING)
    assert told
    assert "没有任何人登录" in told[0]["reason"]


def test_the_doctor_tells(life: Life) -> None:
    """A day that was not done, events that may not be believed, and times of which they are missing."""

    def found() -> dict[str, State]:
        return {item.id: item.state for item in examine_lifecycle(life.context)}

    assert found() == {"lifecycle.day": State.WARN}
    life.begin()
    assert found() == {"lifecycle.day": State.OK, "lifecycle.logins": State.OK}
    life.world.console.tamper_clear_logins()
    life.pass_days(1)
    assert found() == dict.fromkeys(("lifecycle.logins", "lifecycle.gaps"), State.WARN) | {
        "lifecycle.day": State.OK
    }
    life.world.pass_time(days=2)
    assert found()["lifecycle.day"] is State.WARN


def test_told_once_a_day(life: Life) -> None:
    """However often the job runs."""
    life.begin()
    life.world.pass_time(days=10)
    do_day(life.context)
    do_day(life.context)
    assert len(life.told(NoticeKind.LOGINS_MISSING)) == 1


def test_events_cleared(life: Life) -> None:
    """Somebody cleared the events: whoever may have logged in counts as having done so."""
    clerk = life.hire()
    life.begin()
    life.pass_days(90)
    life.world.console.tamper_clear_logins()
    life.pass_days(10)
    assert life.enabled(clerk)
    assert len(life.told(NoticeKind.LOGINS_MISSING)) == 1
    assert len(life.world.ledger("logins_missing")) == 1
    life.pass_days(93)
    assert not life.enabled(clerk)


def test_a_history_covers_the_gap(life: Life, tmp_path: Path) -> None:
    """A bureau brings the history of the time: then the gap counts no longer."""
    clerk, other = life.hire(), life.hire()
    life.begin()
    life.pass_days(90)
    life.world.console.tamper_clear_logins()
    life.pass_days(10)
    name = str(life.world.person(other).username)
    file = tmp_path / "history.csv"
    file.write_text(f"账号,系统,登录时间\n{name},jiujinban,2026-06-01 09:00:00\n", encoding="utf-8")
    done = take_in_history(life.context, file, covers_gaps=True)
    assert (done.lines, done.people, done.covered) == (1, 1, 1)
    life.day()
    assert (life.enabled(clerk), life.enabled(other)) == (False, True)


@pytest.mark.parametrize("lines", [[], ["2026-05-20 09:00:00"], ["2026-06-05 09:00:00"]])
def test_a_history_that_says_nothing_of_the_gap(life: Life, tmp_path: Path, lines: list[str]) -> None:
    """It does not cover it, whatever whoever brings it says: everybody would be locked."""
    clerk = life.hire()
    life.begin()
    life.pass_days(90)
    life.world.console.tamper_clear_logins()
    life.pass_days(10)
    file = tmp_path / "history.csv"
    told = [f"{clerk},jiujinban,{line}" for line in lines]
    file.write_text("\n".join(["账号,系统,登录时间", *told, ""]), encoding="utf-8")
    with pytest.raises(RefusedError, match="tells of no login between 2026-05-31"):
        take_in_history(life.context, file, covers_gaps=True)
    life.day()
    assert life.enabled(clerk)


def test_a_history_around_the_gap(life: Life, tmp_path: Path) -> None:
    """One that tells of logins before and after it, and of none in it: nobody came."""
    clerk, other = life.hire(), life.hire()
    life.begin()
    life.pass_days(90)
    life.world.console.tamper_clear_logins()
    life.pass_days(10)
    file = tmp_path / "history.csv"
    told = [f"{other},jiujinban,{day}" for day in ("2026-05-20", "2026-06-05")]
    file.write_text("\n".join(["账号,系统,登录时间", *told, ""]), encoding="utf-8")
    assert take_in_history(life.context, file, covers_gaps=True).covered == 1
    life.day()
    assert (life.enabled(clerk), life.enabled(other)) == (False, True)


def test_a_history_of_days(life: Life, tmp_path: Path) -> None:
    """A line that names the day alone: the account may have been used until its end; today's until now."""
    clerk, other = life.hire(), life.hire()
    life.begin()
    life.pass_days(8)
    file = tmp_path / "history.csv"
    today = day_in_china(life.world.clock()).isoformat()
    lines = [f"{clerk},jiujinban,2026-03-09", f"{other},jiujinban,{today}"]
    file.write_text("\n".join(["账号,系统,登录时间", *lines, ""]), encoding="utf-8")
    assert take_in_history(life.context, file).bad == ()
    assert life.logins(other) == {"jiujinban": life.world.clock()}
    life.at(datetime(2026, 6, 9, 23, 59, 58, tzinfo=CHINA))
    life.day()
    assert life.enabled(clerk)
    life.at(datetime(2026, 6, 10, tzinfo=CHINA))
    life.day()
    assert not life.enabled(clerk)


def test_a_history_from_before_begins_the_count(life: Life, tmp_path: Path) -> None:
    """Who had not come for three months when the bureau began with this is locked; who is not in it counts
    since the account was made, and who was given back since, from there."""
    clerk, other, back = life.hire(), life.hire(), life.hire()
    life.begin()
    life.world.change(back, status="接受调查")
    life.world.issue_and_sync()
    life.world.pass_time(days=3)
    life.world.change(back, status="在职")
    life.world.issue_and_sync()
    file = tmp_path / "history.csv"
    lines = [f"{who},jiujinban,2025-11-01" for who in (clerk, back)]
    file.write_text("\n".join(["账号,系统,登录时间", *lines, ""]), encoding="utf-8")
    take_in_history(life.context, file)
    life.day()
    assert [life.enabled(who) for who in (clerk, other, back)] == [False, True, True]


def test_a_history_with_bad_lines(life: Life, tmp_path: Path) -> None:
    """Each bad line is named by line, field and kind, without its value; the good ones are taken in; none of
    it ends a gap."""
    clerk = life.hire()
    life.begin()
    name = str(life.world.person(clerk).username)
    file = tmp_path / "history.csv"
    file.write_text(
        "账号,系统,登录时间\n"
        f"{clerk},jiujinban,2026-02-20\n"
        f"{name},jiujinban,昨天\n"
        "nobody,jiujinban,2026-02-20\n"
        f"{name},,2026-02-20\n"
        f"{name},jiujinban,2027-02-20\n"
        f"{name},jiujinban\n"
        f"{name},就业社保服务信息系统,2026-02-20\n",
        encoding="utf-8",
    )
    with pytest.raises(RefusedError, match="line 3"):
        take_in_history(life.context, file, covers_gaps=True)
    assert life.logins(clerk) == {}
    done = take_in_history(life.context, file)
    assert [(item.line, item.field) for item in done.bad] == [
        (3, "登录时间"),
        (4, "账号"),
        (5, "系统"),
        (6, "登录时间"),
        (7, ""),
        (8, "系统"),
    ]
    assert "jiujinban" in done.bad[-1].remedy
    assert "昨天" not in str(done.bad)
    assert life.logins(clerk) == {"jiujinban": datetime(2026, 2, 20, 23, 59, 59, tzinfo=CHINA)}
    file.write_text("user,client\n", encoding="utf-8")
    with pytest.raises(SourceError, match="columns"):
        take_in_history(life.context, file)


@pytest.mark.parametrize("setting", ["eventsEnabled", "enabledEventTypes", "eventsExpiration"])
def test_events_that_the_realm_keeps_no_more(
    life: Life, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    """Somebody changed that: nobody is locked, it is told, and the time counts as one without events."""
    clerk = life.hire()
    life.begin()
    life.pass_days(90)
    changed = Difference(f"realm.{setting}", "as it should be", "something else")
    with monkeypatch.context() as patch:
        patch.setattr(logins, "read_drift", lambda _: realm.Drift(differences=(changed,)))
        life.pass_days(10)
        assert life.enabled(clerk)
    assert f"realm.{setting}" in life.told(NoticeKind.LOGINS_MISSING)[-1]["reason"]
    with life.context.database.reading() as connection:
        assert [gap.covered for gap in read_gaps(connection)] == [False]
    life.pass_days(5)
    assert life.enabled(clerk)


@pytest.mark.parametrize(("people", "locked"), [(2, True), (3, False)])
def test_people_came_by_card_and_left_no_event(life: Life, people: int, locked: bool) -> None:
    """Three whom the bridge let in, and of whom Keycloak says nothing, are no accident: nobody is locked."""
    clerk, *others = (life.hire() for _ in range(4))
    life.begin()
    life.pass_days(94)
    life.world.pass_time(hours=12)
    with life.context.database.transaction() as connection:
        for number, who in enumerate(others[:people]):
            put_record(
                connection,
                LoginRecord(
                    at=life.world.clock(),
                    login=LoginId(f"{number:064x}"),
                    outcome="accepted",
                    person=life.world.person(who).id,
                    client_id="keycloak",
                    address="192.0.2.1",
                    browser="Chrome · Windows",
                    region="140900",
                ),
            )
    life.world.person(clerk)
    before = len(life.told(NoticeKind.LOGINS_MISSING))
    life.world.clock.now += timedelta(minutes=6)
    do_day(life.context)
    told = life.told(NoticeKind.LOGINS_MISSING)[before:]
    assert [("扫码" in fact["reason"]) for fact in told] == ([] if locked else [True])


@pytest.mark.parametrize(
    ("moment", "due"),
    [
        (datetime(2026, 3, 10, 16, 59, 59, tzinfo=UTC), False),
        (datetime(2026, 3, 10, 17, 0, tzinfo=UTC), True),
        (datetime(2026, 3, 10, 1, 0, tzinfo=UTC), True),
    ],
)
def test_the_day_begins_in_china(life: Life, moment: datetime, due: bool) -> None:
    """At one o'clock there, wherever the server's clock has its zone."""
    life.begin()
    life.at(datetime(2026, 3, 10, 4, tzinfo=CHINA) if not due or moment.hour == 17 else NOON)
    do_day(life.context)
    life.at(moment)
    assert is_due(life.context) is due


def test_clocks_that_differ(life: Life) -> None:
    """A clock of ours that runs ahead of Keycloak's locks nobody, and its day does not count as done: set
    right, it goes on with the day of now."""
    clerk = life.hire()
    life.begin()
    life.pass_days(30)
    late = life.world.open(
        settings=life.context.settings, clock=lambda: life.world.clock() + timedelta(days=80)
    )
    with pytest.raises(ConfigurationError, match="clock"):
        do_day(late)
    assert life.enabled(clerk)
    assert not is_due(life.context)
    life.world.pass_time(days=1)
    assert is_due(life.context)
    life.context = late
    assert "时钟" in life.told(NoticeKind.LOGINS_MISSING)[-1]["reason"]


def test_a_day_that_was_done_by_a_wrong_clock(life: Life) -> None:
    """Keycloak's clock and ours ran ahead together: the days until then are done all the same."""
    life.begin()
    now = life.world.clock()
    life.at(now + timedelta(days=400))
    do_day(life.context)
    life.at(now + timedelta(days=1))
    assert is_due(life.context)
    do_day(life.context)
    assert not is_due(life.context)


def test_events_from_the_future(life: Life) -> None:
    """An event after the server's present tells of a clock that was changed."""
    life.begin()
    life.login(life.lively[0], at=life.world.clock() + timedelta(days=3))
    life.day()
    assert "将来" in life.told(NoticeKind.LOGINS_MISSING)[-1]["reason"]


def test_a_store_from_a_month_ago(life: Life, tmp_path: Path) -> None:
    """Restored from a backup of last month, it reads again what Keycloak still has, and locks nobody who
    logged in since."""
    clerk, idle = life.hire(), life.hire()
    life.begin()
    life.pass_days(60)
    life.world.close()
    kept = tmp_path / "backup.db"
    store = life.world.folder / "quanheng.db"
    shutil.copyfile(store, kept)
    life.pass_days(20)
    life.login(clerk)
    life.pass_days(10)
    life.world.close()
    shutil.copyfile(kept, store)
    life.context = life.world.context = life.world.open(settings=life.context.settings)
    life.pass_days(5)
    assert (life.enabled(clerk), life.enabled(idle)) == (True, False)
    assert life.told(NoticeKind.LOGINS_MISSING) == []


def test_disabled_for_another_reason_meanwhile(life: Life) -> None:
    """Who is off for another reason is not locked besides, and counts anew when given back."""
    clerk = life.hire()
    life.begin()
    life.world.change(clerk, status="产假", status_from="2026-03-02", status_to="2026-09-05")
    life.world.issue_and_sync()
    life.pass_days(120)
    assert life.holds(clerk) == set()
    life.world.change(clerk, status="在职", status_from="", status_to="")
    life.world.issue_and_sync()
    assert life.enabled(clerk)
    life.pass_days(80)
    assert life.enabled(clerk)
    life.pass_days(14)
    assert life.holds(clerk) == {HoldKind.INACTIVE}


def test_back_from_leave_by_the_consoles_switch(world: World) -> None:
    """Somebody switches the account on a moment before the sync does: the months of the leave are no months
    without a login. To switch an account off and on begins nothing."""
    life = staffed(world)
    world.change(CLERK, status="产假", status_from="2026-03-03", status_to="2026-08-30")
    world.issue_and_sync()
    world.pass_time(days=1)
    world.sync()
    weeks(life, 22)
    assert not life.enabled(CLERK)
    world.change(CLERK, status="在职", status_from="", status_to="")
    world.issue()
    user = world.user(CLERK)
    keeper = as_administrator(world, KEEPER)
    for on in (True, False, True):
        keeper.update_user(
            user.id, username=user.username, enabled=on, name=user.name, attributes=user.attributes
        )
        world.sync()
    assert life.enabled(CLERK)
    weeks(life, 13)
    assert life.enabled(CLERK)
    weeks(life, 2)
    assert life.holds(CLERK) == {HoldKind.INACTIVE}


def test_a_fault_in_one_part_of_the_day(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody foresaw it: the others are done all the same, and the day is not."""
    life.begin()
    done: list[str] = []

    def broken(_: Context) -> str:
        raise KeyError("x")

    parts = {name: (lambda _, name=name: done.append(name) or "") for name in daily.PARTS}
    monkeypatch.setattr(daily, "PARTS", {**parts, "use": broken})
    life.world.pass_time(days=1)
    with pytest.raises(KeyError):
        life.day()
    assert done == [name for name in parts if name != "use"]
    assert is_due(life.context)
