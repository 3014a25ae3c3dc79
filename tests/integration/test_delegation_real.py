"""The administrators' permissions on a real Keycloak: written, found changed, set right, and read for what
they let whom do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fixtures.guard import PASSWORD
from fixtures.watched_realm import CHIEF, HANDLER, OFFICE, WatchedRealm
from fixtures.world import BUREAU, OTHER_VILLAGE, World
from quanheng.delegation.comparing import Deed
from quanheng.delegation.evaluating import Power
from quanheng.delegation.powers import CauseKind
from quanheng.keycloak.clients import close_configurator, open_configurator
from quanheng.keycloak.permissions_rest import RestPermissions
from quanheng.keycloak.rest import CONFIGURATOR_CLIENT, RestRealm
from quanheng.model.finding import FindingKind
from quanheng.model.ids import KeycloakId
from quanheng.model.permission import GROUPS
from quanheng.operations.answering.powers import read_powers
from quanheng.operations.check import check
from quanheng.operations.delegating import apply_delegation
from quanheng.operations.refresh import read_live

FEW: Final = 20
"""Requests, for tokens too, when there is nothing to do."""
TOWN: Final = "/机构/14-山西省/1409-忻州市/140902-忻府区/140902001-南城街道"
OTHER_TOWN: Final = "/机构/14-山西省/1409-忻州市/140921-定襄县/140921001-晋昌镇"
GRANTER: Final = "B00001"
"""业务管理员 of 忻府区."""


@dataclass
class Permitted:
    """A realm whose permissions are written, and the way to them."""

    watched: WatchedRealm
    base: str

    @property
    def world(self) -> World:
        """The world over it."""
        return self.watched.world

    def get(self, tail: str, **params: Any) -> Any:
        """Read something of the permissions."""
        return self.watched.admin.get(f"{self.base}/{tail}", **params)

    def send(self, method: str, tail: str, body: Any = None) -> None:
        """Change something of them, as the console does."""
        self.watched.admin.send(method, f"{self.base}/{tail}", body)

    def named(self, kind: str, name: str) -> Any:
        """A policy or permission by its name."""
        return next(item for item in self.get(kind, name=name, fields="*") if item["name"] == name)

    def permission(self, name: str, policy: str, *groups: str, scope: str = "manage-members") -> None:
        """Somebody makes a permission; without groups, about all."""
        body = {
            "name": name,
            "resourceType": "Groups",
            "resources": [self.watched.ids[path] for path in groups],
            "scopes": [scope],
            "policies": [policy],
        }
        self.send("POST", "permission/scope", body)

    def permissions(self) -> list[str]:
        """Subjects of what check says of permissions."""
        found = check(self.world.context).findings
        return [item.subject for item in found if item.kind is FindingKind.ADMIN_PERMISSION]


@pytest.fixture(scope="module")
def permitted(make_watched: Callable[..., WatchedRealm]) -> Permitted:
    """忻府区 with both administrators, and the permissions that the sync wrote."""

    def hire(world: World) -> None:
        world.hire(BUREAU, "业务管理员", staff_no=GRANTER)
        world.hire(OTHER_VILLAGE)

    watched = make_watched("delegation", Ed25519PrivateKey.generate(), hire)
    client = watched.client("admin-permissions")
    return Permitted(watched, f"/clients/{client}/authz/resource-server")


@pytest.fixture
def clean(permitted: Permitted) -> Iterator[Permitted]:
    """Before a test as it should be; after it too, whatever it did."""
    assert apply_delegation(permitted.world.context, None).changes == ()
    yield permitted
    for kind in ("permission", "policy"):
        for item in permitted.get(kind, max=200, **({"permission": "false"} if kind == "policy" else {})):
            if not item["name"].startswith("qh:"):
                permitted.send("DELETE", f"{kind}/{item['id']}")
    apply_delegation(permitted.world.context, None)


def asked(permitted: Permitted, username: str, tail: str) -> int:
    """What somebody who logged in is answered."""
    watched = permitted.watched
    realm = watched.world.settings.keycloak.realm
    answer = requests.post(
        f"{watched.server.url}/realms/{realm}/protocol/openid-connect/token",
        data={"grant_type": "password", "client_id": "tokens", "username": username, "password": PASSWORD},
        timeout=30,
    )
    token = answer.json()["access_token"]
    return requests.get(
        f"{watched.server.url}/admin/realms/{realm}/{tail}",
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    ).status_code


def test_nothing_changed_takes_few_requests(clean: Permitted) -> None:
    """Written by the sync, and found as written: no change, few requests, and none that writes."""
    real = clean.watched.real
    requests, writes = real.requests, real.writes
    done = apply_delegation(clean.world.context, None)
    assert (done.changes, done.foreign, done.waiting) == ((), (), frozenset())
    assert real.requests - requests <= FEW
    assert real.writes - writes == 1  # the export, which is asked for by POST
    assert clean.permissions() == []


def test_both_ways_of_reading_agree(clean: Permitted) -> None:
    """Who may export the realm reads in a handful of requests what the daily client reads one by one."""
    realm = clean.watched.real.realm
    clean.permission("foreign", "qh:administrators", TOWN)
    by_export = realm.permissions.read()
    asked = realm.connection.counter.total
    by_listing = RestPermissions(realm.connection, None).read()
    assert by_export is not None
    assert by_export == by_listing
    pages = 6
    assert realm.connection.counter.total - asked <= len(by_export.permissions) + pages


def test_a_drift_is_found_and_set_right(clean: Permitted) -> None:
    """A permission deleted and another one's policy widened in the console: both told, both set right."""
    name = next(item["name"] for item in clean.get("permission", max=200) if "system_admin" in item["name"])
    clean.send("DELETE", f"permission/{clean.named('permission', name)['id']}")
    policy = clean.named("policy", "qh:140902.business_admin")
    groups = [{"id": clean.watched.ids[path], "extendChildren": False} for path in (OFFICE, HANDLER)]
    body = {"id": policy["id"], "name": policy["name"], "logic": "POSITIVE", "groups": groups}
    clean.send("PUT", f"policy/group/{policy['id']}", body)
    told = set(clean.permissions())
    assert {name, "qh:140902.business_admin"} <= told
    done = apply_delegation(clean.world.context, None)
    assert {(change.deed, change.name) for change in done.changes} == {
        (Deed.CREATE, name),
        (Deed.UPDATE, "qh:140902.business_admin"),
    }
    assert clean.permissions() == []


