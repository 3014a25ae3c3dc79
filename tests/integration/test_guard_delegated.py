"""What Keycloak leaves open to an administrator with an account in the realm, and the guard closes."""

from __future__ import annotations

import http.client
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from deploy.local.keycloak import RunningKeycloak

from fixtures.guard import (
    CARD,
    PERMISSION,
    QUALIFICATION,
    GuardedRealm,
    assert_vetoed,
    build_guarded_realm,
    raw,
)
from fixtures.servers_keycloak import describe_realm
from quanheng.keycloak.connection import Connection

OWN: Final = "/机构/140902-忻府区/播明镇"
SECOND: Final = "/机构/140902-忻府区/兰村乡"
FOREIGN: Final = "/机构/140921-定襄县/季庄镇"
POWER: Final = "/运维"
"""A group that gives ``realm-management`` roles and no duty."""
DUTY: Final = "/岗位/140902-忻府区/经办人员"
ADMINISTRATORS: Final = "/岗位/140902-忻府区/系统管理员"
QUALIFIED: Final = f"/资格/{QUALIFICATION}"
SECRET: Final = "Never-to-be-seen-1"
_numbers: Final = count(1)


@dataclass
class Delegation:
    """A realm with townships, and people of it who administer accounts."""

    realm: GuardedRealm
    county: Connection
    """By fine-grained permissions, in the two townships of 忻府区."""
    manager: Connection
    """By ``manage-users``: past every fine-grained permission."""
    chief: Connection
    """By ``realm-admin``, which nobody has whom quanheng made: nothing of Keycloak's own is in the way."""

    def acting(self, who: str) -> Connection:
        """One of them by name."""
        found: Connection = getattr(self, who)
        return found

    def users(self, tail: str = "") -> str:
        """Path of users."""
        return self.realm.path(f"/users{tail}")

    def made(self, by: Connection, **fields: Any) -> tuple[requests.Response, str]:
        """Somebody makes an account: the raw answer, and the account's name."""
        name = f"draft{next(_numbers):04}"
        body = {"username": name, "enabled": True, "groups": [OWN], **fields}
        return raw(by, "POST", self.users(), json=body), name

    def found(self, name: str) -> list[dict[str, Any]]:
        """Accounts of this name."""
        found: list[dict[str, Any]] = self.realm.admin.get(self.users(), username=name, exact="true")
        return found

    def draft(self, **fields: Any) -> str:
        """An account that the county's administrator made; its id."""
        answer, _ = self.made(self.county, firstName="李四", attributes={"staff_no": ["7"]}, **fields)
        assert answer.status_code == 201, answer.text
        return answer.headers["Location"].rsplit("/", 1)[-1]

    def managed(self, **fields: Any) -> str:
        """An account that the sync made in the own township; its id."""
        number = next(_numbers)
        attributes = {
            "person_id": [f"p{number}"],
            "staff_no": [str(number)],
            "org_code": ["140902101"],
        }
        return self.realm.add_person(attributes=attributes, lastName="某", groups=[OWN], **fields)

    def shown(self, user: str) -> dict[str, Any]:
        """An account as the master realm's administrator sees it."""
        found: dict[str, Any] = self.realm.admin.get(self.users(f"/{user}"))
        return found

    def change(self, by: Connection, user: str, **fields: Any) -> requests.Response:
        """Somebody saves an account in the console: all of what is shown, with changes."""
        return raw(by, "PUT", self.users(f"/{user}"), json={**self.shown(user), **fields})

    def credentials(self, user: str) -> list[dict[str, Any]]:
        """What an account has to log in with, in order."""
        found: list[dict[str, Any]] = self.realm.admin.get(self.users(f"/{user}/credentials"))
        return found

    def administering(self, name: str) -> dict[str, Any]:
        """A role of ``realm-management``."""
        path = f"/clients/{self.realm.client('realm-management')}/roles/{name}"
        found: dict[str, Any] = self.realm.admin.get(self.realm.path(path))
        return found


