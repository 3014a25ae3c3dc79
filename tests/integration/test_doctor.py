"""The doctor over real directories, an older store, a silent daemon; and its judgements by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fixtures.command_line import Desk
from fixtures.fake_guard import install_guard
from fixtures.servers_slapd import FilledSlapd, ldap_settings
from quanheng.clock import system_clock
from quanheng.config import LdapSettings, NotifySettings, Settings, WatchSettings, read_settings
from quanheng.identity.rules_key import PRIVATE
from quanheng.keycloak.fake import FakeRealm
from quanheng.keycloak.fake_base import FakeGuardState
from quanheng.operations.context import Context
from quanheng.operations.doctor import server
from quanheng.operations.doctor.certificates import days_left, judge_days
from quanheng.operations.doctor.guard import examine_guard
from quanheng.operations.doctor.local import examine_files
from quanheng.operations.doctor.notices import examine_notices
from quanheng.operations.doctor.result import Result, State
from quanheng.operations.doctor.sources import examine_sources
from quanheng.operations.doctor.stored import examine_store
from quanheng.operations.guarding import publish_rules
from quanheng.operations.heartbeat import Heartbeat, write_heartbeat
from quanheng.operations.refresh import read_live

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


def _sources(desk: Desk, source: LdapSettings) -> dict[str, Result]:
    settings = read_settings(desk.folder / "quanheng.toml").model_copy(update={"sources": (source,)})
    return _by_id(examine_sources(_context(settings)))


def _context(settings: Settings, clock: Callable[[], datetime] = system_clock) -> Context:
    return Context(settings, clock=clock, make_realm=lambda _settings: FakeRealm())


def _by_id(results: Iterator[Result]) -> dict[str, Result]:
    return {result.id: result for result in results}


@pytest.mark.parametrize("tls", ["starttls", "ldaps"])
def test_a_directory_that_answers_is_well_and_its_certificate_is_looked_at(
    desk: Desk, slapd: FilledSlapd, tls: str
) -> None:
    """Connected, verified, bound, both bases seen, days of the certificate counted."""
    url = slapd.server.ldaps_url if tls == "ldaps" else slapd.server.url
    found = _sources(desk, ldap_settings(slapd.server, tls=tls, url=url))
    assert found["source.ldap"].state is State.OK
    assert "天到期" in found["source.ldap.tls"].message


def test_a_directory_without_encryption_is_a_warning(desk: Desk, slapd: FilledSlapd) -> None:
    """It works, and the password can be read by others."""
    found = _sources(desk, ldap_settings(slapd.server, tls="plain"))
    assert found["source.ldap.tls"].state is State.WARN


def test_a_directory_that_refuses_us_fails_without_showing_the_password(
    desk: Desk, slapd: FilledSlapd, tmp_path: Path
) -> None:
    """Wrong password, and a base that is not there."""
    wrong = tmp_path / "wrong"
    wrong.write_text("not-the-password", encoding="utf-8")
    wrong.chmod(0o600)
    refused = _sources(desk, ldap_settings(slapd.server, password_file=wrong))["source.ldap"]
    assert refused.state is State.FAIL
    assert "not-the-password" not in refused.message + refused.remedy
    elsewhere = ldap_settings(slapd.server, people_base="ou=nowhere,dc=example,dc=org")
    assert _sources(desk, elsewhere)["source.ldap"].state is State.FAIL


def test_a_directory_that_is_gone_fails(desk: Desk, slapd: FilledSlapd) -> None:
    """Nobody listens there."""
    settings = ldap_settings(slapd.server, url="ldap://127.0.0.1:9")
    assert _sources(desk, settings)["source.ldap"].state is State.FAIL


def test_an_old_feed_is_a_warning(ready_desk: Desk) -> None:
    """Accounts are reviewed monthly, so a feed is expected monthly."""
    settings = read_settings(ready_desk.folder / "quanheng.toml")
    later = system_clock() + timedelta(days=40)
    assert _by_id(examine_sources(_context(settings)))["source.hr"].state is State.OK
    assert _by_id(examine_sources(_context(settings, lambda: later)))["source.hr"].state is State.WARN


def test_what_was_left_alone_for_days_is_a_warning(ready_desk: Desk) -> None:
    """The mirror, the anchor and the heartbeat grow old."""
    ready_desk.ask("sync")
    ready_desk.ask("ledger", "anchor")
    ready_desk.ask("keys", "rotate", "ledger")  # the ledger is now longer than its anchor
    settings = read_settings(ready_desk.folder / "quanheng.toml")
    heartbeat = settings.schedule.heartbeat_file
    assert heartbeat is not None
    beat = Heartbeat(at=system_clock(), pid=1, state="idle", result="ok", watched=system_clock())
    write_heartbeat(heartbeat, beat)
    with _context(settings) as context:
        now = _by_id(examine_store(context))
    assert {now[name].state for name in ("mirror", "anchor", "daemon", "ledger", "watch")} == {State.OK}
    with _context(settings, lambda: system_clock() + timedelta(days=5)) as context:
        then = _by_id(examine_store(context))
    states = {name: then[name].state for name in ("mirror", "anchor", "daemon", "ledger", "watch")}
    assert states == {
        "mirror": State.WARN,
        "anchor": State.WARN,
        "daemon": State.FAIL,
        "ledger": State.OK,
        "watch": State.FAIL,
    }


@pytest.mark.parametrize(
    ("watched", "finished", "state"),
    [
        (timedelta(seconds=10), timedelta(days=1), State.OK),
        (timedelta(minutes=6), timedelta(seconds=10), State.FAIL),
        (None, timedelta(seconds=10), State.OK),
        (None, timedelta(minutes=6), State.FAIL),
        (None, None, State.WARN),
    ],
)
def test_a_watcher_that_stands_still_is_a_fault(
    ready_desk: Desk, watched: timedelta | None, finished: timedelta | None, state: State
) -> None:
    """Though the daemon's heart beats and its jobs are done; before its first job is done it only waits."""
    settings = read_settings(ready_desk.folder / "quanheng.toml")
    file, now = settings.schedule.heartbeat_file, system_clock()
    assert file is not None
    beat = Heartbeat(
        at=now,
        pid=1,
        state="working",
        result="ok",
        watched=None if watched is None else now - watched,
        job_finished=None if finished is None else now - finished,
    )
    write_heartbeat(file, beat)
    with _context(settings) as context:
        found = _by_id(examine_store(context))
    assert found["daemon"].state is State.OK
    assert found["watch"].state is state
    write_heartbeat(file, replace(beat, state="stopped"))
    off = settings.model_copy(update={"watch": WatchSettings(enabled=False)})
    for quiet in (settings, off):
        with _context(quiet) as context:
            assert "watch" not in _by_id(examine_store(context))


