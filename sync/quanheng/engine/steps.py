"""One step of a plan against Keycloak: the call to make, and what holds afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

from quanheng.engine.desired import OWN_ATTRIBUTES
from quanheng.engine.effects import (
    attributes_of,
    group_after,
    identity_of,
    target_of,
    texts,
    user_after,
)
from quanheng.keycloak.port import Realm, RealmRefusedError
from quanheng.model.change import Change, ChangeKind
from quanheng.model.ids import GroupPath, KeycloakId, RoleName, Username
from quanheng.model.realm import FederatedIdentity, NewUser, ObservedRealm, RealmGroup, RealmUser

Step = tuple[int, Change]
"""Number of a change in its plan, and the change."""

ENDS_SESSIONS: Final = frozenset(
    {ChangeKind.DISABLE, ChangeKind.REVOKE, ChangeKind.ROLE_REMOVE, ChangeKind.UNLINK}
)
"""Kinds after which the user is logged out: a session would carry the old power in its tokens, or was begun
by a card that is not the user's. What is taken from a group ends its members' (:mod:`quanheng.engine.apply`).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one step: what is there now, or why it was refused."""

    step: int
    change: Change
    user: RealmUser | None = None
    group: RealmGroup | None = None
    refusal: str | None = None


class World:
    """What is in the realm while a plan is carried out; the main thread alone changes it."""

    def __init__(self, observed: ObservedRealm) -> None:
        self.users = dict(observed.users)
        self.groups = dict(observed.groups)
        self.made: dict[str, KeycloakId] = {}
        """Key of each group that this plan made → its id."""

    def learn(self, result: Result) -> None:
        """Take in what a step left behind."""
        if result.user is not None:
            self.users[result.user.id] = result.user
        if result.group is not None:
            before = self.groups.get(result.group.id)
            self.groups[result.group.id] = result.group
            if result.change.kind is ChangeKind.GROUP_CREATE:
                self.made[str(result.change.detail["key"])] = result.group.id
            if before is not None and before.path != result.group.path:
                self._rename_below(before.path, result.group.path)

    def _rename_below(self, old: GroupPath, new: GroupPath) -> None:
        for group in list(self.groups.values()):
            if len(group.path) > len(old) and group.path[: len(old)] == old:
                self.groups[group.id] = replace(group, path=(*new, *group.path[len(old) :]))

    def above(self, change: Change) -> RealmGroup | None:
        """The group under which a change puts a group; None for the top."""
        detail = change.detail
        if "parent" not in detail:
            return None
        known = detail.get("parent_id", self.made.get(str(detail["parent"])))
        group = self.groups.get(KeycloakId(str(known)))
        if group is None:
            raise _not_there(str(detail["parent"]))
        return group


def _not_there(key: str) -> RealmRefusedError:
    return RealmRefusedError(
        f"the group {key} is not there: it was refused before", status=HTTPStatus.NOT_FOUND
    )


def run_group_step(realm: Realm, world: World, step: Step) -> Result:
    """Carry out one change of a group."""
    number, change = step
    detail = change.detail
    above = world.above(change)
    path = above.path if above is not None else ()
    if change.kind is ChangeKind.GROUP_CREATE:
        name = texts(detail["path"])[-1]
        attributes = attributes_of(detail["attributes"])
        roles = frozenset(RoleName(role) for role in texts(detail["roles"]))
        made = realm.create_group(above.id if above is not None else None, name, attributes, roles)
        group = RealmGroup(id=made, path=(*path, name), attributes=attributes, roles=roles)
        return Result(step=number, change=change, group=group)
    group = world.groups[KeycloakId(str(detail["id"]))]
    after = group_after(change, group, path)
    roles = frozenset(RoleName(name) for name in texts(detail.get("roles")))
    match change.kind:
        case ChangeKind.GROUP_UPDATE | ChangeKind.GROUP_RETIRE:
            realm.update_group(group.id, after.path[-1], after.attributes)
        case ChangeKind.GROUP_MOVE if above is not None:
            realm.move_group(group.id, above.id)
        case ChangeKind.GROUP_ROLE_ADD:
            realm.add_group_roles(group.id, roles)
        case ChangeKind.GROUP_ROLE_REMOVE:
            realm.remove_group_roles(group.id, roles)
    return Result(step=number, change=change, group=after)


def run_user_step(realm: Realm, world: World, step: Step) -> Result:
    """Carry out one change of an existing user."""
    number, change = step
    detail = change.detail
    user = world.users[KeycloakId(str(detail["id"]))]
    target = _target(world, change)
    after = user_after(change, user, target)
    roles = frozenset(RoleName(name) for name in texts(detail.get("roles")))
    match change.kind:
        case ChangeKind.DISABLE if change.person is None:
            realm.switch_off(user.id)  # a draft: its name and attributes are not ours to write
        case ChangeKind.UPDATE | ChangeKind.ENABLE | ChangeKind.DISABLE:
            realm.update_user(
                user.id,
                username=after.username,
                # A new name must not switch on again what somebody switches off meanwhile.
                enabled=None if change.kind is ChangeKind.UPDATE else after.enabled,
                name=after.name,
                attributes=_own_attributes(after),
            )
        case ChangeKind.GRANT if target is not None:
            realm.join_group(user.id, target)
        case ChangeKind.REVOKE:
            realm.leave_group(user.id, KeycloakId(str(detail["group"])))
        case ChangeKind.MOVE if target is not None:
            # Left first: nobody is in two organisations, not even for a moment.
            if "from" in detail:
                realm.leave_group(user.id, KeycloakId(str(detail["from"])))
            realm.join_group(user.id, target)
        case ChangeKind.ROLE_ADD:
            realm.add_roles(user.id, roles)
        case ChangeKind.ROLE_REMOVE:
            realm.remove_roles(user.id, roles)
        case ChangeKind.LINK:
            realm.link_identity(user.id, identity_of(change))
        case ChangeKind.UNLINK:
            realm.unlink_identity(user.id, str(detail["provider"]))
    if change.kind in ENDS_SESSIONS or _replaces_card(change, user):
        with suppress(RealmRefusedError):  # it is done all the same, and has to be known to be done
            realm.logout(user.id)
    return Result(step=number, change=change, user=after)


def set_name_aside(realm: Realm, user: RealmUser, update: Change) -> None:
    """Give a user all that an UPDATE gives it but the name: it gets one that nobody wants, since its present
    one is to be somebody else's."""
    after = user_after(update, user)
    realm.update_user(
        user.id,
        username=Username(f"quanheng-{user.id}"),
        enabled=None,
        name=after.name,
        attributes=_own_attributes(after),
    )