def permit(realm: GuardedRealm, user: str, *groups: str) -> None:
    """Let somebody manage the members of groups, by fine-grained permissions.

    And see the way to them: Keycloak finds no group by its path whose parents one does not see.
    """
    path = realm.path(f"/clients/{realm.client('admin-permissions')}/authz/resource-server")
    policy = {"name": "county", "users": [user], "logic": "POSITIVE"}
    made = realm.admin.request("POST", f"{path}/policy/user", json=policy).json()
    managing = ["view", "view-members", "manage-members", "manage-membership"]
    for name, resources, scopes in (
        ("townships", groups, managing),
        ("the way to them", ("/机构", "/机构/140902-忻府区"), ["view"]),
    ):
        permission = {
            "name": name,
            "resourceType": "Groups",
            "resources": [realm.groups[group] for group in resources],
            "scopes": scopes,
            "policies": [made["id"]],
        }
        realm.admin.request("POST", f"{path}/permission/scope", json=permission)


@pytest.fixture(scope="module")
def _kept_delegation(
    keycloak_server: RunningKeycloak,
    keycloak_keys: dict[str, ec.EllipticCurvePrivateKey],
    rules_key: Ed25519PrivateKey,
) -> Iterator[Delegation]:
    name = f"guarded-delegated-{os.environ.get('PYTEST_XDIST_WORKER', 'kept')}"
    bare = describe_realm(keycloak_server, keycloak_keys, name)
    realm = build_guarded_realm(bare, rules_key)
    for parent, group, area in (
        (None, "机构", ""),
        ("/机构", "140902-忻府区", "140902"),
        ("/机构/140902-忻府区", "播明镇", "140902101"),
        ("/机构/140902-忻府区", "兰村乡", "140902102"),
        ("/机构", "140921-定襄县", "140921"),
        ("/机构/140921-定襄县", "季庄镇", "140921101"),
        (None, "运维", ""),
    ):
        realm.add_group(parent, group, area=area)
    realm.add_group(POWER, "下级")
    realm.admin.request("PUT", realm.path(""), json={"adminPermissionsEnabled": True})
    provider = {"alias": "other", "providerId": "oidc", "config": {"clientId": "x", "clientSecret": "x"}}
    realm.admin.request("POST", realm.path("/identity-provider/instances"), json=provider)
    county = realm.add_person()
    permit(realm, county, OWN, SECOND)
    found = Delegation(
        realm,
        county=realm.log_in(county, "query-users", "query-groups"),
        manager=realm.log_in(realm.add_person()),
        chief=realm.log_in(realm.add_person(), "realm-admin"),
    )
    carried = [found.administering("realm-admin")]
    path = f"/groups/{realm.groups[POWER]}/role-mappings/clients/{realm.client('realm-management')}"
    realm.admin.request("POST", realm.path(path), json=carried)
    yield found
    bare.close()


@pytest.fixture
def delegation(_kept_delegation: Delegation) -> Delegation:
    """The realm with its rules in force."""
    realm = _kept_delegation.realm
    realm.publish(groups={realm.groups[QUALIFIED]: QUALIFICATION})
    return _kept_delegation


BOTH: Final = pytest.mark.parametrize("who", ["county", "manager"])


# 1. Accounts that administrators make


@BOTH
def test_a_new_account_is_a_draft(delegation: Delegation, who: str) -> None:
    """Whatever the request says, it is made disabled: in the database, in every list and past the caches."""
    answer, name = delegation.made(
        delegation.acting(who), firstName="李四", attributes={"staff_no": ["00123"]}
    )

    assert answer.status_code == 201, answer.text
    (shown,) = delegation.found(name)
    seen = raw(delegation.acting(who), "GET", delegation.users(f"/{shown['id']}")).json()
    delegation.realm.sync.request("POST", delegation.realm.guard_path("clear-caches"))
    stored = delegation.shown(shown["id"])
    assert (shown["enabled"], seen["enabled"], stored["enabled"]) == (False, False, False)
    assert stored["attributes"] == {"staff_no": ["00123"]}
    assert stored["firstName"] == "李四"
    assert delegation.realm.groups_of(shown["id"]) == {delegation.realm.groups[OWN]}
    assert raw(delegation.realm.admin, "GET", delegation.users(f"?enabled=true&username={name}")).json() == []


