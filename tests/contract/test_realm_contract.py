"""What every implementation of the port does, in memory and on a real Keycloak alike."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from quanheng.keycloak.events import Affected, affected
from quanheng.keycloak.port import Realm, RealmRefusedError
from quanheng.keycloak.representation import ROLE_EVENTS
from quanheng.model.ids import GroupPath, KeycloakId, RoleName, Username
from quanheng.model.realm import FederatedIdentity, MapperHolder, NewUser, RealmUser

from .conftest import Bench

NONE: frozenset[RoleName] = frozenset()
OPERATOR = frozenset({RoleName("post-operator")})
HANDLER = frozenset({RoleName("post-handler")})
NOBODY = KeycloakId("00000000-0000-4000-8000-000000000000")


def new_user(number: int, *groups: GroupPath, name: str = "张·𠮷") -> NewUser:
    """A person that is not real."""
    return NewUser(
        username=Username(f"sx{number:07}"),
        enabled=number % 2 == 0,
        name=name,
        attributes={"org_code": ("140902",), "staff_no": (f"S{number}",), "person_id": (f"{number:032x}",)},
        groups=groups,
        identities=frozenset({FederatedIdentity("social-card", f"subject-{number}", "")}),
    )


def two_counties(realm: Realm) -> tuple[KeycloakId, KeycloakId]:
    """Two counties with a group of the same name each; the ids of those groups."""
    root = realm.create_group(None, "岗位", {}, NONE)
    counties = [realm.create_group(root, name, {}, NONE) for name in ("140902-忻府区", "140921-定襄县")]
    first, second = (realm.create_group(county, "经办人员", {}, HANDLER) for county in counties)
    return first, second


def status_of(refused: pytest.ExceptionInfo[RealmRefusedError]) -> int:
    """HTTP status of a refusal."""
    return refused.value.status


class TestGroups:
    """Groups and the roles they carry."""

    def test_whole(self, realm: Realm) -> None:
        """A group is read with its path, attributes and roles, alone and among all."""
        root = realm.create_group(None, "机构", {}, NONE)
        made = realm.create_group(root, "14-山西省", {"org_code": ("14",), "多": ("一", "二")}, OPERATOR)

        found = realm.read_group(made)

        assert found is not None
        assert found == realm.read_groups()[made]
        assert found.path == ("机构", "14-山西省")
        assert found.attributes == {"org_code": ("14",), "多": ("一", "二")}
        assert found.roles == OPERATOR

    def test_created_again(self, realm: Realm) -> None:
        """Creating a group that exists completes its attributes and roles and makes no second one."""
        root = realm.create_group(None, "机构", {}, NONE)
        first = realm.create_group(root, "a", {"x": ("1",)}, OPERATOR)

        again = realm.create_group(root, "a", {"y": ("2",)}, HANDLER)

        assert again == first
        found = realm.read_group(first)
        assert found is not None
        assert found.attributes == {"y": ("2",)}
        assert found.roles == OPERATOR | HANDLER
        assert len(realm.read_groups()) == 2

    @pytest.mark.parametrize(
        "name", ["银行/网点", '所谓"服务"站\'', "a/~b", "50% &?#;+", "x\\y", "..", "尾 "]
    )
    def test_odd_names(self, realm: Realm, name: str) -> None:
        """Slashes, quotes and the like in a name are kept, and users are created into that very group."""
        root = realm.create_group(None, "机构", {}, NONE)
        odd = realm.create_group(root, name, {}, NONE)
        assert realm.create_group(root, name, {}, NONE) == odd

        user = realm.create_user(new_user(1, ("机构", name)))
        imported = realm.import_users([new_user(2, ("机构", name))])

        assert realm.read_groups()[odd].path == ("机构", name)
        for identifier in (user, imported[Username("sx0000002")]):
            found = realm.read_user(identifier)
            assert found is not None
            assert found.groups == {odd}

    def test_slash_that_leads_elsewhere(self, realm: Realm) -> None:
        """Where ``a/b`` is one group and ``b`` below ``a`` another, a user never lands in the wrong one."""
        root = realm.create_group(None, "机构", {}, NONE)
        below = realm.create_group(realm.create_group(root, "a", {}, NONE), "b", {}, NONE)
        single = realm.create_group(root, "a/b", {}, NONE)

        user = realm.read_user(realm.create_user(new_user(1, ("机构", "a", "b"))))
        assert user is not None
        assert user.groups == {below}
        with suppress(RealmRefusedError):  # Keycloak has no path that leads there; the fake has
            other = realm.read_user(realm.create_user(new_user(2, ("机构", "a/b"))))
            assert other is not None
            assert other.groups == {single}

    def test_same_name_in_two_counties(self, realm: Realm) -> None:
        """Groups of the same name below different parents are different groups."""
        first, second = two_counties(realm)

        user = realm.read_user(realm.create_user(new_user(1, ("岗位", "140921-定襄县", "经办人员"))))

        assert first != second
        assert user is not None
        assert user.groups == {second}

    def test_updated(self, realm: Realm) -> None:
        """Name and attributes are set, again without harm; a sibling's name is refused with 409."""
        root = realm.create_group(None, "机构", {"a": ("1",)}, OPERATOR)
        realm.create_group(None, "岗位", {}, NONE)

        realm.update_group(root, "组织", {"b": ("2",)})
        realm.update_group(root, "组织", {"b": ("2",)})

        found = realm.read_group(root)
        assert found is not None
        assert (found.path, found.attributes, found.roles) == (("组织",), {"b": ("2",)}, OPERATOR)
        with pytest.raises(RealmRefusedError) as refused:
            realm.update_group(root, "岗位", {})
        assert status_of(refused) == 409

    def test_moved(self, realm: Realm) -> None:
        """A group moves with what is below it and its members; again, nothing happens."""
        first, second = two_counties(realm)
        user = realm.create_user(new_user(1, ("岗位", "140902-忻府区", "经办人员")))
        child = realm.create_group(first, "下级", {}, NONE)
        target = realm.create_group(None, "其他", {}, NONE)

        realm.move_group(first, target)
        realm.move_group(first, target)

        groups = realm.read_groups()
        assert groups[first].path == ("其他", "经办人员")
        assert groups[child].path == ("其他", "经办人员", "下级")
        assert groups[second].path == ("岗位", "140921-定襄县", "经办人员")
        found = realm.read_user(user)
        assert found is not None
        assert found.groups == {first}
        assert realm.read_memberships(user) == {first}
        assert realm.read_memberships(KeycloakId("00000000-0000-0000-0000-000000000000")) is None

    def test_move_onto_a_sibling(self, realm: Realm) -> None:
        """A move to where the name is taken is refused with 409."""
        first, second = two_counties(realm)
        parent = next(
            key for key, group in realm.read_groups().items() if group.path == ("岗位", "140921-定襄县")
        )
        assert second

        with pytest.raises(RealmRefusedError) as refused:
            realm.move_group(first, parent)

        assert status_of(refused) == 409

    def test_roles(self, bench: Bench) -> None:
        """Roles are mapped and taken, twice each; a client's role can be taken too."""
        realm = bench.realm
        group = realm.create_group(None, "岗位", {}, NONE)
        client_role = RoleName("account/view-profile")
        bench.map_client_role(group, client_role)

        for _ in range(2):
            realm.add_group_roles(group, OPERATOR | HANDLER)
        found = realm.read_group(group)
        assert found is not None
        assert found.roles == OPERATOR | HANDLER | {client_role}
        for _ in range(2):
            realm.remove_group_roles(group, HANDLER | {client_role})
        found = realm.read_group(group)
        assert found is not None
        assert found.roles == OPERATOR == realm.read_groups()[group].roles

    def test_unknown(self, realm: Realm) -> None:
        """What is not there is None to a reader and 404 to a writer."""
        assert realm.read_group(NOBODY) is None
        root = realm.create_group(None, "机构", {}, NONE)
        for call in (
            lambda: realm.update_group(NOBODY, "x", {}),
            lambda: realm.move_group(NOBODY, root),
            lambda: realm.move_group(root, NOBODY),
            lambda: realm.add_group_roles(NOBODY, OPERATOR),
            lambda: realm.add_group_roles(root, frozenset({RoleName("no-such-role")})),
            lambda: realm.create_group(NOBODY, "x", {}, NONE),
        ):
            with pytest.raises(RealmRefusedError) as refused:
                call()
            assert status_of(refused) == 404