def _own_attributes(user: RealmUser) -> dict[str, tuple[str, ...]]:
    """Those that we write."""
    return {name: user.attributes[name] for name in OWN_ATTRIBUTES & set(user.attributes)}


def _replaces_card(change: Change, user: RealmUser) -> bool:
    """Whether another card could log in as this user until now."""
    return change.kind is ChangeKind.LINK and any(
        item.provider == change.detail["provider"] and item != identity_of(change) for item in user.identities
    )


def _target(world: World, change: Change) -> KeycloakId | None:
    if change.kind not in (ChangeKind.GRANT, ChangeKind.MOVE):
        return None
    target = target_of(change, world.made)
    if target is None:
        raise _not_there(str(change.detail["key"]))
    return target


def run_creations(
    realm: Realm, provider: str, paths: Mapping[GroupPath, KeycloakId], batch: Sequence[Step]
) -> list[Result]:
    """Create a batch of users: in one transaction while the configurator is open, else one by one.

    A batch that is refused is tried one by one, so that one bad user does not keep out the others.
    """
    if realm.can_import and len(batch) > 1:
        try:
            made = realm.import_users([_new_user(provider, change) for _, change in batch])
        except RealmRefusedError:
            return [_create_one(realm, provider, paths, step) for step in batch]
        return [
            _created(provider, paths, realm.default_role, step, made[Username(step[1].subject)])
            if step[1].subject in made
            else _look(realm, step)
            for step in batch
        ]
    return [_create_one(realm, provider, paths, step) for step in batch]


def _new_user(provider: str, change: Change) -> NewUser:
    groups = change.detail["groups"]
    return NewUser(
        username=Username(change.subject),
        enabled=bool(change.detail["enabled"]),
        name=str(change.private["name"]),
        attributes=attributes_of(change.detail["attributes"]),
        groups=tuple(texts(path) for path in groups) if isinstance(groups, list) else (),
        identities=frozenset({_identity(provider, change)}),
    )


def _identity(provider: str, change: Change) -> FederatedIdentity:
    return FederatedIdentity(provider, str(change.private["subject"]), change.subject)


def _create_one(realm: Realm, provider: str, paths: Mapping[GroupPath, KeycloakId], step: Step) -> Result:
    try:
        made = realm.create_user(_new_user(provider, step[1]))
    except RealmRefusedError as error:
        if error.status == HTTPStatus.CONFLICT:
            return _look(realm, step)
        return Result(step=step[0], change=step[1], refusal=str(error))
    # Read back: the server may have added what nobody asked for, a default group of the realm for one.
    there = realm.read_user(made)
    if there is not None:
        return Result(step=step[0], change=step[1], user=there)
    return _created(provider, paths, realm.default_role, step, made)


def _created(
    provider: str,
    paths: Mapping[GroupPath, KeycloakId],
    default_role: RoleName,
    step: Step,
    made: KeycloakId,
) -> Result:
    new = _new_user(provider, step[1])
    user = RealmUser(
        id=made,
        username=new.username,
        enabled=new.enabled,
        name=new.name,
        attributes=new.attributes,
        groups=frozenset(paths[path] for path in new.groups),
        roles=frozenset({default_role}),
        identities=new.identities,
    )
    return Result(step=step[0], change=step[1], user=user)


def _look(realm: Realm, step: Step) -> Result:
    """A user of that name is there already: ours from an interrupted run, or somebody else's."""
    number, change = step
    user = realm.find_user(Username(change.subject))
    if user is not None and any(item.subject == change.private["subject"] for item in user.identities):
        return Result(step=number, change=change, user=user)
    return Result(step=number, change=change, refusal="用户名已被外来账号占用：请先处理该账号")