@BOTH
@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("sx0000273", True),
        ("SX1", True),
        ("break-glass-1", True),
        ("service-account-nobody", True),
        ("ｓｘ0000273", True),
        ("sx１２", True),
        ("ſervice-account-x", True),
        ("sx1a", False),
        ("sx-", False),
        ("wangsx1", False),
        ("break-glass-10", False),
    ],
)
def test_names_that_are_kept(delegation: Delegation, who: str, name: str, kept: bool) -> None:
    """A draft does not take a name that is issued, or that means something: whose it is would not get it."""
    realm = delegation.realm
    realm.publish(protect={**realm.rules()["protect"], "user_names": ["sx#", "break-glass-1"]})

    answer, _ = delegation.made(delegation.acting(who), username=name)

    found = delegation.found(name.lower())
    if kept:
        assert_vetoed(answer, "user-name", 403, "另取用户名")
        assert found == []
    else:
        assert answer.status_code == 201, answer.text
        realm.admin.request("DELETE", delegation.users(f"/{found[0]['id']}"))


def test_without_rules_a_service_account_keeps_its_name(delegation: Delegation) -> None:
    """It is Keycloak's own form; what is issued only the rules say."""
    delegation.realm.wipe_rules()

    answer, _ = delegation.made(delegation.manager, username="service-account-somebody", groups=[])

    assert_vetoed(answer, "user-name", 403)
    assert delegation.found("service-account-somebody") == []


def test_others_make_accounts_as_before(delegation: Delegation) -> None:
    """The sync, and an administrator of the master realm, make them enabled."""
    for by in (delegation.realm.sync, delegation.realm.admin):
        answer, name = delegation.made(by)
        assert answer.status_code == 201, answer.text
        assert delegation.found(name)[0]["enabled"]


def test_an_imported_account_is_a_draft(delegation: Delegation) -> None:
    """An import runs in a session of its own: it makes drafts, too, and nothing keeps them enabled."""
    by = delegation.chief
    name = f"imported{next(_numbers)}"
    users = [{"username": name, "enabled": True, "groups": [OWN]}]
    body = {"ifResourceExists": "SKIP", "users": users}

    answer = raw(by, "POST", delegation.realm.path("/partialImport"), json=body)

    assert answer.status_code == 200, answer.text
    (shown,) = delegation.found(name)
    assert (shown["enabled"], delegation.shown(shown["id"])["enabled"]) == (False, False)


@BOTH
@pytest.mark.parametrize("attribute", ["person_id", "org_code"])
def test_a_draft_is_nobody_yet(delegation: Delegation, who: str, attribute: str) -> None:
    """Who somebody is and where they belong is not for the maker to say."""
    answer, name = delegation.made(delegation.acting(who), attributes={attribute: ["140902101"]})

    assert_vetoed(answer, "person-record", 403, "人事数据")
    assert delegation.found(name) == []


@pytest.mark.parametrize(
    "groups",
    [
        [],
        [FOREIGN],
        ["/没有这个组"],
        [OWN, FOREIGN],
        [FOREIGN, OWN],
        [OWN, DUTY],
        [OWN, ADMINISTRATORS],
        [OWN, QUALIFIED],
        [OWN, POWER],
        [OWN, "/机构"],
    ],
)
def test_groups_of_a_draft(delegation: Delegation, groups: list[str]) -> None:
    """By fine-grained permissions, an account is made in groups of one's own alone."""
    # Keycloak's check passes over groups that one does not see (500: its joining then fails).
    answer, name = delegation.made(delegation.county, groups=groups)

    assert answer.status_code in (403, 500), answer.text
    assert delegation.found(name) == []


@BOTH
def test_a_group_that_is_not_there(delegation: Delegation, who: str) -> None:
    """Keycloak's check passes over it, its joining does not: nothing is made, not even in the other group."""
    answer, name = delegation.made(delegation.acting(who), groups=[OWN, f"{OWN}/没有这个组"])

    assert answer.status_code >= 400
    assert delegation.found(name) == []