class TestRoles:
    """Realm roles."""

    def test_whole(self, bench: Bench) -> None:
        """Roles are read with description and composites, those of clients by the client's name."""
        parts = frozenset({RoleName("post-operator"), RoleName("account/view-profile")})
        name = bench.composite("foreign", parts)

        roles = bench.realm.read_roles()

        assert roles[name].composites == parts
        assert roles[RoleName("post-operator")].description == "业务操作员"
        assert roles[RoleName("post-operator")].composites == NONE
        assert bench.realm.default_role in roles
        assert all(role.name == name for name, role in roles.items())
        assert len({role.id for role in roles.values()}) == len(roles)

    def test_of_clients(self, bench: Bench) -> None:
        """Roles of clients are read like those of the realm, with what they contain."""
        inner = bench.client_role("jiujinban", "service_query", "服务事项查询", NONE)
        outer = bench.client_role("other", "all", "", frozenset({inner, *OPERATOR}))

        roles = bench.realm.read_roles()

        assert (inner, outer) == ("jiujinban/service_query", "other/all")
        assert (roles[inner].description, roles[inner].composites) == ("服务事项查询", NONE)
        assert roles[outer].composites == {inner, *OPERATOR}

    def test_id_stays(self, bench: Bench) -> None:
        """A role that was renamed is known by its id; its holders hold it under the new name."""
        old = bench.composite("foreign", OPERATOR)
        user = bench.realm.create_user(new_user(1))
        bench.realm.add_roles(user, frozenset({old}))
        before = bench.realm.read_roles()[old]

        new = bench.rename_role(old, "renamed")

        roles = bench.realm.read_roles()
        assert old not in roles
        assert roles[new] == replace(before, name=new)
        found = bench.realm.read_user(user)
        assert found is not None
        assert new in found.roles

    def test_no_role_passes_for_another(self, bench: Bench) -> None:
        """A realm role called like a client's role is another role, wherever it is read."""
        theirs = bench.client_role("jiujinban", "service_query", "", NONE)
        foreign = bench.composite("jiujinban/service_query", OPERATOR)
        realm = bench.realm
        group = realm.create_group(None, "组", {}, NONE)
        made = realm.import_users([new_user(number) for number in range(80)])
        user = made[Username("sx0000007")]

        realm.add_group_roles(group, frozenset({foreign}))
        realm.add_roles(user, frozenset({foreign}))

        roles = realm.read_roles()
        assert theirs != foreign
        assert (roles[theirs].composites, roles[foreign].composites) == (NONE, OPERATOR)
        found = realm.read_group(group)
        assert found is not None
        assert found.roles == {foreign}
        swept = next(item for item in realm.sweep_users() if item.id == user)
        assert swept.roles == {foreign, realm.default_role}
        realm.remove_roles(user, frozenset({theirs}))
        assert realm.read_user(user) == swept
        realm.remove_roles(user, frozenset({foreign}))
        realm.remove_group_roles(group, frozenset({foreign}))
        after = realm.read_group(group)
        assert after is not None
        assert after.roles == NONE


