"""``quanheng lifecycle``: the plan of a day, the day itself, and a history, as an operator types them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fixtures.command_line import Desk
from quanheng.clock import day_in_china

LATER = timedelta(days=93)
"""Three calendar months are 92 days at the most."""


@pytest.fixture
def desk(ready_desk: Desk) -> Desk:
    """A county that was loaded three months and a day ago; one person has logged in today."""
    realm = ready_desk.realm
    assert realm is not None
    ready_desk.ask("sync")
    now = ready_desk.clock() + LATER
    ready_desk.clock = realm._state.clock = lambda: now
    person = next(user for user in realm.sweep_users() if user.attributes.get("person_id") and user.enabled)
    realm.as_actor("console").tamper_login("jiujinban", person.id)
    return ready_desk


def test_the_plan_of_a_day_changes_nothing(desk: Desk) -> None:
    """Who is due, why it is asked, and who is outside the rule; text for people, JSON for programs."""
    found = desk.ask("lifecycle", "plan")
    assert found["locks"] == []
    assert found["done"] is None
    assert len(found["asked"]) > 100
    assert {item["article"] for item in found["asked"]} == {"S11"}
    assert {item["kind"] for item in found["outside"]} == {"service_account"}
    done = desk.type("lifecycle", "plan")
    assert done.code == 0
    for text in ("待批准后锁定", "超出安全限度", "最近登录", "S11", "从未"):
        assert text in done.out
    assert desk.ask("lifecycle", "plan") == found


def test_the_day_is_done_once(desk: Desk) -> None:
    """What is too much is asked about; again, nothing happens again."""
    first = desk.ask("lifecycle", "run")
    assert "stopped=" in first["done"][0]
    (proposal,) = [item for item in desk.ask("proposals")["proposals"] if item["kind"] == "unsafe_plan"]
    assert "锁定" in proposal["summary"]
    entries = desk.ask("ledger", "verify")["entries"]
    desk.ask("lifecycle", "run")
    assert desk.ask("ledger", "verify")["entries"] == entries
    assert desk.ask("lifecycle", "plan")["done"] == day_in_china(desk.clock()).isoformat()
    told = desk.type("lifecycle", "run").out
    assert "登录与长期未登录：读到登录记录 1，提醒 0，锁定 0，超限待批准" in told
    assert "账号清理清单：未设清单目录，逾期未答复 0" in told
    assert "=" not in told


def test_a_history_names_its_bad_lines(desk: Desk) -> None:
    """Exit 1, the lines in the report; a file that is no history is exit 3."""
    file = desk.folder / "history.csv"
    name = desk.ask("lifecycle", "plan")["asked"][0]["username"]
    day = day_in_china(desk.clock() - timedelta(days=20)).isoformat()
    file.write_text(
        f"账号,系统,登录时间\n{name},jiujinban,{day} 10:00:00\nnobody,jiujinban,2026-11-01\n",
        encoding="utf-8",
    )
    done = desk.type("lifecycle", "history", str(file), "--format", "json")
    assert done.code == 1
    assert done.report["lines"] == 1
    assert [(item["line"], item["field"]) for item in done.report["bad"]] == [(3, "账号")]
    assert name not in {item["username"] for item in desk.ask("lifecycle", "plan")["asked"]}
    text = desk.type("lifecycle", "history", str(file))
    assert "第 3 行" in text.out
    file.write_bytes(b"\xff\xfe")
    assert desk.type("lifecycle", "history", str(file)).code == 3
