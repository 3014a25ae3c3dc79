"""Accounts that are one person's, for the monthly review. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from quanheng.lifecycle.review import Found, Handling, ReviewKind
from quanheng.lifecycle.review_lines import of_person, of_stranger
from quanheng.lifecycle.review_own import same_person
from quanheng.lifecycle.review_scene import Scene, label_of
from quanheng.lifecycle.review_words import few, last_login
from quanheng.model.realm import RealmUser


def find_duplicates(scene: Scene) -> Iterator[Found]:
    """Accounts that are one person's: by card, by what we wrote into them, or by name and phone."""
    cards: dict[tuple[str, str], list[RealmUser]] = defaultdict(list)
    marks: dict[str, list[RealmUser]] = defaultdict(list)
    for user in scene.observed.users.values():
        for identity in user.identities:
            cards[identity.provider, identity.subject].append(user)
        for mark in set(user.attributes.get("person_id", ())) - {""}:
            marks[mark].append(user)
    names: dict[tuple[str, str], list[RealmUser]] = defaultdict(list)
    for person, _, user in scene.people:
        names[same_person(person)].append(user)
    for about, why, groups in (
        ("card", "关联同一外部身份", cards.values()),
        ("person", "人员标识相同", marks.values()),
        ("name_phone", "姓名、电话相同，疑为同一人", names.values()),
    ):
        for users in groups:
            if len(users) > 1:
                yield from _duplicates(scene, users, about, why)


def _duplicates(scene: Scene, users: Sequence[RealmUser], about: str, why: str) -> Iterator[Found]:
    def rank(user: RealmUser) -> tuple[bool, bool, bool, str]:
        person = scene.owners.get(user.id)
        want = scene.desired.get(person) if person is not None else None
        return person is None, not user.enabled, want is None or not want.bases, str(user.username)

    ordered = sorted(users, key=rank)
    for user in ordered:
        others = [label_of(other) for other in ordered if other is not user]
        person, first = scene.owners.get(user.id), user is ordered[0]
        duties = len({item.role for item in scene.held.get(user.id, ())})
        state = f"本账号{'启用' if user.enabled else '停用'}，权限 {duties} 项"
        if person is not None:
            state += last_login(scene, person)
        detail = f"与 {few(others)} {why}；{state}"
        which = "|".join([about, *sorted(others)])
        if person is None:
            proposed = Handling.KEEP if first else Handling.FREEZE
            yield of_stranger(scene, user, ReviewKind.DUPLICATE, detail, proposed, which)
        else:
            record, proposed = scene.registry.persons[person], Handling.KEEP if first else Handling.DEREGISTER
            article = scene.pack.lifecycle.review.article
            yield of_person(scene, record, ReviewKind.DUPLICATE, detail, proposed, article, which)