@pytest.mark.parametrize(
    ("group", "rule"),
    [
        (DUTY, "acting-not-entitled"),
        (ADMINISTRATORS, "acting-not-entitled"),
        (QUALIFIED, "qualification"),
        (POWER, "administration"),
        (f"{POWER}/下级", "administration"),
    ],
)
def test_groups_of_a_draft_past_permissions(delegation: Delegation, group: str, rule: str) -> None:
    """Whom Keycloak lets make accounts in any group, the guard judges as at a grant."""
    answer, name = delegation.made(delegation.manager, groups=[OWN, group])

    assert_vetoed(answer, rule, 403)
    assert delegation.found(name) == []


# 2. Enabling


@BOTH
def test_a_draft_is_not_enabled(delegation: Delegation, who: str) -> None:
    """Not by an administrator: it waits for the personnel data."""
    user = delegation.draft()

    answer = delegation.change(delegation.acting(who), user, enabled=True)
    bare = raw(delegation.acting(who), "PUT", delegation.users(f"/{user}"), json={"enabled": True})

    assert_vetoed(answer, "draft-enable", 403, "草稿", "quanheng accounts complete")
    assert_vetoed(bare, "draft-enable", 403)
    assert not delegation.shown(user)["enabled"]


@BOTH
def test_a_known_account_is_switched(delegation: Delegation, who: str) -> None:
    """That is what administrators are for."""
    user = delegation.managed()

    off = delegation.change(delegation.acting(who), user, enabled=False)
    between = delegation.shown(user)["enabled"]
    on = delegation.change(delegation.acting(who), user, enabled=True)

    assert (off.status_code, on.status_code) == (204, 204), off.text + on.text
    assert (between, delegation.shown(user)["enabled"]) == (False, True)


def test_the_sync_enables_a_draft(delegation: Delegation) -> None:
    """It has the personnel data."""
    user = delegation.draft()

    answer = raw(delegation.realm.sync, "PUT", delegation.users(f"/{user}"), json={"enabled": True})

    assert answer.status_code == 204, answer.text
    assert delegation.shown(user)["enabled"]


# 3. Deletion


@BOTH
@pytest.mark.parametrize("kind", ["draft", "managed"])
def test_accounts_are_not_deleted(delegation: Delegation, who: str, kind: str) -> None:
    """Not even what the administrator made by mistake."""
    user = delegation.draft() if kind == "draft" else delegation.managed()

    answer = raw(delegation.acting(who), "DELETE", delegation.users(f"/{user}"))

    assert_vetoed(answer, "account-removal", 403, "停用请关闭“启用”开关")
    assert delegation.shown(user)["id"] == user


@BOTH
def test_a_source_that_is_not_there(delegation: Delegation, who: str) -> None:
    """Keycloak deletes an account of a user storage that it does not find, at the next look at it."""
    user = delegation.managed()
    by = delegation.acting(who)

    answer = raw(by, "PUT", delegation.users(f"/{user}"), json={"federationLink": "nowhere"})
    made, name = delegation.made(by, federationLink="nowhere")

    assert_vetoed(answer, "account-source", 403, "请去掉该项后重试")
    assert_vetoed(made, "account-source", 403)
    delegation.realm.sync.request("POST", delegation.realm.guard_path("clear-caches"))
    assert delegation.shown(user)["id"] == user
    assert delegation.found(name) == []


# 4. Credentials

Ask = Callable[[Delegation, Connection, str], requests.Response]
PASSWORD: Final = {"type": "password", "value": SECRET, "temporary": False}
OTP: Final = {
    "type": "otp",
    "userLabel": "手机",
    "secretData": '{"value":"NEVERTOBESEEN"}',
    "credentialData": '{"subType":"totp","digits":6,"counter":0,"period":30,"algorithm":"HmacSHA1"}',
}


def asking(method: str, tail: str, body: Any = None, *, text: str | None = None) -> Ask:
    """A request about an account; ``{0}`` and ``{1}`` are its credentials."""

    def ask(delegation: Delegation, by: Connection, user: str) -> requests.Response:
        there = [credential["id"] for credential in delegation.credentials(user)]
        path = delegation.users(f"/{user}{tail.format(*there)}")
        if text is not None:
            headers = {"Authorization": f"Bearer {by._current_token().text}", "Content-Type": "text/plain"}
            return requests.request(method, f"{by.url}/{path}", data=text, headers=headers, timeout=30)
        return raw(by, method, path, json=body)

    return ask


