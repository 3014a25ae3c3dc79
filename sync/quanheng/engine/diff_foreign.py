"""Users that are not ours: reported and left alone, but taken out of our groups (decision 9). Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from quanheng.engine.comparison import Comparison, names
from quanheng.model.change import ChangeKind
from quanheng.model.finding import FindingKind
from quanheng.model.ids import KeycloakId, join
from quanheng.model.realm import RealmUser


def diff_foreign_user(work: Comparison, have: RealmUser, *, is_wanted: bool) -> None:
    """Report a user that is not ours; take it out of our groups, which are ours.

    ``is_wanted``: its name is that of one of our people.
    """
    if not have.service_account:
        work.find(FindingKind.FOREIGN_USER, str(have.username), "不是由 quanheng 建立的账号，未作处理")
    if is_wanted:
        report_taken_name(work, have)
    disarm(work, have, "外来账号", have.groups)


def report_taken_name(work: Comparison, have: RealmUser) -> None:
    """Tell that a user has the name of one of our people: Keycloak refuses it to its owner for ever."""
    work.find(
        FindingKind.NAME_TAKEN,
        str(have.username),
        "外来账号占用了本系统人员的用户名，该人员的账号不能建立或改回此名：请由主域管理员给外来账号改名或删除，"
        "下一次同步即恢复",
        violation=True,
    )


def disarm(work: Comparison, have: RealmUser, what: str, groups: Iterable[KeycloakId]) -> None:
    """Take a user that is nobody's out of these groups as far as they are ours, and duties' roles from it.

    ``what`` it is called: 外来账号.
    """
    for group in sorted(groups):
        if group not in work.keys:
            continue
        path = join(work.observed.groups[group].path)
        work.find(FindingKind.DUTY_ON_FOREIGN_USER, str(have.username), f"{what}属于 {path}", violation=True)
        work.add(
            ChangeKind.REVOKE,
            str(have.username),
            f"{what}或服务账号不得持有岗位",
            detail={"id": have.id, "group": group, "path": path, "key": work.keys[group]},
        )
    if roles := {role for role in have.roles if work.gives_power(role)}:
        held = "、".join(sorted(roles))
        work.find(FindingKind.DUTY_ON_FOREIGN_USER, str(have.username), f"{what}持有 {held}", violation=True)
        work.add(
            ChangeKind.ROLE_REMOVE,
            str(have.username),
            f"{what}或服务账号不得持有岗位角色",
            detail={"id": have.id, "roles": names(roles)},
        )


def report_shared_identities(work: Comparison) -> None:
    """Keycloak accepts one federated identity on two users: uniqueness is ours to keep."""
    holders: dict[tuple[str, str], list[RealmUser]] = defaultdict(list)
    for user in work.observed.users.values():
        for identity in user.identities:
            holders[identity.provider, identity.subject].append(user)
    for users in holders.values():
        if len(users) > 1:
            holders_of_it = "、".join(sorted(str(user.username) for user in users))
            work.find(
                FindingKind.DUPLICATE_IDENTITY,
                holders_of_it,
                "同一外部身份关联了多个账号：请先停用再核实",
                violation=True,
            )
