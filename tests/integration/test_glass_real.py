"""The sealed accounts on a real server: who gets in by their door, who does not, and what is told of it."""

from __future__ import annotations

import base64
import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from deploy.local.form_login import OTP_FORM, FormBrowser, Page
from deploy.local.keycloak import RunningKeycloak

from fixtures.glass_browser import VERIFIER, console_login, left_for, one_time_password, read_envelope
from fixtures.servers_keycloak import KeycloakRealm, describe_realm
from fixtures.watched_realm import WatchedRealm
from quanheng.errors import ConfigurationError, RefusedError, UnreachableError
from quanheng.keycloak.configuration import apply_configuration
from quanheng.keycloak.credentials import AdminPassword
from quanheng.keycloak.glass import GlassAccounts
from quanheng.model.finding import FindingKind
from quanheng.model.ids import KeycloakId, Username
from quanheng.model.sensitive import Sensitive
from quanheng.operations.check import check
from quanheng.operations.doctor.glass import examine_glass
from quanheng.operations.doctor.result import State
from quanheng.operations.glass.accounts import read_glass
from quanheng.operations.glass.sealing import seal_accounts

PASSWORD: Final = "Sunny-Day-2026-Winter"
FIRST: Final = Username("break-glass-1")
SECOND: Final = Username("break-glass-2")
WRONG: Final = "000000"


class Door:
    """A realm with the password form, a sealed account and a person who has as good credentials."""

    def __init__(self, realm: KeycloakRealm) -> None:
        self.realm = realm
        self.admin = realm.admin()
        self.glass = GlassAccounts(self.admin)
        self.address = self.glass.address()
        self.console = console_login(realm.server.url, realm.name)
        self.secret = base64.b32encode(secrets.token_bytes(20)).decode()
        self.person = self._arm(Username("person"))
        self.account = self._arm(FIRST)
        self.glass.empower(self.account)

    def _arm(self, name: Username) -> KeycloakId:
        user = self.glass.make(name, "某人")
        self.glass.arm(user, Sensitive(PASSWORD), Sensitive(self.secret))
        return user

    def send(self, method: str, tail: str, body: Any = None) -> Any:
        """A request of the master realm's administrator."""
        answer = self.admin.request(method, self.admin.realm_path(tail), json=body)
        return answer.json() if answer.content else None

    def without_otp(self, user: KeycloakId) -> None:
        """Take somebody's one-time password away."""
        for item in self.send("GET", f"/users/{user}/credentials"):
            if item["type"] == "otp":
                self.send("DELETE", f"/users/{user}/credentials/{item['id']}")

    def log_in(self, browser: FormBrowser, name: str, password: str = PASSWORD, *, url: str = "") -> Page:
        """Fill in the first form, of the door or of another address; the page after it."""
        return browser.fill_in(browser.open(url or self.address), username=name, password=password)

    def has_session(self, browser: FormBrowser) -> bool:
        """Whether the console lets the browser in without asking."""
        asked = console_login(self.realm.server.url, self.realm.name, prompt="none")
        return "code" in left_for(browser.open(asked))


@pytest.fixture(scope="module")
def door_realm(
    keycloak_server: RunningKeycloak, keycloak_keys: dict[str, ec.EllipticCurvePrivateKey]
) -> Iterator[KeycloakRealm]:
    """One realm for the module; each test makes its accounts anew."""
    name = f"test-door{os.environ.get('PYTEST_XDIST_WORKER', '')}"
    realm = describe_realm(keycloak_server, keycloak_keys, name, {"password_form": True})
    yield realm
    realm.close()


@pytest.fixture
def door(door_realm: KeycloakRealm) -> Door:
    """The realm set right, with nobody in it but the two."""
    admin = door_realm.admin()
    apply_configuration(admin, door_realm.desired)
    for user in admin.get(admin.realm_path("/users")):
        admin.request("DELETE", admin.realm_path(f"/users/{user['id']}"))
    admin.request("DELETE", admin.realm_path("/events"))
    return Door(door_realm)


