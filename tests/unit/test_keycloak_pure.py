"""The deciding parts of the keycloak room, without any server."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from quanheng.keycloak.compare import Difference, differences, merged
from quanheng.keycloak.configuration_files import configuration_folder
from quanheng.keycloak.connection import Connection
from quanheng.keycloak.credentials import AdminPassword
from quanheng.keycloak.events import Affected, affected
from quanheng.keycloak.group_paths import GroupPaths
from quanheng.keycloak.new_user import _MAX_VALUES
from quanheng.keycloak.representation import client_role, event_of, new_user_body, realm_role
from quanheng.model.ids import KeycloakId, Username
from quanheng.model.realm import AdminEvent, NewUser, RealmGroup
from quanheng.model.sensitive import Sensitive


def event(kind: str, operation: str, path: str, actor: str = "somebody") -> AdminEvent:
    """An admin event."""
    return AdminEvent(
        id="1",
        at=datetime(2024, 5, 1, tzinfo=UTC),
        operation=operation,
        resource_type=kind,
        resource_path=path,
        actor_realm="master",
        actor_client="console",
        actor_user=actor,
    )


@pytest.mark.parametrize(
    ("kind", "operation", "path"),
    [
        ("SOMETHING_NEW", "CREATE", "users/1"),
        ("USER", "UPDATE", "elsewhere/1"),
        ("REALM_ROLE_MAPPING", "CREATE", "elsewhere/1/role-mappings/realm"),
        ("GROUP", "ACTION", "groups/1"),
        ("REALM", "CREATE", "groups/1"),
        ("REALM", "DELETE", ""),
        ("COMPONENT", "CREATE", "components/1"),
        ("REALM_ROLE", "DELETE", "roles/x"),
    ],
)
def test_unknown_means_everything(kind: str, operation: str, path: str) -> None:
    """What is not known to be harmless has everything read again."""
    assert affected([event(kind, operation, path)]).everything


def test_events_add_up() -> None:
    """Several events have all they name read again; our own users and groups are known already."""
    events = [
        event("USER", "UPDATE", "users/1"),
        event("GROUP_MEMBERSHIP", "CREATE", "users/2/groups/3"),
        event("REALM_ROLE_MAPPING", "CREATE", "groups/4/role-mappings/realm"),
        event("USER", "UPDATE", "users/5", actor="us"),
        event("GROUP", "CREATE", "groups/6/children", actor="us"),
        event("REALM_ROLE", "CREATE", "roles/x", actor="us"),
    ]

    assert affected(events, known_actors=frozenset({"us"})) == Affected(
        users=frozenset({KeycloakId("1"), KeycloakId("2")}),
        memberships=frozenset({KeycloakId("2")}),
        groups=frozenset({KeycloakId("4")}),
        roles=True,
    )


def test_memberships_alone() -> None:
    """Whoever had anything else changed, by any of several events, is read whole."""
    joined = [event("GROUP_MEMBERSHIP", "CREATE", f"users/{user}/groups/3") for user in "12"]
    mapped = event("REALM_ROLE_MAPPING", "CREATE", "users/1/role-mappings/realm")
    for told in (affected([mapped, *joined]), affected(joined) | affected([mapped])):
        assert (told.users, told.memberships) == ({"1", "2"}, {"2"})


def test_the_realm_was_saved() -> None:
    """By somebody else: events may have been off between two looks, so everything is read. By us: settings
    alone."""
    for actor, everything in (("them", True), ("us", False)):
        told = affected([event("REALM", "UPDATE", "", actor=actor)], known_actors=frozenset({"us"}))
        assert told == Affected(configuration=True, everything=everything)


@pytest.mark.parametrize(
    ("kind", "operation", "expected"),
    [
        ("QUANHENG_GUARD", "ACTION", Affected()),
        ("CLIENT", "CREATE", Affected(configuration=True)),
        ("CLIENT", "UPDATE", Affected(configuration=True, roles=True)),
        ("CLIENT", "DELETE", Affected(everything=True)),
        ("PROTOCOL_MAPPER", "CREATE", Affected(configuration=True)),
    ],
)
def test_what_else_is_told(kind: str, operation: str, expected: Affected) -> None:
    """A veto changed nothing; a client may have been renamed, and its roles with it."""
    assert affected([event(kind, operation, "users/1")]) == expected


def test_details_of_vetoes_alone_are_taken_in() -> None:
    """Representations of Keycloak's own events hold personal data."""
    body = {"id": "1", "time": 0, "operationType": "ACTION", "representation": '{"kind":"veto"}'}
    assert event_of({**body, "resourceType": "QUANHENG_GUARD"}).detail == '{"kind":"veto"}'
    assert event_of({**body, "resourceType": "USER"}).detail == ""
    assert event_of({"id": "1", "time": 0, "resourceType": "QUANHENG_GUARD"}).detail == ""


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_names_of_roles_are_unambiguous(one: tuple[str, str], other: tuple[str, str]) -> None:
    """No role of the realm or of a client passes for another, whatever slashes its name has."""
    assert (client_role(*one) == client_role(*other)) == (one == other)
    assert client_role(*one) != realm_role("/".join(other))
    assert (realm_role(one[0]) == realm_role(other[0])) == (one[0] == other[0])
    assert client_role("jiujinban", "service_query") == "jiujinban/service_query"