class TestCreation:
    """Users, created one by one and in bulk."""

    def test_import_is_like_creation(self, realm: Realm) -> None:
        """A user that was imported is the same as one that was created, default role included."""
        two_counties(realm)
        groups = [("岗位", "140902-忻府区", "经办人员"), ("岗位",)]

        realm.create_user(new_user(1, *groups))
        realm.create_user(new_user(2, *groups))
        realm.import_users([new_user(3, *groups), new_user(4, *groups)])

        by_name = {user.username: user for user in realm.sweep_users() if not user.service_account}
        for created, imported in (("sx0000001", "sx0000003"), ("sx0000002", "sx0000004")):
            assert _without_its_own(by_name[Username(created)]) == _without_its_own(
                by_name[Username(imported)]
            )
            assert by_name[Username(imported)].roles == {realm.default_role}

    def test_read_three_ways(self, realm: Realm) -> None:
        """By id, by name and in the sweep a user is the same, and whole."""
        first, _ = two_counties(realm)
        wanted = new_user(2, ("岗位", "140902-忻府区", "经办人员"))

        made = realm.create_user(wanted)

        expected = RealmUser(
            id=made,
            username=wanted.username,
            enabled=True,
            name="张·𠮷",
            attributes=wanted.attributes,
            groups=frozenset({first}),
            roles=frozenset({realm.default_role}),
            identities=wanted.identities,
        )
        swept = [user for user in realm.sweep_users() if user.id == made]
        assert [realm.read_user(made), realm.find_user(wanted.username), *swept] == [expected] * 3

    def test_sweep_of_many(self, bench: Bench) -> None:
        """However many there are, the sweep shows each once and just as it is read by itself."""
        realm = bench.realm
        first, _ = two_counties(realm)
        made = realm.import_users([new_user(number) for number in range(80)])
        some = [made[Username(f"sx{number:07}")] for number in (7, 42)]
        realm.join_group(some[0], first)
        realm.add_roles(some[0], OPERATOR)
        realm.remove_roles(some[1], frozenset({realm.default_role}))
        bench.map_client_role(some[1], RoleName("realm-management/view-users"))

        swept = list(realm.sweep_users())

        assert {user.id: user for user in swept}.keys() >= set(made.values())
        assert len({user.id for user in swept}) == len(swept)
        for user in swept:
            if user.id in some or user.service_account:
                assert user == realm.read_user(user.id)

    def test_existing_are_skipped(self, realm: Realm) -> None:
        """An import leaves a user of that name as it is, and says nothing of it."""
        realm.import_users([new_user(1)])
        before = realm.find_user(Username("sx0000001"))

        made = realm.import_users([replace(new_user(1), name="别人", enabled=True), new_user(2)])

        assert set(made) == {"sx0000002"}
        assert realm.find_user(Username("sx0000001")) == before

    def test_existing_is_refused(self, realm: Realm) -> None:
        """Creating a user of a name that is taken is refused with 409."""
        realm.create_user(new_user(1))

        with pytest.raises(RealmRefusedError) as refused:
            realm.create_user(new_user(1))

        assert status_of(refused) == 409

    def test_all_or_none(self, realm: Realm) -> None:
        """A group that is not there refuses the whole batch with 404, and a single user too."""
        realm.create_group(None, "机构", {}, NONE)

        with pytest.raises(RealmRefusedError) as refused:
            realm.import_users([new_user(1, ("机构",)), new_user(2, ("机构", "没有"))])
        assert status_of(refused) == 404
        with pytest.raises(RealmRefusedError) as refused:
            realm.create_user(new_user(2, ("机构", "没有")))
        assert status_of(refused) == 404

        assert [user for user in realm.sweep_users() if not user.service_account] == []

    def test_group_gone_since(self, bench: Bench) -> None:
        """A group that was deleted after it was seen refuses the batch with 404 and leaves nobody."""
        group = bench.realm.create_group(None, "机构", {}, NONE)
        bench.realm.create_user(new_user(1, ("机构",)))
        bench.delete_group(group)

        with pytest.raises(RealmRefusedError) as refused:
            bench.realm.import_users([new_user(2, ("机构",)), new_user(3)])

        assert status_of(refused) == 404
        assert bench.realm.find_user(Username("sx0000003")) is None

    @pytest.mark.parametrize(
        "bad",
        [
            {"username": "SX0000001"},
            {"username": "ab"},
            {"name": ""},
            {"name": "张<b>"},
            {"name": "张" * 256},
            {"attributes": {"id_number": ("1",)}},
            {"attributes": {"staff_no": ()}},
            {"attributes": {"staff_no": ("",)}},
        ],
    )
    def test_not_valid(self, realm: Realm, bad: dict[str, object]) -> None:
        """What the user profile forbids is refused with 400 by both ways, though an import would take it."""
        user = replace(new_user(1), **bad)

        for create in (lambda: realm.create_user(user), lambda: realm.import_users([user, new_user(2)])):
            with pytest.raises(RealmRefusedError) as refused:
                create()
            assert status_of(refused) == 400

        assert [user for user in realm.sweep_users() if not user.service_account] == []

    def test_same_identity_twice(self, realm: Realm) -> None:
        """One batch never gives two users the same federated identity; Keycloak would."""
        twin = replace(new_user(2), identities=new_user(1).identities)

        with pytest.raises(RealmRefusedError) as refused:
            realm.import_users([new_user(1), twin])

        assert status_of(refused) == 400

    def test_empty_import(self, realm: Realm) -> None:
        """Nothing to import is nothing to do."""
        assert realm.import_users([]) == {}

    def test_configurator_closed(self, bench: Bench) -> None:
        """Without the configurator there is no import, but users are created all the same."""
        realm = bench.without_import()

        assert not realm.can_import
        assert bench.realm.can_import
        with pytest.raises(RealmRefusedError) as refused:
            realm.import_users([new_user(1)])
        assert status_of(refused) == 403
        assert realm.create_user(new_user(1))


