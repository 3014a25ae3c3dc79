"""``explain``, ``predict`` and ``check --sod`` as typed, over a real Keycloak without the guard: each opens
connections of its own with our keys, answers, and leaves no trace in Keycloak or the ledger.

``integration/test_cli_sod`` has every case of them, in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from deploy.local.keycloak import RunningKeycloak

from fixtures.command_line import CONFIG, Done
from fixtures.watched_realm import ARTICLE, CHIEF, HANDLER, OFFICE, WHO, WatchedRealm, watched_realms
from fixtures.world import FOUNDERS, WorldTemplate
from quanheng.cli.entry import run_command
from quanheng.cli.session import Surroundings
from quanheng.model.ids import PostId

APART: Final = "s4-system-admin-no-business"
"""系统管理员 and 经办 in one hand."""


@pytest.fixture(scope="module")
def watched(
    keycloak_server: RunningKeycloak,
    keycloak_keys: dict[str, ec.EllipticCurvePrivateKey],
    world_template: WorldTemplate,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WatchedRealm]:
    """A realm that the guard does not guard; each test leaves nothing to do."""
    with watched_realms(keycloak_server, keycloak_keys, world_template, tmp_path_factory) as make:
        made = make("test-answers", Ed25519PrivateKey.generate())
        settings = made.world.settings
        text = CONFIG.format(url=settings.keycloak.url, realm=settings.keycloak.realm)
        # The world keeps its keys and its feed elsewhere than an operator would.
        text = text.replace('"keys/', '"').replace('directory = "feed"', 'directory = "hr"')
        (made.world.folder / "quanheng.toml").write_text(text, encoding="utf-8")
        yield made


class Typist:
    """Somebody who types commands in front of the realm, and looks for traces of them."""

    def __init__(self, watched: WatchedRealm, capture: pytest.CaptureFixture[str]) -> None:
        self._watched, self._capture = watched, capture
        self.before = self.traces()

    def type(self, *words: str) -> Done:
        """Run one command with connections of its own."""
        self._capture.readouterr()
        config = str(self._watched.world.folder / "quanheng.toml")
        code = run_command([*words, "--config", config], Surroundings())
        return Done(code, *self._capture.readouterr())

    def ask(self, *words: str, code: int = 0) -> Any:
        """The report in JSON, when the exit code is the expected one."""
        done = self.type(*words, "--format", "json")
        assert done.code == code, done.err
        return done.report

    def traces(self) -> tuple[int, int, int]:
        """Admin events of the realm, entries of the ledger, and the registry's revision."""
        events = self._watched.admin.get("/admin-events", max=10_000)
        return len(events), len(self._watched.world.ledger()), self._watched.world.registry().revision


@pytest.fixture
def typist(watched: WatchedRealm, capsys: pytest.CaptureFixture[str]) -> Typist:
    """In front of it now."""
    return Typist(watched, capsys)


def test_explain(watched: WatchedRealm, typist: Typist) -> None:
    """Path and basis of each thing that somebody holds, and of each post that could not be given, why."""
    report = typist.ask("explain", WHO)
    held = {item["role"]: item for item in report["duties"]}
    assert held["post-handler"]["path"] == [HANDLER, "post-handler"]
    query = held["jiujinban/service_query"]
    assert query["path"] == [HANDLER, "post-handler", "jiujinban/service_query"]
    assert {item["effective"] for item in held.values()} == {True}
    (basis,) = query["bases"]
    assert (basis["kind"], basis["article"]) == ("source", "S5")
    assert basis["origin"].startswith("hr people.csv:")

    office = next(item for item in report["could_not"] if item["post"] == "system_admin")
    reasons = {item["rule"]: item for item in office["reasons"]}
    assert reasons.keys() >= {APART, "s8-one-system-admin"}
    assert (reasons[APART]["article"], OFFICE in reasons[APART]["reason"]) == (ARTICLE, True)
    assert HANDLER in reasons[APART]["reason"]
    assert "另有 1 人在任" in reasons["s8-one-system-admin"]["reason"]
    assert "reviewer" in {item["post"] for item in report["could"]}

    (basis,) = typist.ask("explain", CHIEF)["duties"][0]["bases"]
    approver = watched.world.user(FOUNDERS[PostId("system_admin")])
    assert (basis["kind"], basis["actor"]) == ("source", approver.username)
    text = typist.type("explain", watched.world.user(WHO).username).out
    for word in ("岗位和权限", "服务事项查询", "来源（S5）", "可以授予", "不能授予", "系统管理员"):
        assert word in text
    assert typist.traces() == typist.before


def test_explain_sees_what_was_just_done(watched: WatchedRealm, typist: Typist) -> None:
    """What somebody mapped a moment ago is held without a basis; the command leaves it to the watcher."""
    watched.admin.map_role(watched.ids[WHO], "post-reviewer")
    before = typist.traces()
    found = {item["role"]: item for item in typist.ask("explain", WHO)["duties"] if not item["bases"]}
    assert found["post-reviewer"]["path"] == ["直接授予", "post-reviewer"]
    assert typist.traces() == before
    assert watched.look().changes == 1
    watched.assert_right()


def test_predict_writes_nothing(watched: WatchedRealm, typist: Typist) -> None:
    """What may be given and what may not, with exit code, rule and article; nobody is given anything."""
    users = watched.world.users()
    refused = typist.ask("predict", CHIEF, "--add", "handler", code=8)
    assert refused["allowed"] is False
    reasons = {item["rule"]: item["article"] for item in refused["assessment"]["reasons"]}
    assert reasons[APART] == ARTICLE
    allowed = typist.ask("predict", WHO, "--add", "审核人员")
    assert (allowed["allowed"], allowed["assessment"]["reasons"]) == (True, [])
    assert "不能授予" in typist.type("predict", CHIEF, "--add", "经办人员").out
    assert typist.type("predict", "nobody", "--add", "handler").code == 2
    assert typist.traces() == typist.before
    assert watched.world.users() == users


def test_check_finds_what_no_guard_vetoed(watched: WatchedRealm, typist: Typist) -> None:
    """A conflict that was put there is found with both paths and ends in 1; who asks mends nothing."""
    assert typist.ask("check", "--sod")["conflicts"] == []
    assert typist.traces() == typist.before
    user = watched.world.user(WHO)
    watched.admin.send("PUT", f"/users/{user.id}/groups/{watched.ids[OFFICE]}")
    before = typist.traces()

    report = typist.ask("check", "--sod", code=1)

    assert report["ok"] is False
    found = next(item for item in report["conflicts"] if item["rule"] == APART)
    assert (found["user"], found["article"]) == (user.username, ARTICLE)
    assert {item["path"][0] for item in found["held"]} == {HANDLER, OFFICE}
    shown = typist.type("check", "--sod")
    assert (shown.code, user.username in shown.out, "违反" in shown.out) == (1, True, True)
    assert typist.traces() == before
    assert watched.ids[OFFICE] in watched.world.user(WHO).groups

    assert watched.look().changes == 1
    assert typist.ask("check", "--sod")["ok"] is True
    watched.assert_right()