WAYS: Final[dict[str, Ask]] = {
    "reset": asking("PUT", "/reset-password", PASSWORD),
    "reset for once": asking("PUT", "/reset-password", {**PASSWORD, "temporary": True}),
    "save with a password": asking("PUT", "", {"credentials": [PASSWORD]}),
    "save with a one-time password": asking("PUT", "", {"credentials": [{**OTP, "userLabel": "第二部手机"}]}),
    "remove": asking("DELETE", "/credentials/{0}"),
    "relabel": asking("PUT", "/credentials/{1}/userLabel", text="别的名称"),
    "to the front": asking("POST", "/credentials/{1}/moveToFirst"),
    "behind another": asking("POST", "/credentials/{0}/moveAfter/{1}"),
    "actions": asking("PUT", "", {"requiredActions": ["UPDATE_PASSWORD"]}),
    "mail of actions": asking("PUT", "/execute-actions-email", ["UPDATE_PASSWORD"]),
    "mail of a reset": asking("PUT", "/reset-password-email", []),
    "mail of a check": asking("PUT", "/send-verify-email"),
}


def with_credentials(delegation: Delegation) -> str:
    """A managed account that a master administrator gave a password and a one-time password."""
    user = delegation.managed()
    body = {"credentials": [{**PASSWORD, "value": "Given-before-1"}, OTP]}
    delegation.realm.admin.request("PUT", delegation.users(f"/{user}"), json=body)
    assert [credential["type"] for credential in delegation.credentials(user)] == ["password", "otp"]
    return user


@BOTH
@pytest.mark.parametrize("way", WAYS)
def test_credentials_are_nobodys_to_change(delegation: Delegation, who: str, way: str) -> None:
    """By whatever way: the answer says how people log in here, nothing is kept, and no secret is told."""
    user = with_credentials(delegation)
    before = (delegation.credentials(user), delegation.shown(user))

    answer = WAYS[way](delegation, delegation.acting(who), user)

    assert_vetoed(answer, "credentials", 403, "本系统以电子社保卡登录，管理员不得设置或重置口令")
    assert (delegation.credentials(user), delegation.shown(user)) == before
    (told, *_) = delegation.realm.vetoes(user)
    assert told["rule"] == "credentials"
    assert SECRET not in str(told)


def test_credentials_that_cannot_be_disabled(delegation: Delegation) -> None:
    """Keycloak disables none that it keeps itself: the request changes nothing, and so is let pass."""
    user = with_credentials(delegation)
    before = delegation.credentials(user)

    for kind in ("password", "otp"):
        asking("PUT", "/disable-credential-types", [kind])(delegation, delegation.county, user)

    assert delegation.credentials(user) == before


@BOTH
@pytest.mark.parametrize(
    "fields",
    [
        {"credentials": [PASSWORD]},
        {"credentials": [{**PASSWORD, "temporary": True}]},
        {"credentials": [OTP]},
        {"requiredActions": ["UPDATE_PASSWORD"]},
    ],
)
def test_a_draft_has_no_credentials(delegation: Delegation, who: str, fields: dict[str, Any]) -> None:
    """Whoever makes an account does not give it a way in."""
    answer, name = delegation.made(delegation.acting(who), **fields)

    assert_vetoed(answer, "credentials", 403)
    assert delegation.found(name) == []


