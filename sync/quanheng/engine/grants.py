"""What somebody holds: the union of valid bases, less withholdings and conflicts. Pure (decision 3).

A conflict among the sources' own posts grants neither. A basis that no source says stands behind what the
sources say, and a later one behind an earlier one: it is suspended while it conflicts, and told.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from quanheng.clock import day_in_china
from quanheng.engine.conflicts import conflicts_among
from quanheng.engine.deciding import Deciding, Granted, Placed
from quanheng.engine.following import Followup, told_status
from quanheng.engine.holds import is_deregistered
from quanheng.engine.source_posts import is_qualified, source_posts
from quanheng.model.finding import FindingKind
from quanheng.model.ids import PostId
from quanheng.model.person import Basis, GrantedBasis, Hold, HoldKind, PersonRecord, Withholding


def decide_grants(
    work: Deciding,
    person: PersonRecord,
    placed: list[Placed],
    holds: Sequence[Hold],
    bases: Sequence[GrantedBasis],
    withholdings: Sequence[Withholding],
    *,
    withheld: Followup | None = None,
) -> list[Granted]:
    """Every post that a person is to hold now.

    ``withheld``: an absence for which a second person had the duties taken away while it lasts. What was
    approved before stays approved, so that they come back without another decision. 注销 ends it all.
    """
    if is_deregistered(holds):
        if placed:
            work.find(
                FindingKind.WITHHELD, person, "已注销，而来源仍报送在岗；不授予任何岗位，恢复须申请并经批准"
            )
        return []
    granted = _decide(work, person, placed, holds, bases, withholdings)
    if withheld is None:
        return granted
    for item in granted:
        work.find(
            FindingKind.WITHHELD,
            person,
            f"{item.area.name} {item.post.label} 暂收：{told_status(withheld)}期间不授予，结束后经复核恢复",
        )
    return []


def _decide(
    work: Deciding,
    person: PersonRecord,
    placed: list[Placed],
    holds: Sequence[Hold],
    bases: Sequence[GrantedBasis],
    withholdings: Sequence[Withholding],
) -> list[Granted]:
    areas = {area.code for _, unit in placed if (area := work.units.area(unit)) is not None}
    if len(areas) > 1:
        work.find(
            FindingKind.OTHER_COUNTY, person, f"同时在 {'、'.join(sorted(areas))} 任职；均不授予，请核实"
        )
        return []
    taken = {(item.post, item.area) for item in withholdings}
    granted = []
    for item in source_posts(work, person, placed):
        if (item.basis.post, item.basis.area) in taken:
            work.find(FindingKind.WITHHELD, person, f"{item.area.name} {item.post.label} 已被管理员收回")
        else:
            granted.append(item)
    granted = _without_conflicts(work, person, granted)
    for basis in sorted(bases, key=lambda item: (item.at, item.post)):
        seat = (basis.post, basis.area)
        if seat in taken or seat in {(item.basis.post, item.basis.area) for item in granted}:
            continue
        added = _valid(work, person, placed, holds, basis)
        if added is None:
            continue
        conflicts = conflicts_among(work, person, [*granted, added])
        if conflicts:
            work.find(
                FindingKind.BASIS_SUSPENDED,
                person,
                f"{added.area.name} {added.post.label} 的授予依据暂停：{conflicts[0].reason}",
            )
        else:
            granted.append(added)
    return granted


def _without_conflicts(work: Deciding, person: PersonRecord, granted: list[Granted]) -> list[Granted]:
    out: set[PostId] = set()
    # Pair by pair as well: of all together the judge names but one pair for each rule.
    parts = [granted, *combinations(granted, 2)] if len(granted) > 2 else [granted]
    for conflict in dict.fromkeys(found for part in parts for found in conflicts_among(work, person, part)):
        for post in sorted(conflict.posts - out):
            work.find(
                FindingKind.EXCLUDED_POSTS,
                person,
                f"{conflict.label}（{conflict.article}）：{work.pack.post_by_id[post].label} 不授予",
                violation=True,
            )
        out |= conflict.posts
    return [item for item in granted if item.post.id not in out]


def _valid(
    work: Deciding,
    person: PersonRecord,
    placed: list[Placed],
    holds: Sequence[Hold],
    basis: GrantedBasis,
) -> Granted | None:
    """What a basis grants, or None while it grants nothing: the person has left or moved, or the post no
    longer accepts it."""
    area = work.area_of(placed)
    if area is None or area.code != basis.area:
        return None
    post = work.pack.post_at(basis.post, area.code)
    if post is None or basis.kind not in post.bases:
        return None
    if any(hold.kind is HoldKind.LEFT for hold in holds):
        return None
    if not any(work.units.tier(unit) in post.tiers for _, unit in placed):
        return None
    if not is_qualified(work, person, placed, post):
        return None
    return Granted(
        post=post,
        area=area,
        basis=Basis(
            person=person.id,
            post=basis.post,
            area=basis.area,
            kind=basis.kind,
            origin=f"{basis.kind}:{basis.actor}",
            article=post.article,
            since=day_in_china(basis.at),
        ),
    )