def test_groups_are_joined_in_order() -> None:
    """A new user's groups are sent in the order in which they are to be joined."""
    names = ["资格", "机构", "岗位"]
    with Connection("http://127.0.0.1:9", "x", AdminPassword("x", Sensitive("x"))) as nowhere:
        paths = GroupPaths(nowhere)
        paths.learn(RealmGroup(id=KeycloakId(name), path=(name,)) for name in sorted(names))
        user = NewUser(
            username=Username("sx0000001"),
            enabled=True,
            name="张三",
            attributes={},
            groups=tuple((name,) for name in names),
            identities=frozenset(),
        )
        body = new_user_body(user, paths.texts(user.groups))
    assert body["groups"] == [f"/{name}" for name in names]


_json = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
_object = st.dictionaries(st.text(max_size=3), _json, max_size=4)


@given(found=_object, wanted=_object)
def test_merged_differs_no_more(found: dict[str, object], wanted: dict[str, object]) -> None:
    """What is wanted, put into what is there, leaves no difference, and the rest as it was."""
    result = merged(found, wanted)

    assert list(differences("x", wanted, result)) == []
    assert {key: value for key, value in result.items() if key not in wanted} == {
        key: value for key, value in found.items() if key not in wanted
    }


def test_difference_names_the_place() -> None:
    """A difference says where, what was wanted and what was found; off and left out are the same."""
    wanted = {"a": {"b": "1"}, "list": ["x", "y"], "off": False}
    found = {"a": {"b": "2", "other": "3"}, "list": ["y", "x"]}

    assert list(differences("realm", wanted, found)) == [Difference("realm.a.b", "1", "2")]


@pytest.mark.parametrize(
    ("flows", "told"),
    [
        (None, []),
        ({}, []),
        ({"browser": "", "direct_grant": None}, []),
        ({"browser": "f1"}, [Difference("c.flows.browser", "missing", "f1")]),
        (
            {"browser": "f1", "direct_grant": "f2"},
            [
                Difference("c.flows.browser", "missing", "f1"),
                Difference("c.flows.direct_grant", "missing", "f2"),
            ],
        ),
    ],
)
def test_wanted_empty(flows: dict[str, str | None] | None, told: list[Difference]) -> None:
    """An empty mapping says that nothing is there: what is there is told, and a PUT takes it away by ''."""
    wanted: dict[str, object] = {"flows": {}}
    found = {"flows": flows, "other": {"kept": "1"}}

    assert list(differences("c", wanted, found)) == told
    assert merged(found, wanted) == {"flows": dict.fromkeys(flows or {}, ""), "other": {"kept": "1"}}


def test_no_client_has_a_flow_of_its_own() -> None:
    """The shipped files want none at our clients and at Keycloak's own."""
    folder = configuration_folder()
    clients = yaml.safe_load((folder / "clients.yaml").read_text(encoding="utf-8"))

    assert clients["every"]["authenticationFlowBindingOverrides"] == {}


def test_profile_and_checks_agree() -> None:
    """The attributes that are checked before an import are those of the user profile, and as long."""
    profile = yaml.safe_load((configuration_folder() / "user-profile.yaml").read_text(encoding="utf-8"))
    declared = {
        item["name"]: item["validations"]["length"]["max"]
        for item in profile["attributes"]
        if item["name"] not in ("username", "firstName", "email", "locale")
    }
    assert declared == _MAX_VALUES