@pytest.mark.parametrize(
    "path",
    [
        "{users}/{user}/credentials/{otp}/moveToFirst/",
        "{users}/{user}/credentials/{otp}/moveToFirst?a=/users/{user}/groups",
        # What Keycloak itself does not serve.
        "{users}/{user}/%63redentials/{otp}/moveToFirst",
        "{users}/{user}/credentials;a=b/{otp}/moveToFirst",
        "{users}//{user}//credentials/{otp}/moveToFirst",
        "{users}/{user}/groups/../credentials/{otp}/moveToFirst",
        "{users}/{user}/groups/%2e%2e/credentials/{otp}/moveToFirst",
    ],
)
def test_no_spelling_is_a_way_round(delegation: Delegation, path: str) -> None:
    """What makes no admin event is known by its path, however that is written."""
    user = with_credentials(delegation)
    before = delegation.credentials(user)
    by = delegation.county
    where = urlsplit(by.url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=30)
    users = f"{where.path}/{delegation.users()}"

    connection.request(
        "POST",
        path.format(users=users, user=user, otp=before[1]["id"]),
        headers={"Authorization": f"Bearer {by._current_token().text}"},
    )
    status = connection.getresponse().status
    connection.close()

    assert status >= 400
    assert delegation.credentials(user) == before


# 5. Names


@BOTH
@pytest.mark.parametrize(
    "fields",
    [
        {"firstName": "王五"},
        {"firstName": ""},
        {"attributes": {"staff_no": ["999"]}},
        {"attributes": {}},
        {"username": "somebody-else"},
    ],
)
def test_a_known_persons_name_stays(delegation: Delegation, who: str, fields: dict[str, Any]) -> None:
    """It is the personnel data's, like the staff number."""
    user = delegation.managed()
    before = delegation.shown(user)

    answer = delegation.change(delegation.acting(who), user, **fields)

    assert_vetoed(answer, "person-record", 403, "姓名", "请在人事数据中更正")
    assert delegation.shown(user) == before


@BOTH
def test_a_drafts_name_is_its_makers(delegation: Delegation, who: str) -> None:
    """Until the personnel data arrive, mistakes can be mended: name and staff number, not the user name."""
    user = delegation.draft()

    answer = delegation.change(
        delegation.acting(who), user, firstName="王五", attributes={"staff_no": ["00124"]}
    )
    renamed = delegation.change(delegation.acting(who), user, username="somebody-else")

    assert answer.status_code == 204, answer.text
    shown = delegation.shown(user)
    assert (shown["firstName"], shown["attributes"]) == ("王五", {"staff_no": ["00124"]})
    assert_vetoed(renamed, "person-record", 403)


def test_a_known_person_stays_in_place(delegation: Delegation) -> None:
    """Nobody of the realm takes a person out of an organisation, or puts one into another; a draft they may
    move, and it belongs to one."""
    manager, realm = delegation.manager, delegation.realm
    person, draft = delegation.managed(), delegation.draft()

    def tail(user: str, group: str) -> str:
        return delegation.users(f"/{user}/groups/{realm.groups[group]}")

    assert_vetoed(raw(manager, "PUT", tail(person, SECOND)), "person-place", 403, "以人事数据为准")
    assert_vetoed(raw(manager, "DELETE", tail(person, OWN)), "person-place", 403, "以人事数据为准")
    assert [item["path"] for item in realm.admin.get(delegation.users(f"/{person}/groups"))] == [OWN]
    assert_vetoed(raw(manager, "PUT", tail(draft, SECOND)), "person-place", 403, "只能属于一个机构组")
    assert raw(manager, "DELETE", tail(draft, OWN)).status_code == 204
    assert raw(manager, "PUT", tail(draft, SECOND)).status_code == 204


@BOTH
def test_a_draft_is_made_in_one_place(delegation: Delegation, who: str) -> None:
    """Not in two townships, though both were the maker's: nothing is made."""
    answer, name = delegation.made(delegation.acting(who), groups=[OWN, SECOND])

    assert_vetoed(answer, "person-place", 403, "只能属于一个机构组")
    assert delegation.found(name) == []


# 6. Links to identity providers