def test_each_way_of_telling_is_looked_at(desk: Desk) -> None:
    """Secrets that are empty or open to others, a mail server that is not there, a folder in a file's place;
    one that is well beside them. Nothing is made and nothing sent."""
    empty, shared = desk.folder / "empty", desk.folder / "shared"
    empty.touch(mode=0o600)
    shared.write_text("Sunny-Day-2026")
    shared.chmod(0o644)
    settings = read_settings(desk.folder / "quanheng.toml")

    def look(**ways: Any) -> dict[str, Result]:
        told = NotifySettings(**ways)
        return _by_id(examine_notices(_context(settings.model_copy(update={"notify": told}))))

    assert look() == {}
    mail = {"host": "127.0.0.1", "port": 9, "starttls": False, "sender": "q@x", "recipients": ("a@x",)}
    hook = {"url": "http://127.0.0.1:9/"}
    found = look(
        file=desk.folder / "told" / "notices.jsonl",
        webhook={**hook, "secret_file": empty},
        smtp={**mail, "user": "q", "password_file": shared},
    )
    assert {name: result.state for name, result in found.items()} == {
        "notify.file": State.OK,
        "notify.webhook": State.FAIL,
        "notify.smtp": State.FAIL,
    }
    assert "empty" in found["notify.webhook"].message
    assert "0644" in found["notify.smtp"].message
    assert "Sunny-Day" not in str(found)
    assert not (desk.folder / "told").exists()
    shared.chmod(0o600)
    found = look(file=desk.folder, webhook={**hook, "secret_file": shared}, smtp=mail)
    assert {name: result.state for name, result in found.items()} == {
        "notify.file": State.FAIL,
        "notify.webhook": State.OK,
        "notify.smtp": State.FAIL,
    }


@pytest.mark.parametrize(
    ("ends", "state"),
    [(-1, State.FAIL), (10, State.WARN), (90, State.OK)],
)
def test_a_certificate_is_judged_by_its_days(ends: int, state: State) -> None:
    """Over, soon over, good."""
    text = f"{NOW + timedelta(days=ends, hours=1):%b %d %H:%M:%S %Y} GMT"
    assert judge_days("x", days_left({"notAfter": text}, NOW)).state is state


def test_a_certificate_that_does_not_say_is_a_warning() -> None:
    """Nothing known is not the same as good."""
    assert judge_days("x", days_left({}, NOW)).state is State.WARN


@pytest.mark.parametrize(
    ("held", "state"),
    [
        (["manage-users", "view-users", "query-users"], State.OK),
        (["manage-users"], State.FAIL),
        (["manage-users", "view-users", "manage-realm"], State.FAIL),
        (["realm-admin", "manage-users", "view-users"], State.FAIL),
    ],
)
def test_the_daily_client_has_the_least_roles_and_nothing_broader(held: list[str], state: State) -> None:
    """One role too many is as wrong as one too few; what a role brings along is not counted."""
    claims = {
        "resource_access": {"realm-management": {"roles": held}, "account": {"roles": ["view-profile"]}}
    }
    assert server._roles(claims, ["manage-users", "view-users"]).state is state