MAPPERS = {
    MapperHolder.CLIENT: ("oidc-hardcoded-role-mapper", {"role": "post-handler"}),
    MapperHolder.CLIENT_SCOPE: (
        "oidc-usermodel-attribute-mapper",
        {"claim.name": "x", "user.attribute": "y"},
    ),
    MapperHolder.PROVIDER: ("oidc-hardcoded-role-idp-mapper", {"role": "post-handler", "syncMode": "FORCE"}),
}


class TestStructure:
    """What gives power past any grant: roles within roles, default groups, mappers. By the configurator."""

    def test_roles_within_roles(self, bench: Bench, realm: Realm) -> None:
        """Put in and taken out by id, of the realm and of a client, again and again; the rest stays; the
        event is about roles."""
        view = RoleName("account/view-profile")
        if view not in realm.read_roles():
            bench.client_role("account", "view-profile", "", NONE)
        permission = bench.client_role("jiujinban", "service_query", "", HANDLER)
        outer = bench.composite("outer", OPERATOR)
        ids = {name: role.id for name, role in realm.read_roles().items()}
        two = frozenset({ids[view], ids[permission]})
        since = realm.read_server_time() - timedelta(seconds=1)
        for _ in range(2):
            realm.add_role_parts(ids[outer], two)
            assert realm.read_roles()[outer].composites == OPERATOR | {view, permission}
        for _ in range(2):
            realm.remove_role_parts(ids[outer], two)
            assert realm.read_roles()[outer].composites == OPERATOR
        realm.remove_role_parts(ids[permission], frozenset({ids[RoleName("post-handler")]}))
        assert realm.read_roles()[permission].composites == NONE
        told = [event for event in realm.read_admin_events(since) if event.actor_user in realm.own_actors]
        assert {(event.operation, event.resource_type) for event in told} == {
            ("CREATE", "REALM_ROLE"),
            ("DELETE", "REALM_ROLE"),
            ("DELETE", "CLIENT_ROLE"),
        }
        assert affected(told) == Affected(roles=True)

    def test_no_such_role(self, realm: Realm) -> None:
        """A role that is gone is refused with 404, and so is a part that is."""
        handler = realm.read_roles()[RoleName("post-handler")].id
        for role, part in ((NOBODY, handler), (handler, NOBODY)):
            for change in (realm.add_role_parts, realm.remove_role_parts):
                with pytest.raises(RealmRefusedError) as refused:
                    change(role, frozenset({part}))
                assert status_of(refused) == 404

    def test_default_groups(self, bench: Bench, realm: Realm) -> None:
        """Who is made alone joins it, who is imported does not; removed, nobody does; twice is once."""
        first, second = two_counties(realm)
        bench.default_group(first)
        bench.default_group(second)
        assert realm.read_default_groups() == {first: "经办人员", second: "经办人员"}
        assert realm.read_memberships(realm.create_user(new_user(1))) == {first, second}
        (imported,) = realm.import_users([new_user(2)]).values()
        assert realm.read_memberships(imported) == frozenset()
        since = realm.read_server_time() - timedelta(seconds=1)
        for _ in range(2):
            realm.remove_default_group(first)
            assert realm.read_default_groups() == {second: "经办人员"}
        realm.remove_default_group(second)
        assert realm.read_memberships(realm.create_user(new_user(3))) == frozenset()
        told = [event for event in realm.read_admin_events(since) if "default" in event.resource_path]
        assert affected(told) == Affected(configuration=True)

    @pytest.mark.parametrize("holder", MapperHolder)
    def test_mappers(self, bench: Bench, realm: Realm, holder: MapperHolder) -> None:
        """A mapper is read with what it does, and taken away; twice is once; others stay."""
        kind, config = MAPPERS[holder]
        before = {mapper.id for mapper in realm.read_mappers()}
        called = bench.mapper(holder, "granting", kind, config)
        kept = bench.mapper(holder, "kept", kind, config)
        made = {mapper.name: mapper for mapper in realm.read_mappers() if mapper.id not in before}
        assert made.keys() == {"granting", "kept"}
        found = made["granting"]
        assert (found.holder, found.holder_name, found.kind) == (holder, called, kind)
        assert config.items() <= found.config.items()
        assert called == kept
        since = realm.read_server_time() - timedelta(seconds=1)
        for _ in range(2):
            realm.remove_mapper(found)
            assert {mapper.id for mapper in realm.read_mappers()} == before | {made["kept"].id}
        told = [event for event in realm.read_admin_events(since) if event.operation == "DELETE"]
        assert affected(told) == Affected(configuration=True)

    def test_configurator_closed(self, bench: Bench, realm: Realm) -> None:
        """Without the configurator all of it is refused with 403, and nothing was done."""
        first, _ = two_counties(realm)
        outer = bench.composite("outer", OPERATOR)
        bench.default_group(first)
        bench.mapper(MapperHolder.CLIENT, "granting", *MAPPERS[MapperHolder.CLIENT])
        roles = realm.read_roles()
        (mapper,) = (item for item in realm.read_mappers() if item.name == "granting")
        closed = bench.without_import()
        for call in (
            partial(closed.add_role_parts, roles[outer].id, frozenset({roles[RoleName("post-handler")].id})),
            partial(
                closed.remove_role_parts, roles[outer].id, frozenset({roles[RoleName("post-operator")].id})
            ),
            partial(closed.remove_default_group, first),
            partial(closed.remove_mapper, mapper),
        ):
            with pytest.raises(RealmRefusedError) as refused:
                call()
            assert status_of(refused) == 403
        assert realm.read_roles() == roles
        assert realm.read_default_groups().keys() == {first}
        assert mapper in realm.read_mappers()


