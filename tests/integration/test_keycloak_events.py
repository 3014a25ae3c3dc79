"""What a real Keycloak tells of each kind of change, and what we read again because of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from fixtures.servers_keycloak import KeycloakRealm
from quanheng.keycloak.events import Affected, affected
from quanheng.keycloak.rest import RestRealm
from quanheng.model.ids import KeycloakId, RoleName, Username
from quanheng.model.realm import FederatedIdentity, NewUser


@dataclass
class Console:
    """A realm with a person, two groups and a client, and an administrator who changes it by hand."""

    made: KeycloakRealm
    realm: RestRealm
    user: KeycloakId
    top: KeycloakId
    group: KeycloakId

    def send(self, method: str, tail: str, body: Any = None) -> Any:
        """A request of the master realm's administrator."""
        admin = self.made.admin()
        answer = admin.request(method, admin.realm_path(tail), json=body)
        return answer.json() if answer.content else None

    def role(self, name: str) -> Any:
        """A realm role."""
        return self.send("GET", f"/roles/{name}")

    def client(self, name: str) -> str:
        """Internal id of a client."""
        return str(self.send("GET", f"/clients?clientId={name}")[0]["id"])

    def client_role(self, client: str, name: str) -> Any:
        """A role of a client."""
        return self.send("GET", f"/clients/{self.client(client)}/roles/{name}")

    def told_of(self, change: Callable[[Console], object]) -> Affected:
        """What must be read again because of a change."""
        self.send("DELETE", "/admin-events")
        change(self)
        since = self.realm.read_server_time() - timedelta(minutes=1)
        return affected(self.realm.read_admin_events(since))


@pytest.fixture
def console(keycloak_realm: KeycloakRealm) -> Console:
    """A small realm, ready to be tampered with."""
    realm = keycloak_realm.rest()
    top = realm.create_group(None, "岗位", {}, frozenset())
    group = realm.create_group(top, "经办人员", {}, frozenset({RoleName("post-handler")}))
    user = realm.create_user(
        NewUser(
            username=Username("sx0000001"),
            enabled=True,
            name="张三",
            attributes={},
            groups=(("岗位", "经办人员"),),
            identities=frozenset({FederatedIdentity("social-card", "one", "")}),
        )
    )
    return Console(keycloak_realm, realm, user, top, group)


def _user(path: str, method: str = "PUT", body: Any = None) -> Callable[[Console], object]:
    return lambda c: c.send(method, f"/users/{c.user}{path.format(c=c)}", body)


CHANGES_OF_A_USER: dict[str, Callable[[Console], object]] = {
    "fields": _user("", body={"username": "sx0000001", "enabled": False, "firstName": "李四"}),
    "renamed": _user("", body={"username": "renamed"}),
    "joined": _user("/groups/{c.top}"),
    "left": _user("/groups/{c.group}", "DELETE"),
    "given a role": lambda c: c.send(
        "POST", f"/users/{c.user}/role-mappings/realm", [c.role("post-operator")]
    ),
    "given a client's role": lambda c: c.send(
        "POST",
        f"/users/{c.user}/role-mappings/clients/{c.client('realm-management')}",
        [c.client_role("realm-management", "view-users")],
    ),
    "default role taken": lambda c: c.send(
        "DELETE", f"/users/{c.user}/role-mappings/realm", [c.role(c.realm.default_role)]
    ),
    "unlinked": _user("/federated-identity/social-card", "DELETE"),
    "linked": _user("/federated-identity/another", "POST", {"userId": "x", "userName": "x"}),
    "password": _user("/reset-password", body={"type": "password", "value": "Long-enough-1"}),
    "logged out": _user("/logout", "POST"),
    "deleted": _user("", "DELETE"),
}


@pytest.mark.parametrize("change", CHANGES_OF_A_USER)
def test_change_of_a_user(console: Console, change: str) -> None:
    """Whatever is done to a user by hand, that user is read again, and no other."""
    told = console.told_of(CHANGES_OF_A_USER[change])

    by_group = frozenset({console.user}) if change in ("joined", "left") else frozenset[KeycloakId]()
    assert told == Affected(users=frozenset({console.user}), memberships=by_group)