@pytest.fixture
def browser() -> Iterator[FormBrowser]:
    """A browser without any cookie."""
    with FormBrowser() as opened:
        yield opened


def test_password_and_one_time_password_open_the_console(door: Door, browser: FormBrowser) -> None:
    """Both are asked for, and nothing else; after them the console lets the browser in by itself."""
    asked = door.log_in(browser, FIRST)
    assert asked.form == OTP_FORM
    assert not door.has_session(browser)

    done = browser.fill_in(asked, otp=one_time_password(door.secret))

    assert "code" in left_for(done)
    assert f"/admin/{door.realm.name}/console/" in done.url
    assert door.has_session(browser)


def test_no_token_comes_of_it(door: Door, browser: FormBrowser) -> None:
    """The code of the address that is opened fits no verifier."""
    asked = door.log_in(browser, FIRST)
    code = left_for(browser.fill_in(asked, otp=one_time_password(door.secret)))["code"]

    answer = requests.post(
        f"{door.realm.server.url}/realms/{door.realm.name}/protocol/openid-connect/token",
        data={
            "grant_type": "authorization_code",
            "client_id": "quanheng-break-glass",
            "code": code,
            "redirect_uri": f"/admin/{door.realm.name}/console/",
            "code_verifier": VERIFIER,
        },
        timeout=30,
    )

    assert answer.status_code == 400
    assert "access_token" not in answer.json()


def wrong_otp(door: Door, browser: FormBrowser) -> Page:
    return browser.fill_in(door.log_in(browser, FIRST), otp=WRONG)


def wrong_password(door: Door, browser: FormBrowser) -> Page:
    return door.log_in(browser, FIRST, "not-the-password")


def no_otp(door: Door, browser: FormBrowser) -> Page:
    door.without_otp(door.account)
    return door.log_in(browser, FIRST)


def no_otp_and_one_may_be_made(door: Door, browser: FormBrowser) -> Page:
    """Somebody switched on that whoever has no one-time password makes one while logging in."""
    action = door.send("GET", "/authentication/required-actions/CONFIGURE_TOTP")
    door.send("PUT", "/authentication/required-actions/CONFIGURE_TOTP", {**action, "enabled": True})
    return no_otp(door, browser)


def person(door: Door, browser: FormBrowser) -> Page:
    """With a password that is right, and a one-time password."""
    return door.log_in(browser, "person")


def person_without_otp(door: Door, browser: FormBrowser) -> Page:
    door.without_otp(door.person)
    return door.log_in(browser, "person")


def role_is_gone(door: Door, browser: FormBrowser) -> Page:
    """Keycloak takes a condition on a role that is not there for not met."""
    door.send("DELETE", "/roles/break-glass")
    return door.log_in(browser, "person")


def many_guesses(door: Door, browser: FormBrowser) -> Page:
    """Once the server does not wait any more, the right one does not help either."""
    page = door.log_in(browser, FIRST)
    for _ in range(6):
        page = browser.fill_in(page, otp=WRONG)
    return browser.fill_in(page, otp=one_time_password(door.secret))


def at_the_password_form(door: Door, browser: FormBrowser) -> Page:
    """Where people log in by password alone."""
    return door.log_in(browser, FIRST, url=door.console)


@pytest.mark.parametrize(
    "way",
    [
        wrong_otp,
        wrong_password,
        no_otp,
        no_otp_and_one_may_be_made,
        person,
        person_without_otp,
        role_is_gone,
        many_guesses,
        at_the_password_form,
    ],
)
def test_denied(door: Door, browser: FormBrowser, way: Callable[[Door, FormBrowser], Page]) -> None:
    """Nobody gets in by part of it, and no session is left behind."""
    page = way(door, browser)

    assert "code" not in left_for(page)
    assert not door.has_session(browser)
    assert door.send("GET", "/events?type=LOGIN") == []
    assert door.send("GET", "/events?type=LOGIN_ERROR") != []