@pytest.mark.parametrize(
    ("on", "option"),
    [
        ("CIBA", "ciba"),
        ("WORKFLOWS", "workflows"),
        # Keycloak's own name has a version, which its option does not take.
        ("TOKEN_EXCHANGE_STANDARD_V2", "token-exchange-standard"),
        ("CLIENT_ADMIN_API_V2", "client-admin-api"),
    ],
)
def test_a_feature_that_nobody_needs_is_a_warning(on: str, option: str) -> None:
    """With the option that switches it off."""
    others = [{"name": "DEVICE_FLOW", "enabled": False}, {"name": "LOGIN_V2", "enabled": True}]
    found = server._features({"features": [{"name": on, "enabled": True}, *others]})
    assert (found.state, found.remedy) == (State.WARN, f"kc.sh build --features-disabled={option}")


@pytest.mark.parametrize(
    ("login", "admin", "state"),
    [
        (("keycloak.v2", "quanheng"), ("quanheng",), State.OK),
        (("keycloak.v2",), ("quanheng",), State.WARN),
        (("quanheng",), (), State.WARN),
    ],
)
def test_a_server_without_our_themes_is_a_warning(
    login: tuple[str, ...], admin: tuple[str, ...], state: State
) -> None:
    """It shows its own, and says less; the guard's JAR brings them."""
    info = {"themes": {"login": [{"name": one} for one in login], "admin": [{"name": one} for one in admin]}}
    found = server._themes(info, {"loginTheme": "quanheng", "adminTheme": "quanheng"})
    assert found.state is state
    assert ("quanheng-guard.jar" in found.remedy) is (state is State.WARN)


@dataclass
class Guarded:
    """A realm in memory with a guard, and what the doctor says of it."""

    desk: Desk
    realm: FakeRealm
    guard: FakeGuardState
    clock: Callable[[], datetime]

    @property
    def context(self) -> Context:
        """A context over this realm."""
        settings = read_settings(self.desk.folder / "quanheng.toml")
        return Context(settings, clock=self.clock, make_realm=lambda _settings: self.realm)

    def publish(self) -> None:
        """Give the guard its rules."""
        with self.context as context:
            publish_rules(context, read_live(self.realm))

    def examine(self) -> dict[str, State]:
        """State of each line."""
        with self.context as context:
            results = list(examine_guard(context))
        assert all(result.remedy for result in results if result.state is not State.OK)
        return {result.id: result.state for result in results}


@pytest.fixture
def guarded(ready_desk: Desk) -> Guarded:
    """A guard of this release with our rules."""
    assert isinstance(ready_desk.realm, FakeRealm)
    keys = read_settings(ready_desk.folder / "quanheng.toml").keys_directory
    state = install_guard(ready_desk.realm, keys)
    made = Guarded(ready_desk, ready_desk.realm, state, lambda: NOW)
    made.publish()
    return made


def test_a_guard_with_our_rules_is_well(guarded: Guarded) -> None:
    """There, of this release, guarding our realm by the rules that we published last."""
    assert guarded.examine() == {
        "guard.version": State.OK,
        "guard.required": State.OK,
        "guard.rules": State.OK,
    }


GUARD_FAULTS: dict[str, tuple[dict[str, Any], dict[str, State]]] = {
    "missing": ({"installed": False}, {"guard": State.WARN}),
    "old": ({"version": "0.9.9"}, {"guard.version": State.FAIL}),
    "of no version": ({"version": ""}, {"guard.version": State.FAIL}),
    "for other realms": ({"required": False}, {"guard.required": State.WARN}),
    "without rules": ({"rules": None}, {"guard.rules": State.FAIL}),
    "without rules, for other realms": (
        {"rules": None, "required": False},
        {"guard.required": State.WARN, "guard.rules": State.WARN},
    ),
    "with another key": ({"public_keys": ()}, {"guard.rules": State.FAIL}),
    "switched off": (
        {"break_glass_until": NOW + timedelta(hours=1)},
        {"guard.break_glass": State.FAIL},
    ),
    "switched off once": ({"break_glass_until": NOW - timedelta(hours=1)}, {}),
}


@pytest.mark.parametrize("fault", GUARD_FAULTS)
def test_a_faulty_guard_is_told(guarded: Guarded, fault: str) -> None:
    """Each way in which the guard does not veto has a line of its own with what to do."""
    changes, expected = GUARD_FAULTS[fault]
    for name, value in changes.items():
        setattr(guarded.guard, name, value)
    assert {id_: state for id_, state in guarded.examine().items() if state is not State.OK} == expected


def test_rules_that_are_not_our_last_are_told(guarded: Guarded) -> None:
    """Whether somebody else publishes, or the store was restored."""
    older = guarded.guard.rules
    assert older is not None
    guarded.guard.rules = None
    with guarded.context as context:
        publish_rules(context, read_live(guarded.realm))
    guarded.guard.rules, guarded.guard.highest = older, older.sequence
    guarded.guard.seen = older.payload
    assert guarded.examine()["guard.rules"] is State.WARN


def test_a_missing_key_of_the_rules_is_told(guarded: Guarded) -> None:
    """Without it the guard gets no rules."""
    with guarded.context as context:
        assert _by_id(examine_files(context))["keys.rules"].state is State.OK
        (context.settings.keys_directory / PRIVATE).unlink()
        assert _by_id(examine_files(context))["keys.rules"].state is State.WARN
