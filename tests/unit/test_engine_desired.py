"""What a person should have, as a value: holds, home, duties, bases, proposals."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from fixtures.feeds import shanxi
from fixtures.pure import (
    AS_OF,
    HR,
    LDAP,
    OPERATOR,
    TODAY,
    UNITS,
    claim,
    desire,
    desired_user,
    person,
    registry,
)
from fixtures.world import unit
from quanheng.engine.desired import build_desired
from quanheng.engine.merge import proposal_key
from quanheng.engine.source_posts import BOOTSTRAP
from quanheng.model.finding import FindingKind
from quanheng.model.ids import OrgCode, PostId, StaffNo
from quanheng.model.person import BasisKind, Hold, HoldKind, ProposalKind, ProposalState, Withholding
from quanheng.model.registry import Founder
from quanheng.model.staff import OrgKind
from quanheng.policy.compiling import compile_rules
from quanheng.policy.schema import Exclusion, PostsFile, RulesFile, Selector
from quanheng.policy.units import Units

ONE = person(1)


def test_operator_of_a_village() -> None:
    """Enabled, at home in the township, with the county's duty, its basis and article."""
    user = desired_user(registry([ONE], [claim(ONE)]), ONE)
    assert user.enabled
    assert user.home == ("机构", "14-山西省", "1409-忻州市", "140902-忻府区", "140902001-南城街道")
    assert user.groups == {("岗位", "140902-忻府区", "业务操作员"), ("资格", "正式在编")}
    basis = user.bases[0]
    assert (basis.post, basis.area, basis.kind, basis.article) == (
        "operator",
        "140902",
        BasisKind.SOURCE,
        "S6",
    )
    assert user.attributes["org_code"] == ("140902001001",)


@pytest.mark.parametrize(
    ("status", "start", "end", "hold"),
    [
        ("active", None, None, None),
        ("investigation", None, None, HoldKind.INVESTIGATION),
        ("investigation", date(2026, 3, 3), None, None),
        ("investigation", date(2026, 2, 1), date(2026, 3, 1), None),
        ("investigation", date(2026, 2, 1), TODAY, HoldKind.INVESTIGATION),
        ("sick_leave", date(2026, 2, 1), date(2026, 4, 29), None),
        ("sick_leave", date(2026, 2, 1), date(2026, 4, 30), HoldKind.ABSENT),
        ("sick_leave", date(2026, 2, 1), None, HoldKind.ABSENT),
        ("sick_leave", None, date(2026, 3, 9), HoldKind.ABSENT),
        ("sick_leave", date(2026, 4, 1), None, None),
        ("retired", None, None, HoldKind.LEFT),
        ("retired", TODAY, None, HoldKind.LEFT),
        ("retired", date(2026, 3, 3), None, None),
        ("deceased", date(2026, 3, 1), None, HoldKind.LEFT),
    ],
)
def test_status_and_its_hold(
    status: str, start: date | None, end: date | None, hold: HoldKind | None
) -> None:
    """Each status holds from its first day to its last, absences from three calendar months on."""
    known = registry([ONE], [claim(ONE, status=status, status_from=start, status_to=end)])
    user = desired_user(known, ONE)
    assert [item.kind for item in user.holds] == ([hold] if hold else [])
    assert user.enabled is (hold is None)


def test_holds_stack() -> None:
    """Stored and said by a source: both are told, and either alone disables."""
    frozen = Hold(person=ONE.id, kind=HoldKind.FROZEN, since=TODAY, reason="", origin="console")
    known = registry([ONE], [claim(ONE, status="investigation")], holds=(frozen,))
    assert {item.kind for item in desired_user(known, ONE).holds} == {HoldKind.FROZEN, HoldKind.INVESTIGATION}
    known = replace(known, holds=())
    assert {item.kind for item in desired_user(known, ONE).holds} == {HoldKind.INVESTIGATION}


def test_nobody_speaks_of_somebody() -> None:
    """Without any claim a person has left: disabled, without groups, and no account is made for it."""
    user = desired_user(registry([ONE]), ONE)
    assert [item.kind for item in user.holds] == [HoldKind.LEFT]
    assert (user.home, user.groups, user.create) == (None, frozenset(), False)