@BOTH
def test_links_are_the_syncs(delegation: Delegation, who: str) -> None:
    """To whatever provider: whoever links it to an account can log in as its person."""
    user, by = delegation.managed(), delegation.acting(who)
    link = {"identityProvider": "other", "userId": "mine", "userName": "mine"}
    delegation.realm.admin.request(
        "POST", delegation.users(f"/{delegation.draft()}/federated-identity/other"), json=link
    )
    linked = delegation.managed()
    delegation.realm.admin.request("POST", delegation.users(f"/{linked}/federated-identity/other"), json=link)

    put = raw(by, "POST", delegation.users(f"/{user}/federated-identity/other"), json=link)
    taken = raw(by, "DELETE", delegation.users(f"/{linked}/federated-identity/other"))
    made, name = delegation.made(by, federatedIdentities=[link])
    card = raw(by, "DELETE", delegation.users(f"/{user}/federated-identity/{CARD}"))

    for answer in (put, taken, made):
        assert_vetoed(answer, "identity-link", 403, "只能由同步服务维护")
    assert_vetoed(card, "card-link", 403)
    assert delegation.found(name) == []
    assert len(delegation.realm.admin.get(delegation.users(f"/{user}/federated-identity"))) == 1
    assert len(delegation.realm.admin.get(delegation.users(f"/{linked}/federated-identity"))) == 2


# 7. Power over the realm


def power(delegation: Delegation, user: str) -> set[str]:
    """Names of the ``realm-management`` roles that a user has by whatever way."""
    client = delegation.realm.client("realm-management")
    path = delegation.users(f"/{user}/role-mappings/clients/{client}/composite")
    return {role["name"] for role in delegation.realm.admin.get(path)}


def map_power(delegation: Delegation, by: Connection, path: str) -> requests.Response:
    """Somebody maps a role of ``realm-management`` to a user or a group: the raw answer."""
    path = f"{path}/role-mappings/clients/{delegation.realm.client('realm-management')}"
    return raw(by, "POST", delegation.realm.path(path), json=[delegation.administering("manage-users")])


@pytest.mark.parametrize("who", ["manager", "chief"])
@pytest.mark.parametrize("whose", ["own", "another's"])
def test_nobody_becomes_an_administrator(delegation: Delegation, who: str, whose: str) -> None:
    """CVE-2026-94000: not by a group that carries such a role, one below it, or a role that contains it."""
    realm, by = delegation.realm, delegation.acting(who)
    user = by.subject() if whose == "own" else delegation.managed()
    if not raw(realm.admin, "GET", realm.path("/roles/powerful")).ok:
        role = realm.add_role("powerful", "")
        inside = [delegation.administering("manage-users")]
        realm.admin.request("POST", realm.path(f"/roles-by-id/{role}/composites"), json=inside)
    powerful: str = realm.admin.get(realm.path("/roles/powerful"))["id"]
    before = power(delegation, user)

    for answer in (
        realm.join(by, user, realm.groups[POWER]),
        realm.join(by, user, realm.groups[f"{POWER}/下级"]),
        realm.grant(by, user, powerful),
    ):
        assert_vetoed(answer, "administration", 403, "realm-management")
    assert power(delegation, user) == before


def test_nobody_maps_power(delegation: Delegation) -> None:
    """Whom Keycloak lets map its roles, the guard does not; an administrator of the master realm may."""
    user = delegation.managed()

    refused = map_power(delegation, delegation.chief, f"/users/{user}")
    before = power(delegation, user)
    mapped = map_power(delegation, delegation.realm.admin, f"/users/{user}")

    assert_vetoed(refused, "administration", 403)
    assert before == set()
    assert mapped.status_code == 204, mapped.text


def test_no_group_gives_power_by_a_change(delegation: Delegation) -> None:
    """Nor by a role put on a group, nor by a group put below one that carries it."""
    realm, own = delegation.realm, delegation.realm.groups[OWN]

    carried = map_power(delegation, delegation.chief, f"/groups/{own}")
    moved = raw(
        delegation.manager,
        "POST",
        realm.path(f"/groups/{realm.groups[POWER]}/children"),
        json={"id": own, "name": OWN.rsplit("/", 1)[-1]},
    )

    assert_vetoed(carried, "administration", 403)
    assert_vetoed(moved, "administration", 403)
    assert realm.admin.get(realm.path(f"/groups/{own}"))["path"] == OWN
    assert realm.admin.get(realm.path(f"/groups/{own}/role-mappings")) == {}


