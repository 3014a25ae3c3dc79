"""Accounts that seem to be one person's, whoever they are recorded as. Pure."""

from __future__ import annotations

import unicodedata

from quanheng.lifecycle.review_scene import Scene
from quanheng.model.person import PersonRecord
from quanheng.model.realm import RealmUser


def same_person(person: PersonRecord) -> tuple[str, str]:
    """What two records of one person have in common: name and phone, without showing either."""
    return unicodedata.normalize("NFKC", person.name).strip(), person.phone_index


def accounts_of(scene: Scene, person: PersonRecord) -> tuple[RealmUser, ...]:
    """Every account that shares its card or our mark with somebody's, or whose record has the same name and
    phone."""
    alike = {
        account.keycloak_id
        for other, account in scene.registry.accounts.items()
        if other == person.id or same_person(scene.registry.persons[other]) == same_person(person)
    }
    mine = [user for key in alike if (user := scene.observed.users.get(key)) is not None]
    cards = {(item.provider, item.subject) for user in mine for item in user.identities}
    marks = {mark for user in mine for mark in user.attributes.get("person_id", ())} - {""}
    return tuple(
        user
        for user in scene.observed.users.values()
        if user.id in alike
        or not cards.isdisjoint((item.provider, item.subject) for item in user.identities)
        or not marks.isdisjoint(user.attributes.get("person_id", ()))
    )
