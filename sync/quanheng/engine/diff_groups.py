"""Groups: which is which, what is missing, renamed, moved, too much, or gone. Pure."""

from __future__ import annotations

from quanheng.engine.comparison import RETIRED, Comparison, names, plain
from quanheng.engine.desired import DesiredGroup
from quanheng.engine.matching import match
from quanheng.engine.trees import KEY
from quanheng.model.change import ChangeKind, Json
from quanheng.model.finding import FindingKind
from quanheng.model.ids import join
from quanheng.model.realm import RealmGroup


def match_groups(work: Comparison) -> None:
    """Which observed group is which desired one; another one with a key of ours is told, wherever it is."""
    places = {key: want.path for key, want in work.desired.groups.items()}
    matched = match(work.observed.groups, places, work.roots, work.recoded)
    work.ids.update(matched.ids)
    work.keys.update(matched.keys)
    for group in matched.doubles:
        work.find(FindingKind.FOREIGN_GROUP, join(group.path), "标识与另一组重复，未作处理", violation=True)
    for group in work.observed.groups.values():
        if group.path[0] not in work.roots and group.attributes.get(KEY):
            work.find(
                FindingKind.FOREIGN_GROUP,
                join(group.path),
                "不在本系统的组树中，却带有本系统的组标识，未作处理",
                violation=True,
            )


def diff_groups(work: Comparison) -> None:
    """Create what is missing, mend what differs, retire what is gone, report what is not ours."""
    for key, want in work.desired.groups.items():
        have = work.observed.groups.get(work.ids[key]) if key in work.ids else None
        if have is None:
            work.add(
                ChangeKind.GROUP_CREATE,
                join(want.path),
                "组织机构或岗位需要此组",
                detail={
                    "key": key,
                    "path": list(want.path),
                    **_parent(work, want),
                    "attributes": plain(want.attributes),
                    "roles": names(want.roles),
                },
            )
        else:
            _diff_group(work, want, have)
    for group in work.observed.groups.values():
        known = work.keys.get(group.id)
        if known is None:
            _take_powers(work, group)
        if group.path[0] not in work.roots:
            continue
        if known is None:
            carries = bool(group.roles)
            detail = "不是由 quanheng 建立的组，未作处理" + ("；它带有角色" if carries else "")
            work.find(FindingKind.FOREIGN_GROUP, join(group.path), detail, violation=carries)
        elif known not in work.desired.groups:
            _retire(work, known, group)


def _take_powers(work: Comparison, group: RealmGroup) -> None:
    """Take duties out of a group that is not ours: whoever is in it would hold them."""
    if powers := {role for role in group.roles if work.gives_power(role)}:
        work.find(
            FindingKind.FOREIGN_GROUP,
            join(group.path),
            f"外来组带有岗位角色 {'、'.join(sorted(powers))}",
            violation=True,
        )
        work.add(
            ChangeKind.GROUP_ROLE_REMOVE,
            join(group.path),
            "外来组不得带有岗位角色",
            detail={"id": group.id, "roles": names(powers)},
        )


def _diff_group(work: Comparison, want: DesiredGroup, have: RealmGroup) -> None:
    subject = join(have.path)
    # A foreign attribute on our group is left; ours are set.
    attributes = {name: value for name, value in have.attributes.items() if name != RETIRED}
    attributes.update(want.attributes)
    if have.path[-1] != want.path[-1] or dict(have.attributes) != attributes:
        work.add(
            ChangeKind.GROUP_UPDATE,
            subject,
            "名称或属性与应有的不同",
            detail={"id": have.id, "name": want.path[-1], "attributes": plain(attributes)},
        )
    if len(want.path) > 1 and _parent_key(work, have) != work.by_path[want.path[:-1]]:
        work.add(
            ChangeKind.GROUP_MOVE,
            subject,
            "上级与应有的不同",
            detail={"id": have.id, **_parent(work, want)},
        )
    # Which of the exchanged roles it has and which it should have, their names do not tell.
    unknown = work.exchanged if work.exchanged & want.roles else frozenset()
    if surplus := have.roles - want.roles - unknown:
        work.add(
            ChangeKind.GROUP_ROLE_REMOVE,
            subject,
            "组带有不应有的角色",
            detail={"id": have.id, "roles": names(surplus)},
        )
    if missing := want.roles - have.roles:
        work.add(
            ChangeKind.GROUP_ROLE_ADD,
            subject,
            "组缺少应有的角色",
            detail={"id": have.id, "roles": names(missing)},
        )


def _parent(work: Comparison, want: DesiredGroup) -> dict[str, Json]:
    """What a group lies under, empty for a root."""
    above = want.path[:-1]
    return work.named(work.by_path[above], as_key="parent", as_id="parent_id") if above else {}


def _parent_key(work: Comparison, group: RealmGroup) -> str | None:
    parent = work.path_ids.get(group.path[:-1])
    return work.keys.get(parent) if parent is not None else None


def _retire(work: Comparison, key: str, group: RealmGroup) -> None:
    if group.roles:
        work.add(
            ChangeKind.GROUP_ROLE_REMOVE,
            join(group.path),
            "机构已撤销",
            detail={"id": group.id, "roles": names(group.roles)},
        )
    if RETIRED not in group.attributes:
        attributes: dict[str, Json] = {**plain(group.attributes), RETIRED: ["true"]}
        work.add(
            ChangeKind.GROUP_RETIRE,
            join(group.path),
            "机构已撤销：清空并保留",
            detail={"id": group.id, "key": key, "name": group.path[-1], "attributes": attributes},
        )


def diff_roles(work: Comparison) -> None:
    """Report protected roles that are missing or do not contain exactly what they should: only the
    configurator, or the guard, may mend them."""
    carried = {name for group in work.desired.groups.values() for name in group.roles}
    wanted = {name: work.contents.get(name, frozenset()) for name in carried | work.contents.keys()}
    for name, parts in sorted(wanted.items()):
        if name in work.exchanged:
            continue
        role = work.observed.roles.get(name)
        if role is None:
            what = "角色不存在"
        elif surplus := role.composites - parts:
            what = f"角色含有不应有的角色 {'、'.join(sorted(surplus))}"
        elif lacking := parts - role.composites:
            what = f"角色缺少应含的角色 {'、'.join(sorted(lacking))}"
        else:
            continue
        work.find(FindingKind.FOREIGN_ROLE, str(name), f"{what}：请运行 quanheng realm apply", violation=True)