class TestUsers:
    """Users that exist."""

    def test_updated(self, realm: Realm) -> None:
        """A user's own fields are set, the rest is left, and doing it again changes nothing."""
        first, _ = two_counties(realm)
        made = realm.create_user(new_user(1, ("岗位", "140902-忻府区", "经办人员")))
        before = realm.read_user(made)
        assert before is not None

        for _ in range(2):
            realm.update_user(
                made,
                username=Username("sx0000009"),
                enabled=True,
                name="李四",
                attributes={"staff_no": ("9",)},
            )

        assert realm.read_user(made) == replace(
            before,
            username=Username("sx0000009"),
            enabled=True,
            name="李四",
            attributes={"staff_no": ("9",)},
        )
        assert first in before.groups

    @pytest.mark.parametrize("number", [1, 2], ids=["disabled", "enabled"])
    def test_switch_is_left(self, realm: Realm, number: int) -> None:
        """An update that says nothing of the switch leaves it as it is."""
        made = realm.create_user(new_user(number))
        before = realm.read_user(made)
        assert before is not None
        realm.update_user(
            made, username=before.username, enabled=None, name="李四", attributes=before.attributes
        )
        assert realm.read_user(made) == replace(before, name="李四")

    def test_switched_off(self, realm: Realm) -> None:
        """Switching off may be repeated, and leaves name, attributes, groups and roles."""
        first, _ = two_counties(realm)
        made = realm.create_user(new_user(2))
        realm.join_group(made, first)
        before = realm.read_user(made)
        assert before is not None
        assert before.enabled
        for _ in range(2):
            realm.switch_off(made)
        assert realm.read_user(made) == replace(before, enabled=False)

    def test_update_refused(self, realm: Realm) -> None:
        """A name that is taken is refused with 409, fields that the profile forbids with 400."""
        realm.create_user(new_user(1))
        made = realm.create_user(new_user(2))
        for change, status in (
            ({"username": Username("sx0000001")}, 409),
            ({"name": "<b>"}, 400),
            ({"attributes": {"other": ("1",)}}, 400),
        ):
            fields = {"username": Username("sx0000002"), "enabled": True, "name": "李", "attributes": {}}
            with pytest.raises(RealmRefusedError) as refused:
                realm.update_user(made, **{**fields, **change})  # type: ignore[arg-type]
            assert status_of(refused) == status

    def test_memberships(self, realm: Realm) -> None:
        """Joining and leaving may be repeated."""
        first, second = two_counties(realm)
        user = realm.create_user(new_user(1))

        for _ in range(2):
            realm.join_group(user, first)
            realm.join_group(user, second)
        for _ in range(2):
            realm.leave_group(user, first)

        found = realm.read_user(user)
        assert found is not None
        assert found.groups == {second}

    def test_roles(self, bench: Bench) -> None:
        """Direct roles are read and taken, those of clients too; mapping and taking may be repeated."""
        realm = bench.realm
        user = realm.create_user(new_user(1))
        client_role = bench.client_role("jiujinban", "service_query", "", NONE)
        bench.map_client_role(user, client_role)
        for _ in range(2):
            realm.add_roles(user, OPERATOR)

        held = realm.read_user(user)
        swept = next(found for found in realm.sweep_users() if found.id == user)
        for _ in range(2):
            realm.remove_roles(user, OPERATOR | {client_role})
        left = realm.read_user(user)

        assert held is not None
        assert left is not None
        assert held.roles == swept.roles == OPERATOR | {client_role, realm.default_role}
        assert left.roles == {realm.default_role}

    def test_administering_roles(self, bench: Bench) -> None:
        """Roles of the realm's own administration are read, and not ours to take."""
        realm = bench.realm
        user = realm.create_user(new_user(1))
        administering = RoleName("realm-management/view-users")
        bench.map_client_role(user, administering)

        with pytest.raises(RealmRefusedError) as refused:
            realm.remove_roles(user, frozenset({administering}))

        held = realm.read_user(user)
        assert refused.value.status == 403
        assert held is not None
        assert administering in held.roles

    def test_identities(self, realm: Realm) -> None:
        """A link is replaced, ended, and made again; each may be repeated."""
        user = realm.create_user(new_user(1))
        other = FederatedIdentity("social-card", "another", "名")

        for _ in range(2):
            realm.link_identity(user, other)
        linked = realm.read_user(user)
        for _ in range(2):
            realm.unlink_identity(user, "social-card")
        unlinked = realm.read_user(user)
        realm.link_identity(user, other)
        again = realm.read_user(user)

        assert linked is not None
        assert unlinked is not None
        assert linked.identities == {other}
        assert unlinked.identities == frozenset()
        assert again == linked

    def test_service_account(self, bench: Bench) -> None:
        """A client's service account is read and swept like any user, and marked."""
        account = bench.service_account()
        group = bench.realm.create_group(None, "岗位", {}, OPERATOR)
        bench.realm.join_group(account, group)

        found = bench.realm.read_user(account)

        assert found is not None
        assert found.service_account
        assert found.groups == {group}
        assert found in list(bench.realm.sweep_users())

    def test_unknown(self, bench: Bench) -> None:
        """Who is not there is None to a reader and 404 to a writer, also after a deletion."""
        realm = bench.realm
        group = realm.create_group(None, "机构", {}, NONE)
        user = realm.create_user(new_user(1))
        bench.delete_user(user)
        assert realm.read_user(user) is None
        assert realm.find_user(Username("sx0000001")) is None
        for call in (
            lambda: realm.join_group(user, group),
            lambda: realm.leave_group(user, group),
            lambda: realm.add_roles(user, OPERATOR),
            lambda: realm.remove_roles(user, OPERATOR),
            lambda: realm.link_identity(user, FederatedIdentity("social-card", "x", "")),
            lambda: realm.unlink_identity(user, "social-card"),
            lambda: realm.logout(user),
            lambda: realm.switch_off(user),
            lambda: realm.update_user(
                user, username=Username("sx0000001"), enabled=True, name="x", attributes={}
            ),
        ):
            with pytest.raises(RealmRefusedError) as refused:
                call()
            assert status_of(refused) == 404

    def test_find_is_exact(self, realm: Realm) -> None:
        """A name is found whole or not at all."""
        realm.create_user(new_user(1))

        assert realm.find_user(Username("sx000000")) is None
        assert realm.find_user(Username("sx0000001")) is not None


