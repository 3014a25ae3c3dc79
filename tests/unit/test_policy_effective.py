"""What somebody effectively holds, and by which way."""

from __future__ import annotations

from collections.abc import Mapping

from fixtures.pack_making import COUNTY, permission, post, rules_of
from quanheng.model.ids import KeycloakId, OrgCode, RoleName, Username
from quanheng.model.realm import ObservedRealm, RealmGroup, RealmRole, RealmUser
from quanheng.policy.effective import Powers, held_through_post
from quanheng.policy.rules import Held

RULES = rules_of(post("handler"), post("checker"), permissions=[permission("p", "handler")])
HANDLER = RoleName("post-handler")
PERMISSION = RoleName("sys/p")
COMPOSITES = {"post-handler": {"sys/p"}, "post-checker": set(), "sys/p": set()}


def realm(
    groups: Mapping[tuple[str, ...], tuple[str | None, set[str]]], composites: Mapping[str, set[str]]
) -> ObservedRealm:
    """A realm of these groups (code and roles by path) and roles (contents by name)."""
    return ObservedRealm(
        groups={
            KeycloakId("/".join(path)): RealmGroup(
                id=KeycloakId("/".join(path)),
                path=path,
                attributes={} if code is None else {"org_code": (code,)},
                roles=frozenset(map(RoleName, roles)),
            )
            for path, (code, roles) in groups.items()
        },
        users={},
        roles={
            RoleName(name): RealmRole(
                id=KeycloakId(f"id-{name}"),
                name=RoleName(name),
                composites=frozenset(map(RoleName, contents)),
            )
            for name, contents in composites.items()
        },
    )


def user(*groups: str, roles: tuple[str, ...] = ()) -> RealmUser:
    """Somebody in these groups with these direct roles."""
    return RealmUser(
        id=KeycloakId("u"),
        username=Username("sx1"),
        enabled=True,
        name="",
        groups=frozenset(map(KeycloakId, groups)),
        roles=frozenset(map(RoleName, roles)),
    )


def test_direct_role_has_no_county() -> None:
    """What is mapped directly is held without a county, and so is what it contains."""
    held = Powers(realm({}, COMPOSITES), RULES).of_user(user(roles=("post-handler", "offline_access")))
    assert held == (
        Held(role=HANDLER, area=None, path=("直接授予", "post-handler")),
        Held(role=PERMISSION, area=None, path=("直接授予", "post-handler", "sys/p")),
    )


def test_group_gives_its_county() -> None:
    """A role of a group is held in the county whose code the group carries."""
    world = realm({("岗位", "县", "经办人员"): ("140902", {"post-handler"})}, COMPOSITES)
    held = Powers(world, RULES).of_user(user("岗位/县/经办人员"))
    assert [(item.role, item.area) for item in held] == [(HANDLER, COUNTY), (PERMISSION, COUNTY)]
    assert held[1].path == ("/岗位/县/经办人员", "post-handler", "sys/p")


def test_parents_give_their_roles_too() -> None:
    """A member of a group has the roles of every group above it, with that group's county."""
    world = realm(
        {("a",): ("14", {"post-checker"}), ("a", "b"): ("140902", set()), ("a", "b", "c"): (None, {"sys/p"})},
        COMPOSITES,
    )
    held = Powers(world, RULES).of_user(user("a/b/c"))
    assert {(item.role, item.area) for item in held} == {("sys/p", None), ("post-checker", "14")}
    assert held[1].path == ("/a/b/c", "/a", "post-checker")


def test_code_of_a_bureau_or_town_is_its_area() -> None:
    """A town's group gives in its county, a bureau's own in its city or province."""
    for code, area in (("140902101", "140902"), ("140900000", "1409"), ("140000000", "14"), ("1409", "1409")):
        world = realm({("g",): (code, {"sys/p"})}, COMPOSITES)
        assert [item.area for item in Powers(world, RULES).of_user(user("g"))] == [area]


def test_composite_that_contains_itself() -> None:
    """A cycle of composites ends, each role is found once by the shortest way."""
    loop = {"outer": {"post-handler", "outer"}, "post-handler": {"outer", "sys/p"}, "sys/p": {"outer"}}
    held = Powers(realm({}, loop), RULES).of_user(user(roles=("outer",)))
    assert [item.path for item in held] == [
        ("直接授予", "outer", "post-handler"),
        ("直接授予", "outer", "post-handler", "sys/p"),
    ]


def test_same_duty_by_two_groups_is_told_twice() -> None:
    """Each group that gives a duty is a way of its own, so that no cause is overlooked."""
    world = realm({("a",): ("140902", {"sys/p"}), ("b",): ("140921", {"sys/p"})}, COMPOSITES)
    assert {item.area for item in Powers(world, RULES).of_user(user("a", "b"))} == {"140902", "140921"}


def test_names_with_slashes_and_quotes() -> None:
    """A group is found by its path as a tuple: a slash in a name makes no parent."""
    world = realm({("a",): ("14", {"post-checker"}), ("a/b\"'",): ("140902", {"sys/p"})}, COMPOSITES)
    assert [item.role for item in Powers(world, RULES).of_user(user("a/b\"'"))] == ["sys/p"]


def test_unknown_groups_and_roles_give_nothing() -> None:
    """A group or role that was deleted between two readings gives nothing."""
    assert Powers(realm({}, {}), RULES).of_user(user("gone", roles=("gone",))) == ()


def test_post_by_the_rules_alone() -> None:
    """A post gives its permissions before any group is there."""
    held = held_through_post(RULES, HANDLER, OrgCode("140902"), "/岗位")
    assert [(item.role, item.area, item.path) for item in held] == [
        (HANDLER, "140902", ("/岗位", "post-handler")),
        (PERMISSION, "140902", ("/岗位", "post-handler", "sys/p")),
    ]


def test_many_people_cost_one_reading() -> None:
    """One look at the realm answers for everybody, with the same result."""
    world = realm({("g",): ("140902", {"post-handler"})}, COMPOSITES)
    powers = Powers(world, RULES)
    assert powers.of_user(user("g")) == powers.of_user(user("g")) == Powers(world, RULES).of_user(user("g"))
