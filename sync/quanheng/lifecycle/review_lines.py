"""Lines of the monthly review, as its finders make them. Pure."""

from __future__ import annotations

from typing import Final

from quanheng.lifecycle.review import Found, Handling, ReviewKind
from quanheng.lifecycle.review_scene import Scene, label_of
from quanheng.logs import redact_text
from quanheng.model.person import PersonRecord
from quanheng.model.realm import RealmUser

REAL_NAME: Final = "E4"
"""Article: every account is somebody's, by real name."""


def of_person(
    scene: Scene,
    person: PersonRecord,
    kind: ReviewKind,
    detail: str,
    proposed: Handling,
    article: str,
    about: str = "",
) -> Found:
    """A line about one of ours, for whoever answers for them."""
    return Found(
        kind=kind,
        county=scene.answered_in(person.id),
        person=person.id,
        username=str(person.username),
        about=about,
        detail=redact_text(detail),
        proposed=proposed,
        article=article,
    )


def of_stranger(
    scene: Scene, user: RealmUser, kind: ReviewKind, detail: str, proposed: Handling, about: str = ""
) -> Found:
    """A line about an account that is nobody's."""
    return Found(
        kind=kind,
        county=scene.where_stranger(user).area.code,
        person=None,
        username=label_of(user),
        about=about,
        detail=redact_text(detail),
        proposed=proposed,
        article=REAL_NAME,
    )
