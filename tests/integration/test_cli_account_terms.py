"""``accounts term`` and ``accounts temporary``, typed over a realm in memory."""

from __future__ import annotations

from datetime import date

import pytest

from fixtures.lenient import Typist
from fixtures.life import Life
from fixtures.terms import KEEPER, OWNER, PURPOSE, begin, night, put, staffed
from fixtures.world import VILLAGE, World
from quanheng.keycloak.port import RealmRefusedError

CLERK, TESTER = "C00001", "C00002"


@pytest.fixture
def life(world: World) -> Life:
    """Two clerks of a village, and who may put an end to their accounts."""
    life = staffed(world)
    for who in (CLERK, TESTER):
        world.hire(VILLAGE, staff_no=who)
    begin(life)
    return life


@pytest.fixture
def typist(life: Life, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Typist:
    """Somebody who types; the county's 系统管理员 logs in when that is asked for."""
    monkeypatch.setattr("quanheng.cli.account_terms.authenticate", lambda *_, **__: life.world.login(KEEPER))
    return Typist(life.world, capsys)


def names(world: World, *numbers: str) -> list[str]:
    """User names."""
    return [str(world.person(number).username) for number in numbers]


def term(who: str, until: str = "2026-06-30") -> tuple[str, ...]:
    """The words of one command."""
    return ("accounts", "term", who, "--owner", OWNER, "--purpose", PURPOSE, "--until", until)


def test_an_end_is_put_and_extended(typist: Typist) -> None:
    """As JSON, and for a person in words; by user name or staff number."""
    clerk, owner, keeper = names(typist.world, CLERK, OWNER, KEEPER)
    assert typist.ask(*term(CLERK)).report == {
        "username": clerk,
        "kind": "temporary",
        "owner": owner,
        "until": "2026-06-30",
        "before": None,
        "purpose": PURPOSE,
        "put_by": keeper,
        "lifted": False,
        "enabled": True,
    }
    text = typist.type(*term(clerk, "2026-07-31"), "--test")
    assert text.code == 0, text.err
    for word in (clerk, owner, keeper, "测试账号", "至 2026-07-31", "原为 2026-06-30"):
        assert word in text.out


def test_an_end_that_is_refused(typist: Typist) -> None:
    """Before anybody logs in: no day (2), too far ahead (8), nobody (2); nothing is written."""
    for until, code, word in (("30.6.2026", 2, "--until"), ("2026-12-31", 8, "2026-09-02")):
        done = typist.type(*term(CLERK, until))
        assert (done.code, word in done.err) == (code, True), done.err
    assert typist.type(*term("nobody")).code == 2
    assert typist.world.ledger("term_put") == []


def test_they_are_listed(life: Life, typist: Typist) -> None:
    """With owner, end, days left, last login, state; for a person in words, nothing of the persons."""
    put(life, CLERK, until=date(2026, 3, 20))
    put(life, TESTER, 1, test=True)
    life.login(CLERK)
    life.day()
    night(life, 2)
    clerk, tester, owner = names(life.world, CLERK, TESTER, OWNER)
    found = typist.ask("accounts", "temporary").report["accounts"]
    assert [item["username"] for item in found] == sorted([clerk, tester])
    shown = {item["username"]: item for item in found}
    assert shown[clerk] == {
        "username": clerk,
        "organisation": VILLAGE,
        "state": "ending",
        "kind": "temporary",
        "owner": owner,
        "owner_enabled": True,
        "until": "2026-03-20",
        "days_left": 16,
        "purpose": PURPOSE,
        "last_login": "2026-03-02T04:00:00+00:00",
        "enabled": True,
    }
    assert shown[tester] == {
        **shown[clerk],
        "username": tester,
        "state": "ended",
        "kind": "test",
        "until": "2026-03-03",
        "days_left": -1,
        "last_login": None,
        "enabled": False,
    }
    done = typist.type("accounts", "temporary")
    for word in (clerk, tester, owner, "即将到期", "已到期", "2026-03-20", "16", "无记录", "测试账号"):
        assert word in done.out
    assert life.world.person(CLERK).name not in done.out
    assert typist.ask("accounts", "temporary", "--area", "140921").report == {"accounts": []}
    assert len(typist.ask("accounts", "temporary", "--owner", OWNER).report["accounts"]) == 2
    assert typist.type("accounts", "temporary", "--area", "1").code == 2
    assert typist.type("accounts", "temporary", "--yes").code == 2


def test_there_are_none(typist: Typist) -> None:
    """Said so, in both ways of asking; nobody has to log in."""
    assert "没有临时账号和测试账号" in typist.type("accounts", "temporary").out
    done = typist.type("accounts", "temporary", "--before-acceptance")
    assert (done.code, "没有须在验收前关闭的测试账号" in done.out) == (0, True)


def test_closing_asks_first(life: Life, typist: Typist, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal it needs --yes (2), a no closes nothing (8); what would be closed is shown."""
    put(life, TESTER, 30, test=True)
    done = typist.type("accounts", "temporary", "--before-acceptance")
    assert (done.code, names(life.world, TESTER)[0] in done.err) == (2, True), done.err
    monkeypatch.setattr("quanheng.cli.account_terms.confirm", lambda _: False)
    assert typist.type("accounts", "temporary", "--before-acceptance").code == 8
    assert life.enabled(TESTER)
    assert life.world.ledger("test_accounts_closed") == []


def test_closing_before_acceptance(life: Life, typist: Typist) -> None:
    """The test accounts alone; a second run closes nothing."""
    put(life, TESTER, 30, test=True)
    put(life, CLERK, 30)
    (tester,), (keeper,) = names(life.world, TESTER), names(life.world, KEEPER)
    report = typist.ask("accounts", "temporary", "--before-acceptance", "--yes").report
    assert report == {"closed_by": keeper, "accounts": [tester], "refused": []}
    assert (life.enabled(TESTER), life.enabled(CLERK)) == (False, True)
    again = typist.ask("accounts", "temporary", "--before-acceptance", "--yes").report
    assert again == {"closed_by": None, "accounts": [], "refused": []}
    assert len(life.world.ledger("test_accounts_closed")) == 1


def test_what_keycloak_refuses_is_said(life: Life, typist: Typist, monkeypatch: pytest.MonkeyPatch) -> None:
    """Held all the same, exit 1, and the next sync switches it off."""

    def refuse(*_: object, **__: object) -> None:
        raise RealmRefusedError("not now", status=409)

    put(life, TESTER, 30, test=True)
    with monkeypatch.context() as patch:
        patch.setattr(type(life.world.fake), "update_user", refuse)
        done = typist.type("accounts", "temporary", "--before-acceptance", "--yes")
    assert (done.code, "尚未停用" in done.out) == (1, True), done.out + done.err
    assert life.enabled(TESTER)
    life.world.sync()
    assert not life.enabled(TESTER)
