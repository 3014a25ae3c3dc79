"""The last administrator of a kind in an area is not taken away (decision 5). Pure."""

from __future__ import annotations

from collections import defaultdict

from quanheng.engine.comparison import Comparison
from quanheng.engine.offices import was_given_office
from quanheng.model.change import Change, ChangeKind
from quanheng.model.finding import FindingKind
from quanheng.model.ids import GroupPath, KeycloakId, OrgCode, PostId


def keep_last_administrators(work: Comparison) -> None:
    """Refuse to take away the last administrator of a kind in an area (decision 5)."""
    members: dict[str, set[KeycloakId]] = defaultdict(set)
    proposals = {**work.registry.proposals, **{item.key: item for item in work.desired.proposals}}
    for account in work.registry.accounts.values():
        user = work.observed.users.get(account.keycloak_id)
        for group in user.groups if user is not None else ():
            key = work.keys.get(group, "")
            word, _, office = key.partition(":")
            area, _, post = office.partition(":")
            if word == "admin" and was_given_office(proposals, account.person, OrgCode(area), PostId(post)):
                members[key].add(account.keycloak_id)
    leaving: dict[str, list[Change]] = defaultdict(list)
    for change in work.changes:
        target = change.detail.get("key")
        if change.kind is ChangeKind.REVOKE and isinstance(target, str) and target in members:
            if change.detail["id"] in members[target]:
                leaving[target].append(change)
        elif isinstance(target, str) and target.startswith("admin:"):
            if change.kind in (ChangeKind.MOVE, ChangeKind.GRANT):
                members[target].add(KeycloakId(str(change.detail["id"])))
        elif change.kind is ChangeKind.CREATE:
            for path in _created_groups(change):
                if (made := work.by_path.get(path)) is not None:
                    members[made].add(KeycloakId(change.subject))
    for key, changes in leaving.items():
        if key in work.desired.groups and len(changes) >= len(members[key]):
            kept = min(changes, key=lambda change: change.subject)
            # Nothing new on top of it either: what the next office brings may exclude this one.
            work.changes[:] = [
                change
                for change in work.changes
                if change is not kept
                and not (change.person == kept.person and change.kind in (ChangeKind.MOVE, ChangeKind.GRANT))
            ]
            work.find(
                FindingKind.LAST_ADMINISTRATOR,
                kept.subject,
                f"是 {kept.detail['path']} 的最后一名：未收回，请先补任（账号停用不受影响）",
            )


def _created_groups(change: Change) -> list[GroupPath]:
    groups = change.detail["groups"]
    return (
        [tuple(str(step) for step in path) for path in groups if isinstance(path, list)]
        if isinstance(groups, list)
        else []
    )