def test_user_made_by_hand(console: Console) -> None:
    """A user made in the console, in groups or not, is read."""
    body = {"username": "by-hand", "enabled": True, "groups": ["/岗位/经办人员"]}
    told = console.told_of(lambda c: c.send("POST", "/users", body))

    made = console.realm.find_user(Username("by-hand"))
    assert made is not None
    assert told == Affected(users=frozenset({made.id}))


def test_imported_users(console: Console) -> None:
    """Users of a partial import are read one by one; our own import is not read again."""
    users = [{"username": f"import-{number}", "enabled": True} for number in range(2)]
    told = console.told_of(
        lambda c: c.send("POST", "/partialImport", {"ifResourceExists": "SKIP", "users": users})
    )
    found = [console.realm.find_user(Username(user["username"])) for user in users]
    assert told == Affected(users=frozenset(user.id for user in found if user is not None))
    assert len(told.users) == 2

    console.send("DELETE", "/admin-events")
    new = NewUser(
        username=Username("sx0000002"),
        enabled=True,
        name="李",
        attributes={},
        groups=(),
        identities=frozenset(),
    )
    imported = console.realm.import_users([new])
    events = list(console.realm.read_admin_events(console.realm.read_server_time() - timedelta(minutes=1)))
    assert affected(events) == Affected(users=frozenset(imported.values()))
    assert affected(events, known_actors=console.realm.own_actors) == Affected()


def _group_roles(method: str, role: str) -> Callable[[Console], object]:
    return lambda c: c.send(method, f"/groups/{c.group}/role-mappings/realm", [c.role(role)])


CHANGES_OF_A_GROUPS_ROLES: dict[str, Callable[[Console], object]] = {
    "given": _group_roles("POST", "post-operator"),
    "taken": _group_roles("DELETE", "post-handler"),
    "given a client's": lambda c: c.send(
        "POST",
        f"/groups/{c.group}/role-mappings/clients/{c.client('realm-management')}",
        [c.client_role("realm-management", "manage-users")],
    ),
}


@pytest.mark.parametrize("change", CHANGES_OF_A_GROUPS_ROLES)
def test_roles_of_a_group(console: Console, change: str) -> None:
    """A role that enters or leaves a group has that group read again."""
    assert console.told_of(CHANGES_OF_A_GROUPS_ROLES[change]) == Affected(groups=frozenset({console.group}))


def test_group_at_the_top(console: Console) -> None:
    """A new group at the top is read by itself."""
    told = console.told_of(lambda c: c.send("POST", "/groups", {"name": "其他"}))

    made = next(key for key, group in console.realm.read_groups().items() if group.path == ("其他",))
    assert told == Affected(groups=frozenset({made}))


CHANGES_OF_THE_TREE: dict[str, Callable[[Console], object]] = {
    "subgroup": lambda c: c.send("POST", f"/groups/{c.group}/children", {"name": "下级"}),
    "renamed": lambda c: c.send("PUT", f"/groups/{c.top}", {"name": "改名"}),
    "moved to the top": lambda c: c.send("POST", "/groups", {"id": c.group, "name": "经办人员"}),
}


@pytest.mark.parametrize("change", CHANGES_OF_THE_TREE)
def test_tree(console: Console, change: str) -> None:
    """What may change the paths of other groups has all groups read again."""
    assert console.told_of(CHANGES_OF_THE_TREE[change]) == Affected(all_groups=True)


CHANGES_OF_ROLES: dict[str, Callable[[Console], object]] = {
    "made": lambda c: c.send("POST", "/roles", {"name": "foreign"}),
    "put into a composite": lambda c: c.send(
        "POST", "/roles/post-handler/composites", [c.role("post-operator")]
    ),
    "put into a composite by id": lambda c: c.send(
        "POST", f"/roles-by-id/{c.role('post-handler')['id']}/composites", [c.role("post-operator")]
    ),
    "a client's, made": lambda c: c.send(
        "POST", f"/clients/{c.client('account')}/roles", {"name": "foreign"}
    ),
    "a client's, made composite": lambda c: c.send(
        "POST",
        f"/clients/{c.client('account')}/roles/view-profile/composites",
        [c.role("post-operator")],
    ),
}


