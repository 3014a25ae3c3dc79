"""What a change does to a user or group, as a value. Pure.

A change is in effect when its effect on what is there changes nothing: that is how an interrupted
plan is finished without doing or recording anything twice (decision 21).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from quanheng.engine.trees import KEY
from quanheng.model.change import Change, ChangeKind
from quanheng.model.ids import GroupPath, KeycloakId, RoleName, Username
from quanheng.model.realm import FederatedIdentity, ObservedRealm, RealmGroup, RealmUser


def texts(value: object) -> tuple[str, ...]:
    """A JSON list of strings as a tuple."""
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


def attributes_of(value: object) -> dict[str, tuple[str, ...]]:
    """A JSON object of lists as attributes."""
    return {name: texts(item) for name, item in value.items()} if isinstance(value, dict) else {}


def identity_of(change: Change) -> FederatedIdentity:
    """The federated identity that a LINK writes."""
    return FederatedIdentity(str(change.detail["provider"]), str(change.private["subject"]), change.subject)


def target_of(change: Change, made: Mapping[str, KeycloakId]) -> KeycloakId | None:
    """The group that a change puts somebody into, or None when it is not there.

    ``made``: key of each group that the same plan made → its id.
    """
    known = change.detail.get("group")
    return KeycloakId(str(known)) if known is not None else made.get(str(change.detail["key"]))


def user_after(change: Change, user: RealmUser, target: KeycloakId | None = None) -> RealmUser:
    """The user when ``change`` is done. ``target``: the group that a GRANT or MOVE joins."""
    detail = change.detail
    match change.kind:
        case ChangeKind.UPDATE:
            return replace(
                user,
                username=Username(change.subject),
                name=str(change.private["name"]),
                attributes=attributes_of(change.private["attributes"]),
            )
        case ChangeKind.ENABLE | ChangeKind.DISABLE:
            return replace(user, enabled=change.kind is ChangeKind.ENABLE)
        case ChangeKind.GRANT:
            return replace(user, groups=user.groups | ({target} if target else set()))
        case ChangeKind.REVOKE:
            return replace(user, groups=user.groups - {KeycloakId(str(detail["group"]))})
        case ChangeKind.MOVE:
            left = {KeycloakId(str(detail["from"]))} if "from" in detail else set()
            return replace(user, groups=(user.groups - left) | ({target} if target else set()))
        case ChangeKind.ROLE_ADD:
            return replace(user, roles=user.roles | {RoleName(name) for name in texts(detail["roles"])})
        case ChangeKind.ROLE_REMOVE:
            return replace(user, roles=user.roles - {RoleName(name) for name in texts(detail["roles"])})
        case ChangeKind.LINK:
            new = identity_of(change)
            kept = {item for item in user.identities if item.provider != new.provider}
            return replace(user, identities=frozenset(kept | {new}))
        case ChangeKind.UNLINK:
            kept = {item for item in user.identities if item.provider != detail["provider"]}
            return replace(user, identities=frozenset(kept))
        case _:
            raise ValueError(f"{change.kind} is not a change of an existing user")


def group_after(change: Change, group: RealmGroup, above: GroupPath = ()) -> RealmGroup:
    """The group when ``change`` is done. ``above``: path of the group that a GROUP_MOVE puts it under."""
    detail = change.detail
    match change.kind:
        case ChangeKind.GROUP_UPDATE | ChangeKind.GROUP_RETIRE:
            path = (*group.path[:-1], str(detail["name"]))
            return replace(group, path=path, attributes=attributes_of(detail["attributes"]))
        case ChangeKind.GROUP_MOVE:
            return replace(group, path=(*above, group.path[-1]))
        case ChangeKind.GROUP_ROLE_ADD:
            return replace(group, roles=group.roles | {RoleName(name) for name in texts(detail["roles"])})
        case ChangeKind.GROUP_ROLE_REMOVE:
            return replace(group, roles=group.roles - {RoleName(name) for name in texts(detail["roles"])})
        case _:
            raise ValueError(f"{change.kind} is not a change of an existing group")


def is_group_change(kind: ChangeKind) -> bool:
    """Whether a kind changes a group rather than a user."""
    return kind.value.startswith("group_")


class InEffect:
    """Tells which changes of a plan are done already in what a realm holds."""

    def __init__(self, observed: ObservedRealm, changes: Iterable[Change]) -> None:
        self._observed = observed
        self._by_name = {user.username: user for user in observed.users.values()}
        self._keyed: dict[str, list[RealmGroup]] = defaultdict(list)
        for group in sorted(observed.groups.values(), key=lambda item: item.path):
            for key in group.attributes.get(KEY, ())[:1]:
                self._keyed[key].append(group)
        self._made: dict[str, RealmGroup] = {}
        for change in changes:
            if change.kind is ChangeKind.GROUP_CREATE and (group_made := self._find_made(change)) is not None:
                self._made[str(change.detail["key"])] = group_made

    def _find_made(self, change: Change) -> RealmGroup | None:
        # By key and under its own parent, which may not have its new name yet: a copy stands elsewhere.
        above = self._above(change) if "parent" in change.detail else ()
        if above is None:
            return None
        path = (*above, texts(change.detail["path"])[-1])
        return next((group for group in self._keyed[str(change.detail["key"])] if group.path == path), None)

    def user(self, change: Change) -> RealmUser | None:
        """The user that a change is about, if it is there."""
        if change.kind is ChangeKind.CREATE:
            made = self._by_name.get(Username(change.subject))
            ours = made is not None and any(
                item.subject == change.private["subject"] for item in made.identities
            )
            return made if ours else None
        return self._observed.users.get(KeycloakId(str(change.detail["id"])))

    def group(self, change: Change) -> RealmGroup | None:
        """The group that a change is about, if it is there."""
        if change.kind is ChangeKind.GROUP_CREATE:
            return self._made.get(str(change.detail["key"]))
        return self._observed.groups.get(KeycloakId(str(change.detail["id"])))

    def __call__(self, change: Change) -> bool:
        """Whether ``change`` is done."""
        if is_group_change(change.kind):
            group = self.group(change)
            if group is None or change.kind is ChangeKind.GROUP_CREATE:
                return group is not None
            above = self._above(change) if change.kind is ChangeKind.GROUP_MOVE else ()
            return above is not None and group_after(change, group, above) == group
        user = self.user(change)
        if user is None or change.kind is ChangeKind.CREATE:
            return user is not None
        target = None
        if change.kind in (ChangeKind.GRANT, ChangeKind.MOVE):
            target = target_of(change, {key: made.id for key, made in self._made.items()})
            if target is None:
                return False
        return user_after(change, user, target) == user

    def _above(self, change: Change) -> GroupPath | None:
        known = change.detail.get("parent_id")
        if known is not None:
            group = self._observed.groups.get(KeycloakId(str(known)))
        else:
            group = self._made.get(str(change.detail["parent"]))
        return None if group is None else group.path