def test_people_log_in_at_the_password_form(door: Door, browser: FormBrowser) -> None:
    """What denies the sealed account there denies nobody else."""
    done = door.log_in(browser, "person", url=door.console)

    assert "code" in left_for(done)


@pytest.fixture(scope="module")
def guarded(make_watched: Callable[..., WatchedRealm], rules_key: Ed25519PrivateKey) -> WatchedRealm:
    """A guarded realm with people at work, and the watcher over it."""
    return make_watched("guarded-glass", rules_key)


def admin_of(guarded: WatchedRealm) -> AdminPassword:
    """The master realm's administrator."""
    return AdminPassword(guarded.server.admin_user, Sensitive(guarded.server.admin_password))


def seal(guarded: WatchedRealm, folder: Path, *only: Username) -> dict[Username, Any]:
    """Seal into a new folder; what each envelope says."""
    folder.mkdir()
    files = seal_accounts(guarded.world.context, admin_of(guarded), folder, only)
    return {Username(file.stem): read_envelope(file.read_text(encoding="utf-8")) for file in files}


def log_in(envelope: Any, *, ahead: int = 0) -> Page:
    """What somebody does with an envelope. A one-time password counts once: ``ahead`` takes another one."""
    with FormBrowser() as opened:
        door = opened.open(envelope["登录地址"])
        asked = opened.fill_in(door, username=envelope["用户名"], password=envelope["口令"])
        if asked.form != OTP_FORM:
            return asked
        return opened.fill_in(asked, otp=one_time_password(envelope["动态口令密钥"], ahead=ahead))


def problems(guarded: WatchedRealm) -> dict[str, str]:
    """What ``check`` says of sealed accounts; all of it is a violation."""
    found = [item for item in check(guarded.world.context).findings if item.kind is FindingKind.BREAK_GLASS]
    assert all(item.violation for item in found)
    return {item.subject: item.detail for item in found}