@pytest.mark.parametrize("change", CHANGES_OF_ROLES)
def test_roles(console: Console, change: str) -> None:
    """A new role, or one that enters a composite, has the roles read again."""
    told = console.told_of(CHANGES_OF_ROLES[change])
    if change.startswith("a client's"):  # left by this test alone, since the client is Keycloak's own
        for name in ("foreign", "view-profile"):
            _undo_client_role(console, name)

    assert told == Affected(roles=True)


def _undo_client_role(console: Console, name: str) -> None:
    path = f"/clients/{console.client('account')}/roles"
    roles = {role["name"] for role in console.send("GET", path)}
    if name == "foreign" and name in roles:
        console.send("DELETE", f"{path}/foreign")
    elif name == "view-profile":
        console.send("DELETE", f"{path}/{name}/composites", console.send("GET", f"{path}/{name}/composites"))


CHANGES_OF_EVERYTHING: dict[str, Callable[[Console], object]] = {
    "group deleted": lambda c: c.send("DELETE", f"/groups/{c.top}"),
    "role renamed": lambda c: c.send(
        "PUT", "/roles/post-handler", {**c.role("post-handler"), "name": "renamed"}
    ),
    "role deleted": lambda c: c.send("DELETE", "/roles/post-handler"),
    "client deleted": lambda c: c.send("DELETE", f"/clients/{c.client('quanheng-cli')}"),
    "identity provider deleted": lambda c: c.send("DELETE", "/identity-provider/instances/social-card"),
}


@pytest.mark.parametrize("change", CHANGES_OF_EVERYTHING)
def test_everything(console: Console, change: str) -> None:
    """What takes something from holders who are not named has everything read again."""
    assert console.told_of(CHANGES_OF_EVERYTHING[change]).everything


CHANGES_OF_CONFIGURATION: dict[str, Callable[[Console], object]] = {
    "realm": lambda c: c.send("PUT", "", {"displayName": "改名"}),
    "user profile": lambda c: c.send(
        "PUT", "/users/profile", {**c.send("GET", "/users/profile"), "unmanagedAttributePolicy": "ENABLED"}
    ),
    "client": lambda c: c.send("POST", "/clients", {"clientId": "foreign"}),
    "default group": lambda c: c.send("PUT", f"/default-groups/{c.top}"),
    "required action": lambda c: c.send(
        "PUT",
        "/authentication/required-actions/UPDATE_PROFILE",
        c.send("GET", "/authentication/required-actions/UPDATE_PROFILE"),
    ),
    "flow": lambda c: c.send("POST", "/authentication/flows/browser/copy", {"newName": "mine"}),
}


@pytest.mark.parametrize("change", CHANGES_OF_CONFIGURATION)
def test_configuration(console: Console, change: str) -> None:
    """Settings are told of as settings, and have nothing of the mirror read again; but for those of the realm
    itself, which switch events off."""
    told = console.told_of(CHANGES_OF_CONFIGURATION[change])
    if change == "default group":
        console.send("DELETE", f"/default-groups/{console.top}")
    if change == "flow":
        flows = console.send("GET", "/authentication/flows")
        copied = next(flow["id"] for flow in flows if flow["alias"] == "mine")
        console.send("DELETE", f"/authentication/flows/{copied}")

    assert told == Affected(configuration=True, everything=change == "realm")


def test_a_client_renamed(console: Console) -> None:
    """With a client's name the names of its roles change, so roles are read again."""
    console.send("POST", "/clients", {"clientId": "before"})
    client = console.client("before")

    told = console.told_of(lambda c: c.send("PUT", f"/clients/{client}", {"clientId": "after"}))

    assert told == Affected(configuration=True, roles=True)