class TestEvents:
    """What the realm tells of changes."""

    def test_seen(self, realm: Realm) -> None:
        """Events come oldest first, each once, from the moment asked for, whatever the page."""
        start = realm.read_server_time() - timedelta(seconds=2)
        first, _ = two_counties(realm)
        user = realm.create_user(new_user(1))
        realm.join_group(user, first)
        imported = realm.import_users([new_user(2), new_user(3)])
        realm.logout(user)
        realm.logout_everybody()

        events = list(realm.read_admin_events(start))

        told = [(event.operation, event.resource_type, event.resource_path) for event in events]
        for expected in (
            ("CREATE", "USER", f"users/{user}"),
            ("CREATE", "GROUP_MEMBERSHIP", f"users/{user}/groups/{first}"),
            *(("CREATE", "REALM", f"users/{made}") for made in imported.values()),
            ("ACTION", "USER", f"users/{user}/logout"),
            ("ACTION", "REALM", "logout-all"),
        ):
            assert told.count(expected) == 1
        assert [event.at for event in events] == sorted(event.at for event in events)
        ids = [event.id for event in events]
        paged = [event.id for event in realm.read_admin_events(start, page_size=2)]
        assert sorted(paged) == sorted(ids)
        assert len(set(ids)) == len(ids)
        assert {event.actor_user for event in events if event.resource_type == "USER"} <= realm.own_actors
        assert list(realm.read_admin_events(events[-1].at + timedelta(milliseconds=1))) == []

    def test_of_roles_alone(self, realm: Realm) -> None:
        """What was put into a group is told; what was taken out of it, who was made and who joined is not."""
        start = realm.read_server_time() - timedelta(seconds=2)
        first, second = two_counties(realm)
        user = realm.create_user(new_user(1))
        realm.join_group(user, first)
        realm.remove_group_roles(second, HANDLER)
        realm.add_group_roles(second, HANDLER)

        told = list(realm.read_role_events(start))

        path = f"groups/{second}/role-mappings/"
        assert [event.operation for event in told if event.resource_path.startswith(path)] == ["CREATE"] * 2
        assert {event.resource_type for event in told} <= ROLE_EVENTS
        known = {event.id: event for event in realm.read_admin_events(start)}
        assert [known[event.id] for event in told] == told
        assert len(told) < len(known)

    def test_group_events_name_the_parent(self, realm: Realm) -> None:
        """A new subgroup is told of as its parent's children, a new group by its id."""
        start = realm.read_server_time() - timedelta(seconds=2)
        root = realm.create_group(None, "机构", {}, NONE)
        child = realm.create_group(root, "下级", {}, NONE)
        realm.update_group(child, "下级", {"a": ("1",)})

        told = [
            event.resource_path for event in realm.read_admin_events(start) if event.resource_type == "GROUP"
        ]

        assert told == [f"groups/{root}", f"groups/{root}/children", f"groups/{child}"]


