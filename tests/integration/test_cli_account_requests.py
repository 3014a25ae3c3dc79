"""Commands that freeze an account or ask something for it, typed over a realm in memory."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.asking import CLERK, COLLEAGUE, KEEPER, REASON, staffed, weeks
from fixtures.lenient import Typist
from fixtures.life import Life
from fixtures.terms import night, put
from fixtures.world import World
from quanheng.errors import UnreachableError
from quanheng.model.person import HoldKind


@pytest.fixture
def life(world: World) -> Life:
    """Administrators, and a clerk who is at work."""
    return staffed(world)


@pytest.fixture
def typist(life: Life, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Typist:
    """Somebody who types; 业务管理员 logs in to ask, 系统管理员 to decide."""
    monkeypatch.setattr(
        "quanheng.cli.account_requests.authenticate", lambda *_, **__: life.world.login(COLLEAGUE)
    )
    monkeypatch.setattr("quanheng.cli.deciding.authenticate", lambda *_, **__: life.world.login(KEEPER))
    return Typist(life.world, capsys)


def name(life: Life, who: str = CLERK) -> str:
    """A user name."""
    return str(life.world.person(who).username)


def asked(typist: Typist, *words: str) -> Any:
    """What is reported of a request."""
    return typist.ask(*words, "--reason", REASON).report


def test_frozen_and_unfrozen(life: Life, typist: Typist) -> None:
    """By staff number or user name, as JSON and for a person, who is told what comes next."""
    clerk = name(life)
    report = typist.ask("freeze", CLERK, "--reason", "手机遗失").report
    assert report == {"username": clerk, "new": True, "off": True, "problem": ""}
    text = typist.type("freeze", clerk, "--reason", "手机遗失").out
    for word in (clerk, "此前已冻结", "quanheng unfreeze"):
        assert word in text
    report = asked(typist, "unfreeze", CLERK)
    assert (report["username"], report["request"], report["until"]) == (clerk, "unfreeze", None)
    assert (report["asked_by"], report["proposal"]["kind"]) == (name(life, COLLEAGUE), "request")
    summary = report["proposal"]["summary"]
    for word in ("解冻账号", clerk, CLERK, "手机遗失", "2026-03-02", REASON):
        assert word in summary
    assert life.world.person(CLERK).name not in summary
    listed = typist.type("proposals").out
    assert "账号申请" in listed
    assert f"申请人 {name(life, COLLEAGUE)}" in listed.replace("\n", "")
    done = typist.ask("approve", report["proposal"]["key"][:12]).report
    assert done["accounts"] == [{"username": clerk, "enabled": True, "why": ""}]
    assert life.enabled(CLERK)


def test_frozen_while_keycloak_is_away(life: Life, typist: Typist) -> None:
    """Exit 5, and what is to be done is said."""
    life.world.fake.down()
    done = typist.type("freeze", CLERK, "--reason", "手机遗失")
    life.world.fake.down(False)
    assert done.code == 5
    for word in ("已登记冻结", "尚未停用", "值守进程"):
        assert word in done.out
    assert typist.ask("freeze", CLERK, "--reason", "手机遗失").report["off"] is True


def test_unlocked(life: Life, typist: Typist) -> None:
    """For a person: the key to approve, and how the account stands then."""
    weeks(life, 14)
    text = typist.type("unlock", CLERK, "--reason", REASON).out
    assert "解锁申请" in text
    key = text.partition("quanheng approve ")[2][:12]
    done = typist.type("approve", key)
    assert (done.code, f"{name(life)}：账号现为启用" in done.out) == (0, True), done.out
    assert "下次同步" not in done.out


def test_what_is_left_is_said(life: Life, typist: Typist) -> None:
    """Unlocked, but frozen as well."""
    weeks(life, 14)
    typist.type("freeze", CLERK, "--reason", "手机遗失")
    key = asked(typist, "unlock", CLERK)["proposal"]["key"]
    assert f"{name(life)}：账号现为停用（手机遗失）" in typist.type("approve", key).out


def test_what_keycloak_has_not_done_yet_is_said(
    life: Life, typist: Typist, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On or off, the daemon does it."""
    put_off = "quanheng.operations.lifecycle.lifting.repair"
    with monkeypatch.context() as patch:
        patch.setattr(put_off, _gone)
        key = asked(typist, "accounts", "deregister", CLERK)["proposal"]["key"]
        assert "账号现为尚未停用（已注销）" in typist.type("approve", key).out
    typist.world.sync()
    with monkeypatch.context() as patch:
        patch.setattr(put_off, _gone)
        key = asked(typist, "accounts", "restore", CLERK)["proposal"]["key"]
        assert "账号现为尚未启用" in typist.type("approve", key).out


def _gone(*_: object) -> None:
    raise UnreachableError


def test_deregistered_and_restored(life: Life, typist: Typist) -> None:
    """Both by request."""
    for word, on in (("deregister", False), ("restore", True)):
        report = asked(typist, "accounts", word, CLERK)
        assert report["request"] == word
        typist.ask("approve", report["proposal"]["key"])
        assert life.enabled(CLERK) is on


def test_exempt_and_extended(life: Life, typist: Typist) -> None:
    """With their last days."""
    report = asked(typist, "accounts", "exempt", CLERK, "--until", "2026-12-31")
    assert (report["request"], report["until"]) == ("exempt", "2026-12-31")
    assert "至 2026-12-31" in report["proposal"]["summary"]
    put(life, CLERK, 1, owner=life.lively[0])
    night(life, 2)
    assert life.holds(CLERK) == {HoldKind.EXPIRED}
    report = asked(typist, "accounts", "restore", CLERK, "--until", "2026-05-31")
    typist.ask("approve", report["proposal"]["key"])
    assert life.enabled(CLERK)


@pytest.mark.parametrize(
    ("words", "code", "word"),
    [
        (("freeze", "nobody", "--reason", "手机遗失"), 2, "nobody of the registry"),
        (("freeze", CLERK), 2, "--reason"),
        (("unlock", CLERK, "--reason", REASON), 8, "nothing of"),
        (("accounts", "exempt", CLERK, "--reason", REASON), 2, "--until"),
        (("accounts", "exempt", CLERK, "--reason", REASON, "--until", "31.12.2026"), 2, "--until"),
        (("accounts", "restore", CLERK, "--reason", "急"), 8, "4 to 500"),
    ],
)
def test_what_is_refused(
    life: Life, typist: Typist, words: tuple[str, ...], code: int, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anybody logs in."""

    def nobody(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr("quanheng.cli.account_requests.authenticate", nobody)
    done = typist.type(*words)
    assert (done.code, word in done.err) == (code, True), done.err
    assert life.world.ledger("account_requested", "hold_put") == []


def test_rejected(life: Life, typist: Typist) -> None:
    """Nothing happens to the account, and nothing is said of it."""
    typist.type("freeze", CLERK, "--reason", "手机遗失")
    key = asked(typist, "unfreeze", CLERK)["proposal"]["key"]
    assert typist.ask("reject", key).report["accounts"] == []
    assert not life.enabled(CLERK)