def test_one_post_over_another_goes_on() -> None:
    """Retired from one post and active at another of the same source: not left, and the other is granted."""
    known = registry([ONE], [claim(ONE, status="retired"), claim(ONE, "140902000", "handler")])
    user = desired_user(known, ONE)
    assert user.enabled
    assert {basis.post for basis in user.bases} == {"handler"}


def test_left_in_one_source_is_enough() -> None:
    """All rows of one source over: left, whatever the other source says."""
    known = registry([ONE], [claim(ONE, status="retired"), claim(ONE, source=LDAP)])
    assert not desired_user(known, ONE).enabled


def test_sources_agree_in_any_order() -> None:
    """The same posts in two sources are no disagreement; one without posts does not disagree."""
    for other in (claim(ONE, source=LDAP), claim(ONE, post=None, source=LDAP)):
        desired = desire(registry([ONE], [claim(ONE), other]))
        assert {basis.post for basis in desired.users[ONE.id].bases} == {"operator"}
        assert desired.findings == ()


def test_guarded_post_is_proposed() -> None:
    """An administrator's post is a proposal with area and post; nothing is granted before it is approved."""
    known = registry([ONE], [claim(ONE, "140902000", "system_admin")])
    desired = desire(known)
    proposal = desired.proposals[0]
    assert (proposal.kind, proposal.area, proposal.post, proposal.state) == (
        ProposalKind.GUARDED_POST,
        "140902",
        "system_admin",
        ProposalState.OPEN,
    )
    assert desired.users[ONE.id].bases == ()
    known = replace(known, proposals={proposal.key: replace(proposal, state=ProposalState.APPROVED)})
    user = desired_user(known, ONE)
    assert user.home == ("管理员", "140902-忻府区", "系统管理员")
    assert user.groups == {("资格", "正式在编")}


def test_approval_is_for_one_area() -> None:
    """Approved in one county, somebody who moves to another has to be approved there."""
    known = registry([ONE], [claim(ONE, "140902000", "system_admin")])
    approved = replace(desire(known).proposals[0], state=ProposalState.APPROVED)
    moved = registry([ONE], [claim(ONE, "140921000", "system_admin")], proposals={approved.key: approved})
    desired = desire(moved)
    assert desired.users[ONE.id].bases == ()
    states = {item.area: item.state for item in desired.proposals}
    assert states == {"140921": ProposalState.OPEN, "140902": ProposalState.WITHDRAWN}


def test_approval_ends_with_the_post() -> None:
    """When no row makes the post any more the approval is withdrawn; coming back needs a new one."""
    known = registry([ONE], [claim(ONE, "140902000", "reviewer")])
    approved = replace(desire(known).proposals[0], state=ProposalState.APPROVED)
    gone = desire(registry([ONE], [claim(ONE, "140902000", None)], proposals={approved.key: approved}))
    assert [item.state for item in gone.proposals] == [ProposalState.WITHDRAWN]
    back = replace(known, proposals={approved.key: gone.proposals[0]})
    assert [item.state for item in desire(back).proposals] == [ProposalState.OPEN]


def test_founder_counts_once() -> None:
    """A founder is approved by the bootstrap; a second person with the same staff number is not."""
    founder = Founder(staff_no=StaffNo("S1"), post=PostId("system_admin"), area=OrgCode("14"))
    known = registry([ONE], [claim(ONE, "140000000", "system_admin")], founders=(founder,))
    first = desire(known)
    assert [(item.proposer, item.state) for item in first.proposals] == [(BOOTSTRAP, ProposalState.APPROVED)]
    second = person(2, staff_no=StaffNo("S1"))
    later = registry(
        [ONE, second],
        [claim(second, "140000000", "system_admin")],
        founders=(founder,),
        proposals={item.key: item for item in first.proposals},
    )
    assert desire(later).users[second.id].bases == ()


def test_not_qualified() -> None:
    """Without 正式在编 an administrator's post is neither granted nor proposed."""
    desired = desire(registry([ONE], [claim(ONE, "140902000", "system_admin", employment="contract")]))
    assert desired.proposals == ()
    assert [item.kind for item in desired.findings] == [FindingKind.NOT_QUALIFIED]


