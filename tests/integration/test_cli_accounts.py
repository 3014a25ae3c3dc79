"""``accounts drafts`` and ``accounts complete``, typed over a realm in memory, up to the login."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from fixtures.drafts import CHIEF, form, make_draft
from fixtures.lenient import Typist, lenient
from fixtures.watching import as_administrator, watcher
from fixtures.world import FOUNDERS, OTHER_VILLAGE, TOWNSHIP, World
from quanheng.model.ids import PostId


@pytest.fixture
def typist(world: World, capsys: pytest.CaptureFixture[str]) -> Typist:
    """Somebody in front of a world with one draft."""
    typist = Typist(lenient(world), capsys)
    world.issue_and_sync()
    watcher(world).tick()
    make_draft(world, by=as_administrator(world, CHIEF))
    world.pass_time(days=2)
    watcher(world).tick()
    return typist


def written(world: World, values: Mapping[str, str], *, mode: int = 0o600) -> Path:
    """A file with a form."""
    file = world.folder / "form.yaml"
    file.touch(mode)
    file.write_text(yaml.safe_dump(dict(values), allow_unicode=True, default_style='"'), encoding="utf-8")
    return file


def test_drafts_are_listed(typist: Typist) -> None:
    """With where, since how many days, by whom; for a person in words."""
    (draft,) = typist.ask("accounts", "drafts").report["drafts"]
    maker = typist.world.user(CHIEF).username
    assert draft == {
        "username": "zhang.san",
        "organisations": [TOWNSHIP],
        "enabled": False,
        "made_at": draft["made_at"],
        "days": 2,
        "made_by": maker,
        "obstacle": "",
        "holds_number": False,
    }
    text = typist.type("accounts", "drafts").out
    for word in ("zhang.san", TOWNSHIP, maker, "等待补全"):
        assert word in text


def test_no_drafts(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Said so."""
    typist = Typist(lenient(world), capsys)
    world.issue_and_sync()
    assert "没有草稿账号" in typist.type("accounts", "drafts").out


def test_a_good_form_comes_to_the_login(typist: Typist) -> None:
    """Everything is seen to first: here there is no server to log in to, and nothing is written."""
    file = written(typist.world, form())
    assert typist.type("accounts", "complete", "zhang.san", "--file", str(file)).code == 5
    assert typist.world.ledger("application_completed") == []


@pytest.mark.parametrize("by", [CHIEF, FOUNDERS[PostId("business_admin")]])
def test_who_made_and_who_completed_it_is_said(
    typist: Typist, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """With a word when it is one account, and that 正式在编 is for a source to say; or why it was refused."""
    world = typist.world
    monkeypatch.setattr("quanheng.cli.accounts.authenticate", lambda *_, **__: world.login(by))
    file = written(world, form(employment="正式在编"))
    done = typist.type("accounts", "complete", "zhang.san", "--file", str(file))
    if by != CHIEF:
        assert (done.code, "charge" in done.err) == (8, True)
        return
    maker = world.user(CHIEF).username
    assert done.code == 1, done.err  # of so few accounts no more may change
    for word in (f"建立人 {maker}，补全人 {maker}", "同一账号", "“正式在编”不以申请认定"):
        assert word in done.out


def test_a_number_is_not_listed(typist: Typist) -> None:
    """A draft that is called by a phone goes by its id, with what to do."""
    made = make_draft(typist.world, "13812345678")
    listed = {
        item["username"]: item["holds_number"] for item in typist.ask("accounts", "drafts").report["drafts"]
    }
    assert listed == {"zhang.san": False, str(made): True}
    text = typist.type("accounts", "drafts").out
    assert "13812345678" not in text
    assert "不填证件号码" in text


@pytest.mark.parametrize(
    ("values", "mode", "code", "word"),
    [
        (form(), 0o644, 2, "chmod 600"),
        ({**form(), "post": "系统管理员"}, 0o600, 2, "exactly the fields"),
        ({"name": "王"}, 0o600, 2, "exactly the fields"),
        (form(phone="12345"), 0o600, 8, "联系电话"),
        (form(org=OTHER_VILLAGE), 0o600, 8, "机构编码"),
    ],
)
def test_a_form_that_is_refused(
    typist: Typist, values: Mapping[str, str], mode: int, code: int, word: str
) -> None:
    """The fault is named with what to do; no value of the form is said."""
    file = written(typist.world, values, mode=mode)
    done = typist.type("accounts", "complete", "zhang.san", "--file", str(file))
    assert (done.code, word in done.err) == (code, True), done.err
    for name in ("document_number", "phone", "name"):
        assert values.get(name, "?") not in done.err + done.out


def test_what_is_no_form(typist: Typist) -> None:
    """A file that is no YAML is refused without a word of it."""
    file = written(typist.world, {})
    file.write_text("phone: [13800000000", encoding="utf-8")
    done = typist.type("accounts", "complete", "zhang.san", "--file", str(file))
    assert (done.code, "13800000000" in done.err) == (2, False)


def test_without_a_file_each_is_asked_for(typist: Typist, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the form, from standard input where there is no terminal."""
    answers = typist.world.folder / "answers"
    answers.write_text("\n".join(form(phone="12345").values()) + "\n", encoding="utf-8")
    with answers.open(encoding="utf-8") as stream:
        monkeypatch.setattr("sys.stdin", stream)
        done = typist.type("accounts", "complete", "zhang.san")
    assert (done.code, "联系电话" in done.err) == (8, True), done.err


def test_another_is_no_draft(typist: Typist) -> None:
    """A person's account, and a name that nobody has, are refused."""
    file = str(written(typist.world, form()))
    for name in (typist.world.user(CHIEF).username, "nobody.here"):
        assert typist.type("accounts", "complete", name, "--file", file).code == 8
