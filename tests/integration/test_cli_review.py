"""``quanheng review`` as it is typed: lists, answers, what follows, what is late."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.lenient import Typist
from fixtures.life import Life
from fixtures.reviewing import (
    COLLEAGUE,
    COUNTY,
    KEEPER,
    MONTH,
    POSTLESS,
    TWINS,
    busy_county,
    fill,
    folder_of,
    item_of,
    workbook_of,
)
from fixtures.world import World
from quanheng.lifecycle.review import Handling


@pytest.fixture
def life(world: World) -> Life:
    """忻府区 with somebody of each kind."""
    return busy_county(world)


@pytest.fixture
def typist(life: Life, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Typist:
    """Somebody who types; 业务管理员 logs in to answer, 系统管理员 to decide."""
    monkeypatch.setattr("quanheng.cli.review.authenticate", lambda *_, **__: life.world.login(COLLEAGUE))
    monkeypatch.setattr("quanheng.cli.deciding.authenticate", lambda *_, **__: life.world.login(KEEPER))
    typist = Typist(life.world, capsys)
    file = life.world.folder / "quanheng.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(f'{text}\n[lifecycle]\nreviews_directory = "reviews"\n', encoding="utf-8")
    return typist


def test_from_the_list_to_the_end_of_an_account(life: Life, typist: Typist) -> None:
    """Written, filled in, read in, shown, carried out, approved; each said for people and for programs."""
    report = typist.ask("review", "write").report
    assert (report["month"], report["new"]) == (MONTH, 8)
    county = next(item for item in report["lists"] if item["county"] == COUNTY)
    assert (county["name"], county["lines"], county["unanswered"], county["kept"]) == ("忻府区", 5, 5, False)
    assert Path(county["workbook"]) == workbook_of(life)
    text = typist.type("review", "write").out
    for word in ("账号清理清单", "忻府区", "新增 0 条", "quanheng review answers"):
        assert word in text

    gone = next(who for who in TWINS if item_of(life, who, "duplicate").proposed is Handling.DEREGISTER)
    given = {
        item_of(life, POSTLESS, "surplus").key: ("保留", ""),
        item_of(life, gone, "duplicate").key: ("注销", ""),
        item_of(life, "zhang.san", "illegal").key: ("补全信息", ""),
    }
    filled = fill(workbook_of(life), given)
    done = typist.ask("review", "answers", str(filled), code=1).report
    assert [(row["field"], row["kind"]) for row in done["bad"]] == [("事由", "空白")]
    assert {line["answer"] for line in done["answered"]} == {"deregister", "complete"}
    text = typist.type("review", "answers", str(filled)).out
    for word in (f"{filled.name} 第 ", "事由", "须写明事由", "相同的 2 条"):
        assert word in text

    plan = typist.ask("review", "apply").report
    assert {line["effect"] for line in plan["lines"]} == {"request", "by_hand"}
    text = typist.type("review", "apply").out
    for word in ("由第二人批准", "quanheng accounts complete", f"--digest {plan['digest'][:12]}"):
        assert word in text
    text = typist.type("review", "apply", "--digest", plan["digest"][:12]).out
    assert "quanheng approve" in text
    key = text.rpartition("quanheng approve ")[2].strip()
    assert typist.type("approve", key).code == 0
    assert not life.enabled(gone)
    left = typist.ask("review", "apply", "--month", MONTH, "--county", COUNTY).report
    assert [line["effect"] for line in left["lines"]] == ["by_hand"]
    assert left["digest"] == ""
    assert typist.type("review", "apply", "--digest", plan["digest"][:12]).code == 8


def test_frozen_by_a_list(life: Life, typist: Typist) -> None:
    """Said as what it is; exit 1 for a line that is another's to do."""
    typist.ask("review", "write")
    fill(workbook_of(life), {item_of(life, POSTLESS, "surplus").key: ("冻结", "")})
    typist.ask("review", "answers", str(next(folder_of(life.world).rglob("*填写.xlsx"))))
    digest = typist.ask("review", "apply").report["digest"]
    assert "已冻结" in typist.type("review", "apply", "--digest", digest).out
    assert "没有待办理" in typist.type("review", "apply").out


def test_late_is_exit_1(life: Life, typist: Typist) -> None:
    """With who sees to it; nothing late is exit 0."""
    assert "没有逾期" in typist.type("review", "overdue").out
    assert "没有发现" not in typist.type("review", "write").out
    life.world.clock.now += timedelta(days=8)
    report = typist.ask("review", "overdue", "--above", "1409", code=1).report
    assert report["overdue"] == [
        {
            "month": MONTH,
            "county": "140902",
            "county_name": "忻府区",
            "above": "1409",
            "above_name": "忻州市",
            "unanswered": 5,
            "deadline": "2026-03-09",
            "altered": False,
        }
    ]
    text = typist.type("review", "overdue")
    assert text.code == 1
    assert "1409 忻州市" in text.out


@pytest.mark.parametrize(
    "words",
    [
        ("apply", "--county", "149999"),
        ("apply", "--month", "2026-13"),
        ("write", "--county", "149999"),
        ("write", "--month", "2026-13"),
        ("overdue", "--above", "9999"),
    ],
)
def test_a_slip_is_no_empty_list(life: Life, typist: Typist, words: tuple[str, ...]) -> None:
    """A county or a month that is not there is refused: "nothing" would be taken for an answer."""
    assert typist.type("review", *words).code == 2


def test_no_such_workbook(life: Life, typist: Typist, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 3, before anybody has to log in."""
    monkeypatch.setattr("quanheng.cli.review.authenticate", lambda *_, **__: pytest.fail("nobody logs in"))
    done = typist.type("review", "answers", str(life.world.folder / "none.xlsx"))
    assert done.code == 3
    assert "none.xlsx" in done.err