def _without_its_own(user: RealmUser) -> RealmUser:
    """The user without what is different for each."""
    return replace(
        user,
        id=KeycloakId(""),
        username=Username(""),
        enabled=True,
        attributes=dict.fromkeys(user.attributes, ()),
        identities=frozenset(replace(link, subject="") for link in user.identities),
    )


def test_passwords(bench: Bench, realm: Realm) -> None:
    """Each password that is set has a mark of its own; other changes of a user leave it."""
    user = realm.create_user(new_user(1))
    assert realm.read_passwords(user) == frozenset()
    bench.bring_password(user)
    first = realm.read_passwords(user)
    there = realm.read_user(user)
    assert there is not None
    realm.update_user(user, username=there.username, enabled=None, name="李", attributes=there.attributes)
    assert realm.read_passwords(user) == first
    bench.bring_password(user)
    second = realm.read_passwords(user)
    assert len(first) == len(second) == 1
    assert first != second
    bench.delete_user(user)
    assert realm.read_passwords(user) == realm.read_passwords(NOBODY) == frozenset()


class TestLogins:
    """What the realm tells of who logs in, and by what."""

    def test_credentials(self, realm: Realm, bench: Bench) -> None:
        """A mark of each, by its kind, another one for each that is set anew; none for nobody."""
        user, other = (realm.create_user(new_user(number)) for number in (2, 4))
        assert realm.read_credentials(user) == frozenset()

        bench.bring_otp(user)
        bench.bring_password(user)
        first = realm.read_credentials(user)
        bench.bring_password(user)
        second = realm.read_credentials(user)

        assert sorted(mark.split()[0] for mark in first) == ["otp", "password"]
        assert {mark.split()[0] for mark in first - second} == {"password"}
        assert len(second) == 2
        assert realm.read_credentials(other) == frozenset()
        assert realm.read_credentials(NOBODY) == frozenset()

    def test_seen(self, realm: Realm, bench: Bench) -> None:
        """Logins and refused attempts, oldest first: of one client, or of one user wherever it was."""
        start = realm.read_server_time() - timedelta(seconds=2)
        user, other = (realm.create_user(new_user(number)) for number in (2, 4))
        bench.log_in("door", user, right=False)
        bench.log_in("door", user, right=True)
        bench.log_in("door", other, right=False)
        bench.log_in("door", None, right=False)
        bench.log_in("window", user, right=True)

        at_door = list(realm.read_logins(start, client="door"))
        of_user = list(realm.read_logins(start, user=user))

        assert [(event.user, event.error) for event in at_door] == [
            (user, "invalid_user_credentials"),
            (user, ""),
            (other, "invalid_user_credentials"),
            (None, "user_not_found"),
        ]
        assert [(event.client, bool(event.error)) for event in of_user] == [
            ("door", True),
            ("door", False),
            ("window", False),
        ]
        assert [event for event in at_door if event.user == user] == of_user[:2]
        assert all(event.address and bool(event.session) is not bool(event.error) for event in at_door)
        assert len({event.session for event in of_user}) == 3
        later = list(realm.read_logins(at_door[2].at, client="door"))
        assert at_door[2] in later
        assert set(later) <= set(at_door)
        assert list(realm.read_logins(of_user[-1].at + timedelta(milliseconds=1), user=user)) == []

    def test_renewed_tokens(self, realm: Realm, bench: Bench) -> None:
        """They are told of to whoever asks for them, each as such."""
        start = realm.read_server_time() - timedelta(seconds=2)
        user = realm.create_user(new_user(2))
        bench.renew("door", user)

        assert [event.refresh for event in realm.read_logins(start, user=user)] == [False]
        told = list(realm.read_logins(start, user=user, refreshes=True))
        assert [(event.user, event.client, event.error, event.refresh) for event in told] == [
            (user, "door", "", False),
            (user, "door", "", True),
        ]
