"""The four trees of groups: where everything belongs, and what each group carries."""

from __future__ import annotations

from fixtures.feeds import shanxi
from fixtures.pure import UNITS
from fixtures.world import unit
from quanheng.engine.trees import KEY, Trees
from quanheng.model.ids import OrgCode, PostId
from quanheng.model.staff import OrgKind, OrgUnit
from quanheng.policy.units import Units

COUNTY = UNITS[OrgCode("140902")]
VILLAGE = UNITS[OrgCode("140902001001")]
POSTS = shanxi().post_by_id


def trees(*more: OrgUnit) -> Trees:
    """The trees of the small world, and more units."""
    return Trees(shanxi(), Units({**UNITS, **{item.code: item for item in more}}))


def keys(made: Trees) -> list[str]:
    """Keys of all groups, in order."""
    return [node.key for node in made.nodes()]


def test_home_is_the_nearest_unit_with_a_group() -> None:
    """A village has no group of its own: its people are in the township's."""
    township = ("机构", "14-山西省", "1409-忻州市", "140902-忻府区", "140902001-南城街道")
    assert trees().home_path(VILLAGE) == township
    assert trees().home_path(COUNTY) == township[:-1]


def test_unit_above_which_nothing_has_a_group() -> None:
    """A village that hangs in the air has no home."""
    stray = unit("620102001001", "村", OrgKind.VILLAGE, "620102001")
    assert trees(stray).home_path(stray) is None


def test_duties_and_administrators_of_an_area() -> None:
    """Duties hang under /岗位, administrators under /管理员, each group carrying its role and its key."""
    made = trees()
    operator, admin = POSTS[PostId("operator")], POSTS[PostId("system_admin")]
    assert made.duty_path(COUNTY, operator) == ("岗位", "140902-忻府区", "业务操作员")
    assert made.administrator_path(COUNTY, admin) == ("管理员", "140902-忻府区", "系统管理员")
    assert made.qualification_path("permanent") == ("资格", "正式在编")
    node = next(node for node in made.nodes() if node.key == "duty:140902:operator")
    assert node.roles == {"post-operator"}
    assert node.fields["attributes"] == {
        KEY: ("duty:140902:operator",),
        "org_code": ("140902",),
        "post": ("operator",),
    }


def test_posts_stand_where_their_tiers_are() -> None:
    """A city has 经办 and 审核 and no administrators; the province has administrators and no operators."""
    made = keys(trees())
    assert "duty:1409:handler" in made
    assert "admin:1409:system_admin" not in made
    assert "admins:1409" not in made
    assert "admin:14:system_admin" in made
    assert "duty:14:operator" not in made
    assert "duty:1409:operator" not in made


def test_city_that_serves_its_own_townships() -> None:
    """A township right below a city makes the city a place of operators too."""
    made = keys(trees(unit("140900001", "开发区", OrgKind.TOWNSHIP, "1409")))
    assert "duty:1409:operator" in made
    assert "admin:1409:system_admin" not in made


def test_only_duties_and_administrators_carry_roles() -> None:
    """Organisations, qualifications and the tops of trees carry none."""
    for node in trees().nodes():
        assert bool(node.roles) == (node.key.split(":")[0] in ("duty", "admin"))


def test_parents_come_first() -> None:
    """Every group is made after the one it lies in."""
    seen: set[tuple[str, ...]] = {()}
    for node in trees().nodes():
        assert node.path[:-1] in seen
        assert node.path not in seen
        seen.add(node.path)
