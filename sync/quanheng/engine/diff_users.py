"""Our users: fields, switch, memberships, direct roles, federated identity. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from quanheng.engine.comparison import Comparison, names, plain
from quanheng.engine.desired import DesiredUser
from quanheng.engine.holds import told_kinds, told_reason
from quanheng.engine.matching import is_nobodys
from quanheng.engine.trees import join_rank
from quanheng.model.change import ChangeKind, Json
from quanheng.model.ids import KeycloakId, PersonId, join
from quanheng.model.realm import RealmUser


def create_user(work: Comparison, want: DesiredUser) -> None:
    """An account for somebody who has none, whole: with groups, duties and card."""
    person = want.person
    groups = want.groups | ({want.home} if want.home is not None else set())
    joined = sorted(groups, key=lambda path: (join_rank(work.by_path[path]), path))
    work.add(
        ChangeKind.CREATE,
        str(person.username),
        "来源中的实名人员",
        person=person.id,
        origin=want.origin,
        article=want.bases[0].article if want.bases else "",
        detail={
            "enabled": want.enabled,
            "attributes": plain(want.attributes),
            "groups": [list(path) for path in joined],
            "holds": told_kinds(want.holds),
        },
        private={"name": person.name, "subject": person.subject},
    )


def diff_user(work: Comparison, want: DesiredUser, have: RealmUser) -> None:
    """Everything about an account of ours that is not as it should be."""
    person = want.person
    _diff_fields(work, want, have)
    if have.enabled != want.enabled:
        kind = ChangeKind.ENABLE if want.enabled else ChangeKind.DISABLE
        reason = "已无停用原因" if want.enabled else told_reason(want.holds)
        _user_change(work, kind, want, reason, {"id": have.id, "holds": told_kinds(want.holds)})
    _diff_memberships(work, want, have)
    if surplus := have.roles - {work.default_role}:
        _user_change(
            work,
            ChangeKind.ROLE_REMOVE,
            want,
            "直接授予的角色不是我们给的",
            {"id": have.id, "roles": names(surplus)},
        )
    if work.default_role not in have.roles:
        _user_change(
            work, ChangeKind.ROLE_ADD, want, "缺少默认角色", {"id": have.id, "roles": [work.default_role]}
        )
    for identity in sorted(have.identities - {want.identity}, key=lambda item: item.provider):
        if identity.provider == want.identity.provider:
            continue  # the wrong card: the right one replaces it
        _user_change(
            work,
            ChangeKind.UNLINK,
            want,
            "关联了不应有的外部身份",
            {"id": have.id, "provider": identity.provider},
        )
    if want.identity not in have.identities:
        work.add(
            ChangeKind.LINK,
            str(person.username),
            "电子社保卡身份缺失或不符",
            person=person.id,
            detail={"id": have.id, "provider": want.identity.provider},
            private={"subject": person.subject},
        )


def _diff_fields(work: Comparison, want: DesiredUser, have: RealmUser) -> None:
    person = want.person
    attributes = dict(have.attributes)
    attributes.update(want.attributes)
    fields: list[Json] = []
    if have.username != person.username:
        fields.append("username")
    if have.name != person.name:
        fields.append("name")
    fields += [name for name, value in want.attributes.items() if have.attributes.get(name) != value]
    if fields:
        work.add(
            ChangeKind.UPDATE,
            str(person.username),
            "草稿账号补全为实名账号" if _was_draft(want, have) else "与来源或发放的不同",
            person=person.id,
            origin=want.origin,
            detail={"id": have.id, "fields": fields, "enabled": have.enabled},
            private={"name": person.name, "attributes": plain(attributes)},
        )


def _was_draft(want: DesiredUser, have: RealmUser) -> bool:
    return have.username != want.person.username and is_nobodys(have)


def _diff_memberships(work: Comparison, want: DesiredUser, have: RealmUser) -> None:
    wanted = {work.by_path[path] for path in want.groups}
    home = work.by_path[want.home] if want.home is not None else None
    held: dict[str, KeycloakId] = {}
    homes: dict[str, KeycloakId] = {}
    for group in sorted(have.groups):
        key = work.keys.get(group)
        if key is None:
            path = work.observed.groups[group].path if group in work.observed.groups else ("?",)
            _user_change(
                work,
                ChangeKind.REVOKE,
                want,
                "不应属于此组",
                {"id": have.id, "group": group, "path": join(path)},
            )
        elif key.startswith(("org:", "admin:")) and key not in wanted:
            homes[key] = group
        else:
            held[key] = group
    for key, group in held.items():
        if key not in wanted:
            _revoke(work, want, have, key, group)
    for key in sorted(wanted - set(held), key=lambda key: (join_rank(key), key)):
        _user_change(work, ChangeKind.GRANT, want, "来源中的岗位或资格", _membership(work, have, key))
    surplus = {key: group for key, group in homes.items() if key != home}
    if home is None:
        # No source says where it belongs now: it stays, but not as an administrator or in a retired unit.
        surplus = {
            key: group
            for key, group in surplus.items()
            if key not in work.desired.groups or key.startswith("admin:")
        }
    if home is not None and home not in homes:
        away = next((key for key in surplus if key.startswith("org:")), None)
        detail = _membership(work, have, home)
        if away is not None:
            detail |= {"from": surplus.pop(away), "from_path": join(work.path_of(away))}
        _user_change(work, ChangeKind.MOVE, want, "所属机构变动", detail)
    for key, group in surplus.items():
        _revoke(work, want, have, key, group)


def _revoke(work: Comparison, want: DesiredUser, have: RealmUser, key: str, group: KeycloakId) -> None:
    detail: dict[str, Json] = {"id": have.id, "group": group, "path": join(work.path_of(key)), "key": key}
    _user_change(work, ChangeKind.REVOKE, want, "已无授予依据", detail)


def _membership(work: Comparison, have: RealmUser, key: str) -> dict[str, Json]:
    return {"id": have.id, "path": join(work.desired.groups[key].path), **work.named(key)}


def _user_change(
    work: Comparison, kind: ChangeKind, want: DesiredUser, reason: str, detail: Mapping[str, Json]
) -> None:
    person: PersonId = want.person.id
    article = next((basis.article for basis in want.bases), "")
    work.add(
        kind,
        str(want.person.username),
        reason,
        person=person,
        origin=want.origin,
        article=article,
        detail=detail,
    )