def test_no_role_gives_power_by_a_change(delegation: Delegation) -> None:
    """Roles are not for whoever manages users: Keycloak itself refuses."""
    realm = delegation.realm
    default = realm.admin.get(realm.path(""))["defaultRole"]["id"]

    answer = raw(
        delegation.manager,
        "POST",
        realm.path(f"/roles-by-id/{default}/composites"),
        json=[delegation.administering("manage-users")],
    )

    assert answer.status_code == 403, answer.text


def test_power_that_comes_with_a_duty(delegation: Delegation) -> None:
    """Administrators' posts contain roles for the console: who may grant the post grants them with it."""
    realm = delegation.realm
    console = delegation.administering("query-users")
    inside = [realm.roles[PERMISSION], console["id"]]
    realm.publish(protect={**realm.rules()["protect"], "composites": {realm.roles["handler"]: inside}})
    composites = realm.path(f"/roles-by-id/{realm.roles['handler']}/composites")
    realm.admin.request("POST", composites, json=[console])
    granter = realm.log_in(realm.add_person("business-admin"))
    user = delegation.managed()
    try:
        granted = realm.join(granter, user, realm.duty("handler"))
        refused = realm.join(delegation.manager, user, realm.duty("handler", "140921"))
        assert granted.status_code == 204, granted.text
        assert_vetoed(refused, "acting-not-entitled", 403)
        assert "query-users" in power(delegation, user)
    finally:
        realm.admin.request("DELETE", composites, json=[console])


# 8. Groups


@pytest.mark.parametrize(
    ("method", "tail", "body"),
    [
        ("PUT", "", {"name": "别的名称"}),
        ("PUT", "", {"name": "播明镇", "attributes": {"org_code": ["140921101"]}}),
        ("PUT", "", {"name": "播明镇", "attributes": {"note": ["x"]}}),
        ("POST", "/children", {"name": "新组"}),
        ("DELETE", "", None),
    ],
)
def test_groups_are_keycloaks_to_refuse(delegation: Delegation, method: str, tail: str, body: Any) -> None:
    """Without the scope ``manage`` on a group, one's own is neither renamed, changed, filled nor deleted."""
    realm = delegation.realm
    path = realm.path(f"/groups/{realm.groups[OWN]}")
    before = realm.admin.get(path)

    answer = raw(delegation.county, method, path + tail, json=body)

    assert answer.status_code == 403, answer.text
    assert realm.admin.get(path) == before


@pytest.mark.parametrize("into", [None, SECOND, FOREIGN])
def test_groups_are_not_moved(delegation: Delegation, into: str | None) -> None:
    """Neither to the top nor below another group, the own one included."""
    realm = delegation.realm
    tail = f"/groups/{realm.groups[into]}/children" if into else "/groups"
    body = {"id": realm.groups[OWN], "name": "播明镇"}

    answer = raw(delegation.county, "POST", realm.path(tail), json=body)

    assert answer.status_code == 403, answer.text
    assert realm.admin.get(realm.path(f"/groups/{realm.groups[OWN]}"))["path"] == OWN


# Without rules


def test_without_rules_nothing_opens(delegation: Delegation) -> None:
    """What needs no rules to be told is refused all the same."""
    realm, by = delegation.realm, delegation.manager
    user, draft = delegation.managed(), delegation.draft()
    realm.wipe_rules()
    try:
        assert not realm.status()["valid"]
        made, name = delegation.made(by, groups=[])
        assert made.status_code == 201, made.text
        assert not delegation.found(name)[0]["enabled"]
        assert_vetoed(delegation.change(by, draft, enabled=True), "draft-enable", 403)
        assert_vetoed(delegation.change(by, user, firstName="王五"), "person-record", 403)
        assert_vetoed(delegation.change(by, draft, attributes={"org_code": ["140921"]}), "person-record", 403)
        assert_vetoed(WAYS["reset"](delegation, by, user), "credentials", 403)
        assert_vetoed(WAYS["mail of actions"](delegation, by, user), "credentials", 403)
        assert_vetoed(raw(by, "DELETE", delegation.users(f"/{draft}")), "account-removal", 403)
        assert_vetoed(map_power(delegation, delegation.chief, f"/users/{user}"), "administration", 403)
        assert_vetoed(realm.join(by, user, realm.groups[POWER]), "rules-missing", 409)
    finally:
        realm.publish()