def test_from_the_seal_to_the_use(
    guarded: WatchedRealm,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Sealed past the guard, used, told once, sealed again: the old envelope opens nothing."""
    world = guarded.world
    assert not any(item.violation for item in check(world.context).findings)

    old = seal(guarded, tmp_path / "first")

    assert sorted(old) == [FIRST, SECOND]
    assert len({envelope["口令"] for envelope in old.values()}) == 2
    for file in (tmp_path / "first").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(ConfigurationError, match="is there already"):
        seal_accounts(world.context, admin_of(guarded), tmp_path / "first")
    assert problems(guarded) == {}
    report = check(world.context)
    told = {FindingKind.FOREIGN_USER, FindingKind.ADMINISTRATOR, FindingKind.DUTY_ON_FOREIGN_USER}
    assert [item for item in report.findings if item.subject in old and item.kind in told] == []
    assert {item.state for item in examine_glass(world.context)} == {State.OK}
    guarded.look_until_quiet()
    assert guarded.bodies("administrator_found", "glass_used") == []

    assert "code" in left_for(log_in(old[FIRST]))
    assert "code" not in left_for(log_in({**old[SECOND], "口令": "not-the-password"}))
    guarded.look()
    guarded.look()

    uses = guarded.bodies("glass_used")
    assert [(body["account"], body["outcome"]) for body in uses] == [
        (FIRST, "logged_in"),
        (SECOND, "refused"),
    ]
    assert uses[0]["address"] == "127.0.0.1"
    with world.context.database.reading() as connection:
        known = {account.name: account for account in read_glass(world.context, connection)}
    assert known[FIRST].used_at is not None
    assert known[SECOND].used_at is None
    assert known[SECOND].sealed_at is not None

    new = seal(guarded, tmp_path / "second", FIRST)

    assert list(new) == [FIRST]
    assert "code" not in left_for(log_in(old[FIRST], ahead=1))
    assert "code" in left_for(log_in(new[FIRST]))
    assert guarded.admin.get(f"/users/{known[FIRST].id}/sessions")  # of the new one alone
    assert problems(guarded) == {}

    written = [entry.body for entry in world.ledger()]
    shown = [*written, caplog.text, *capsys.readouterr()]
    for envelope in (*old.values(), *new.values()):
        for secret in (envelope["口令"], envelope["动态口令密钥"].replace(" ", "")):
            assert not any(secret in text for text in shown)
    guarded.look_until_quiet()


def test_sessions_end_with_the_seal(guarded: WatchedRealm, tmp_path: Path) -> None:
    """Whoever is logged in when somebody seals again is not any more."""
    envelope = seal(guarded, tmp_path / "first", FIRST)[FIRST]
    assert "code" in left_for(log_in(envelope))
    user = guarded.named(FIRST)
    assert guarded.admin.get(f"/users/{user}/sessions")

    seal(guarded, tmp_path / "second", FIRST)

    assert guarded.admin.get(f"/users/{user}/sessions") == []


def test_who_locks_an_account_keeps_nobody_out(guarded: WatchedRealm, tmp_path: Path) -> None:
    """Wrong passwords lock it, whoever types them; the master realm's administrator lifts that at once."""
    envelope = seal(guarded, tmp_path / "first", FIRST)[FIRST]
    user = guarded.named(FIRST)
    for _ in range(6):
        log_in({**envelope, "口令": "not-the-password"})
    assert "code" not in left_for(log_in(envelope))
    locked = f"/attack-detection/brute-force/users/{user}"
    assert guarded.admin.get(locked)["disabled"] is True

    guarded.admin.send("DELETE", locked)

    assert "code" in left_for(log_in(envelope))
    assert problems(guarded) == {}
    guarded.look_until_quiet()


def _full(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """No file can be written."""

    def fail(*_: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("quanheng.identity.files.os.link", fail)


def _lost(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The call is done, and its answer lost."""
    done = getattr(GlassAccounts, name)

    def lose(*arguments: Any) -> None:
        done(*arguments)
        raise UnreachableError("the answer is lost", remedy="run again")

    monkeypatch.setattr(GlassAccounts, name, lose)


@pytest.mark.parametrize(
    ("fault", "name"), [(_full, ""), (_lost, "void"), (_lost, "empower"), (_lost, "arm")]
)
def test_a_sealing_that_fails(
    guarded: WatchedRealm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Any, name: str
) -> None:
    """Before the file is written nothing has happened; after it nobody gets in, which is a violation, and
    sealing again sets it right. No file is left."""
    old = seal(guarded, tmp_path / "first", FIRST)[FIRST]
    with monkeypatch.context() as failing:
        fault(failing, name)
        with pytest.raises(ConfigurationError if fault is _full else UnreachableError) as refused:
            seal(guarded, tmp_path / "second", FIRST)
    assert refused.value.remedy
    assert list((tmp_path / "second").iterdir()) == []
    if fault is _full:
        assert problems(guarded) == {}
        assert "code" in left_for(log_in(old))
        return
    assert "code" not in left_for(log_in(old))
    assert guarded.admin.get(f"/users/{guarded.named(FIRST)}")["enabled"] is False
    assert "账号已停用" in problems(guarded)[FIRST]
    assert "code" in left_for(log_in(seal(guarded, tmp_path / "third", FIRST)[FIRST]))
    assert problems(guarded) == {}


def test_a_sealing_that_is_killed(
    guarded: WatchedRealm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it leaves says by its name that it is worth nothing: a page has its name when it holds."""
    folder = tmp_path / "first"
    folder.mkdir()
    page = folder / f"{FIRST}.txt"
    seen = []

    def looking(done: Any) -> Any:
        def look(*arguments: Any) -> Any:
            (left,) = folder.iterdir()
            seen.append((left.suffix, "口令" in left.read_text(), left.stat().st_mode & 0o777))
            return done(*arguments)

        return look

    for name in ("void", "empower", "arm"):
        monkeypatch.setattr(GlassAccounts, name, looking(getattr(GlassAccounts, name)))

    assert seal_accounts(guarded.world.context, admin_of(guarded), folder, [FIRST]) == (page,)

    assert seen == [(".unfinished", True, 0o600)] * 3
    assert list(folder.iterdir()) == [page]
    assert page.stat().st_mode & 0o777 == 0o600


CREDENTIALS: Final = (
    "UPDATE_PASSWORD",
    "CONFIGURE_TOTP",
    "CONFIGURE_RECOVERY_AUTHN_CODES",
    "webauthn-register",
    "webauthn-register-passwordless",
    "delete_credential",
)
"""Actions that an application may ask for (``kc_action``), and whoever is logged in for oneself."""


def test_an_envelope_stays_true(guarded: WatchedRealm, tmp_path: Path) -> None:
    """Whoever is logged in makes and changes no credential of one's own: no page for it is shown."""
    envelope = seal(guarded, tmp_path / "first", FIRST)[FIRST]
    before = guarded.admin.get(f"/users/{guarded.named(FIRST)}/credentials")
    realm = guarded.world.context.realm_name
    with FormBrowser() as opened:
        door = opened.open(envelope["登录地址"])
        asked = opened.fill_in(door, username=envelope["用户名"], password=envelope["口令"])
        assert "code" in left_for(opened.fill_in(asked, otp=one_time_password(envelope["动态口令密钥"])))
        for action in CREDENTIALS:
            page = opened.open(console_login(guarded.server.url, realm, kc_action=action))
            assert left_for(page).get("kc_action_status") == "error", action
    assert guarded.admin.get(f"/users/{guarded.named(FIRST)}/credentials") == before


def test_two_seal_at_once(guarded: WatchedRealm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page that is there opens nothing that is on: the later is refused, and its account switched off."""
    seal(guarded, tmp_path / "before")
    folder = tmp_path / "first"
    folder.mkdir()
    arm = GlassAccounts.arm

    def second(*arguments: Any) -> Any:
        monkeypatch.setattr(GlassAccounts, "arm", arm)
        seal_accounts(guarded.world.context, admin_of(guarded), folder, [FIRST])
        return arm(*arguments)

    monkeypatch.setattr(GlassAccounts, "arm", second)
    with pytest.raises(ConfigurationError, match="is there already"):
        seal_accounts(guarded.world.context, admin_of(guarded), folder, [FIRST])

    assert [file.name for file in folder.iterdir()] == [f"{FIRST}.txt"]
    assert guarded.admin.get(f"/users/{guarded.named(FIRST)}")["enabled"] is False
    assert "账号已停用" in problems(guarded)[FIRST]
    seal(guarded, tmp_path / "second", FIRST)
    assert problems(guarded) == {}


def _role(guarded: WatchedRealm, user: str) -> None:
    client = guarded.client("realm-management")
    role = guarded.admin.get(f"/clients/{client}/roles/manage-realm")
    guarded.admin.send("POST", f"/users/{user}/role-mappings/clients/{client}", [role])


def _group(guarded: WatchedRealm, user: str) -> None:
    guarded.admin.send("POST", "/groups", {"name": "某组"})
    group = next(item for item in guarded.admin.get("/groups") if item["name"] == "某组")
    guarded.admin.send("PUT", f"/users/{user}/groups/{group['id']}")


def _no_otp(guarded: WatchedRealm, user: str) -> None:
    for item in guarded.admin.get(f"/users/{user}/credentials"):
        if item["type"] == "otp":
            guarded.admin.send("DELETE", f"/users/{user}/credentials/{item['id']}")


def _password(guarded: WatchedRealm, user: str) -> None:
    body = {"type": "password", "value": PASSWORD, "temporary": False}
    guarded.admin.send("PUT", f"/users/{user}/reset-password", body)


def _off(guarded: WatchedRealm, user: str) -> None:
    guarded.admin.send("PUT", f"/users/{user}", {"enabled": False})


def _without_role(guarded: WatchedRealm, user: str) -> None:
    guarded.admin.send("DELETE", f"/users/{user}/role-mappings/realm", [guarded.role("break-glass")])


def _gone(guarded: WatchedRealm, user: str) -> None:
    guarded.admin.send("DELETE", f"/users/{user}")


def _another(guarded: WatchedRealm, user: str) -> None:
    _gone(guarded, user)
    guarded.admin.send("POST", "/users", {"username": SECOND, "enabled": True})


TAMPERINGS: Final[dict[str, tuple[Callable[[WatchedRealm, str], None], str]]] = {
    "role": (_role, "另持有角色 realm-management/manage-realm"),
    "group": (_group, "属于组 /某组"),
    "one-time password": (_no_otp, "没有动态口令"),
    "password": (_password, "在封存后被改动"),
    "off": (_off, "账号已停用"),
    "without role": (_without_role, "不持有角色 break-glass"),
    "gone": (_gone, "账号不存在"),
    "another": (_another, "不是本系统封存的账号"),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_is_not_as_it_was_sealed_is_told(guarded: WatchedRealm, tmp_path: Path, name: str) -> None:
    """By ``check``, as a violation, and by the doctor; sealing sets right what is left of it, or refuses."""
    tamper, words = TAMPERINGS[name]
    seal(guarded, tmp_path / "first")
    assert problems(guarded) == {}

    tamper(guarded, guarded.named(SECOND))

    found = problems(guarded)
    assert list(found) == [SECOND]
    assert words in found[SECOND]
    states = {item.id: item.state for item in examine_glass(guarded.world.context)}
    assert states == {f"glass.{FIRST}": State.OK, f"glass.{SECOND}": State.FAIL}
    if name == "another":
        with pytest.raises(RefusedError, match="did not make"):
            seal(guarded, tmp_path / "second", SECOND)
    if name in ("another", "role", "group"):
        _gone(guarded, guarded.named(SECOND))
    seal(guarded, tmp_path / "third", SECOND)
    assert problems(guarded) == {}


def test_others_who_hold_the_role_are_told(guarded: WatchedRealm, tmp_path: Path) -> None:
    """The role is tolerated at the two accounts that were sealed, by their ids, and nowhere else."""
    seal(guarded, tmp_path / "first")
    guarded.look_until_quiet()
    before = len(guarded.bodies("administrator_found"))
    guarded.admin.send("POST", "/users", {"username": "impostor", "enabled": True})
    user = guarded.named("impostor")
    guarded.admin.send("POST", f"/users/{user}/role-mappings/realm", [guarded.role("break-glass")])

    guarded.look()

    told = guarded.bodies("administrator_found")[before:]
    assert [holder["username"] for body in told for holder in body["holders"]] == ["impostor"]
    found = [
        item.subject
        for item in check(guarded.world.context).findings
        if item.kind is FindingKind.ADMINISTRATOR
    ]
    assert found == ["impostor"]
    guarded.admin.send("DELETE", f"/users/{user}")
    guarded.look_until_quiet()


def test_what_the_role_gives_is_kept(guarded: WatchedRealm) -> None:
    """Exactly these, of realm-management."""
    parts = guarded.admin.get(f"/roles-by-id/{guarded.role('break-glass')['id']}/composites")

    assert {part["name"] for part in parts} == {
        "manage-users",
        "query-groups",
        "query-users",
        "view-events",
        "view-realm",
        "view-users",
    }
    assert {part["containerId"] for part in parts} == {guarded.client("realm-management")}