def test_a_negative_policy_is_everybody_else(clean: Permitted) -> None:
    """Logic turned round in the console: told once, with all who gain by it."""
    policy = clean.named("policy", "qh:140902.business_admin")
    found = [{"id": clean.watched.ids[OFFICE], "extendChildren": False}]
    body = {"id": policy["id"], "name": policy["name"], "logic": "NEGATIVE", "groups": found}
    clean.send("PUT", f"policy/group/{policy['id']}", body)
    report = read_powers(clean.world.context)
    (one,) = {gain.cause for gain in report.realm.gains}
    assert (one.kind, one.name) == (CauseKind.POLICY, "qh:140902.business_admin")
    gain = report.realm.gains[0]
    assert gain.anybody
    everybody = {user.id for user in read_live(clean.watched.real.realm).users.values()}
    chief = clean.watched.ids[CHIEF]
    assert {user.id for user in gain.users} == everybody - {chief}


def test_powers_are_what_the_server_answers(clean: Permitted) -> None:
    """Evaluated as Keycloak does: without policies nothing is given or denied; by one policy of two nothing;
    what another permission about the same group gives is denied to both."""
    watched = clean.watched
    watched.open_for_passwords("tokens", watched.ids[CHIEF])
    chief = watched.world.user(CHIEF)
    own, other = watched.ids[TOWN], watched.ids[OTHER_TOWN]

    def agree(name: str, *policies: str, about: tuple[str, ...]) -> tuple[bool, bool]:
        """With one more permission to see the members of towns: whether the chief sees the own and the
        other."""
        body = {"name": name, "resourceType": "Groups", "resources": about, "scopes": ["view-members"]}
        clean.send("POST", "permission/scope", {**body, "policies": policies})
        account = read_powers(clean.world.context).find(str(chief.username))
        assert account is not None
        seen = []
        for group in (own, other):
            answer = asked(clean, str(chief.username), f"groups/{group}/members") == 200
            assert (Power(GROUPS, "view-members", KeycloakId(group)) in account.powers) is answer
            seen.append(answer)
        clean.send("DELETE", f"permission/{clean.named('permission', name)['id']}")
        return seen[0], seen[1]

    mine, others = "qh:140902.system_admin", "qh:14.system_admin"
    assert agree("empty", about=(own, other)) == (True, False)
    assert agree("two", mine, others, about=(own,)) == (False, False)
    assert agree("same", mine, about=(own,)) == (True, False)
    assert agree("another's", others, about=(own,)) == (False, False)


def test_the_answer_takes_one_request_per_permission(clean: Permitted) -> None:
    """With the daily client alone; the realm itself, and a few pages, beside it."""
    watched = clean.watched
    realm = watched.real.realm
    start = realm.connection.counter.total
    observed = read_live(realm)
    alone = realm.connection.counter.total - start
    known = realm.permissions.read()
    assert known is not None
    daily = RestRealm(realm.connection)
    context = watched.world.open(make_realm=lambda _: daily)
    start = realm.connection.counter.total
    report = read_powers(context)
    assert not report.has_surplus
    assert realm.connection.counter.total - start <= alone + len(known.permissions) + 8
    assert {account.user.username for account in report.realm.accounts} >= {
        observed.users[KeycloakId(watched.ids[CHIEF])].username,
        observed.users[KeycloakId(watched.ids[GRANTER])].username,
    }


def test_keycloaks_own_client_is_no_stranger(clean: Permitted) -> None:
    """admin-permissions comes with the realm's setting: it is no foreign client. It may have an account of
    its own, and has none."""
    watched = clean.watched
    assert not [gap for gap in check(clean.world.context).configuration if "admin-permissions" in gap.where]
    accounts = {
        user.username for user in read_live(watched.real.realm).users.values() if user.service_account
    }
    assert "service-account-admin-permissions" not in accounts


def test_a_configurator_that_was_closed_meanwhile(clean: Permitted) -> None:
    """Whoever still takes it for open reads through the daily client."""
    realm = clean.watched.real.realm
    known = realm.permissions.read()
    admin = clean.watched.admin.connection
    close_configurator(admin, CONFIGURATOR_CLIENT)
    try:
        assert realm.can_import
        assert realm.permissions.read() == known
    finally:
        open_configurator(admin, CONFIGURATOR_CLIENT)
