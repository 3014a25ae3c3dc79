"""Whose the account of a line is now, and which area answers for it; since it was written people move."""

from __future__ import annotations

from quanheng.lifecycle.review import ReviewItem
from quanheng.lifecycle.review_scene import Scene, label_of
from quanheng.model.ids import OrgCode
from quanheng.model.realm import RealmUser


def answered_in(scene: Scene, item: ReviewItem) -> OrgCode | None:
    """The area whose administrators answer now; None for an account that is nobody's and is gone."""
    if item.person is not None:
        return scene.answered_in(item.person)
    user = _stranger(scene, item)
    return scene.where_stranger(user).area.code if user is not None else None


def name_of(scene: Scene, item: ReviewItem) -> str:
    """What the one is called whom a line is about; empty when nobody knows."""
    if item.person is not None:
        person = scene.registry.persons.get(item.person)
        return person.name if person is not None else ""
    user = _stranger(scene, item)
    return user.name if user is not None else ""


def _stranger(scene: Scene, item: ReviewItem) -> RealmUser | None:
    others = (user for key, user in scene.observed.users.items() if key not in scene.owners)
    return next((user for user in others if label_of(user) == item.username), None)