def test_post_at_the_wrong_level_is_not_granted() -> None:
    """A claim whose unit has another tier now (its kind was changed) grants nothing."""
    known = registry([ONE], [claim(ONE, "140902000", "operator")])
    assert desired_user(known, ONE).bases == ()


def test_exclusions_grant_neither_side() -> None:
    """Whichever way round a rule is written, both posts of an excluded pair fall away."""
    pack = shanxi()
    pair = Exclusion(
        id="x-handler-operator",
        label="不得兼任",
        article="S4",
        scope="person",
        left=Selector(posts=("handler",)),
        right=Selector(posts=("operator",)),
    )
    strict = replace(pack, rules=RulesFile(exclusions=(pair,)))
    known = registry([ONE], [claim(ONE), claim(ONE, "140902000", "handler")])
    assert {basis.post for basis in desired_user(known, ONE).bases} == {"operator", "handler"}
    desired = build_desired(known, Units(known.units), strict, compile_rules(strict), today=TODAY)
    assert desired.users[ONE.id].bases == ()
    assert [item.violation for item in desired.findings] == [True, True]


def test_every_post_of_a_conflict_falls() -> None:
    """One post against two others of one rule: all three fall away, not only the first pair."""
    pack = shanxi()
    rule = Exclusion(
        id="x-operator-bureau",
        label="不得兼任",
        article="S4",
        scope="person",
        left=Selector(posts=("operator",)),
        right=Selector(posts=("handler", "extra")),
    )
    handler = pack.post_by_id[PostId("handler")]
    extra = handler.model_copy(update={"id": "extra", "label": "另一岗位", "aliases": ()})
    posts = PostsFile(posts=(*pack.posts.posts, extra))
    strict = replace(pack, posts=posts, rules=RulesFile(exclusions=(rule,)))
    bureau = [claim(ONE, "140902000", post) for post in ("handler", "extra")]
    known = registry([ONE], [claim(ONE), *bureau])
    desired = build_desired(known, Units(known.units), strict, compile_rules(strict), today=TODAY)
    assert desired.users[ONE.id].bases == ()


def test_withheld_in_one_area() -> None:
    """A withholding takes the duty in its area and no other."""
    taken = Withholding(
        person=ONE.id,
        post=OPERATOR,
        area=OrgCode("140902"),
        actor="sx1",
        at=AS_OF,
        reason="",
    )
    assert desired_user(registry([ONE], [claim(ONE)], withholdings=(taken,)), ONE).bases == ()
    elsewhere = registry([ONE], [claim(ONE, "140921001001")], withholdings=(taken,))
    assert {basis.area for basis in desired_user(elsewhere, ONE).bases} == {"140921"}


def test_mapped_code_is_the_new_unit() -> None:
    """A claim under an old code belongs to the unit that the mapping names."""
    known = registry([ONE], [claim(ONE, "140902777")])
    user = desired_user(known, ONE, recoded={OrgCode("140902777"): OrgCode("140902001001")})
    assert user.attributes["org_code"] == ("140902001001",)
    assert desire(known).findings[0].kind is FindingKind.UNKNOWN_UNIT


def test_order_of_claims_does_not_matter() -> None:
    """Home and duties are the same in whatever order claims come."""
    claims = [claim(ONE), claim(ONE, "140902001002"), claim(ONE, "140902000", "handler", source=HR)]
    assert desired_user(registry([ONE], claims), ONE) == desired_user(registry([ONE], claims[::-1]), ONE)


def test_groups_do_not_collide() -> None:
    """Every group has a path of its own, and parents come before children."""
    groups = desire(
        registry(units={**UNITS, OrgCode("140901001"): unit("140901001", "街", OrgKind.TOWNSHIP, "1409")})
    ).groups
    paths = [group.path for group in groups.values()]
    assert len(set(paths)) == len(paths)
    seen: set[tuple[str, ...]] = {()}
    for path in paths:
        assert path[:-1] in seen
        seen.add(path)


def test_keys_of_proposals_are_stable() -> None:
    """The same row proposes the same thing today and tomorrow."""
    known = registry([ONE], [claim(ONE, "140902000", "system_admin")])
    expected = proposal_key(ProposalKind.GUARDED_POST, ONE.id, "system_admin", "140902")
    assert (
        desire(known).proposals[0].key == expected == desire(known, today=date(2027, 1, 1)).proposals[0].key
    )
