"""What lines of the monthly review say of permissions and accounts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from quanheng.lifecycle.review_powers import powers_over_realm
from quanheng.lifecycle.review_scene import Scene
from quanheng.model.realm import RealmUser
from quanheng.policy.rules import Held

_SHOWN: Final = 12
"""Permissions or accounts that one line names; the rest are counted."""


def everything(scene: Scene, user: RealmUser) -> str:
    """Duties and powers over the realm, for people."""
    parts = [labels(scene, scene.held.get(user.id, ())), few(sorted(powers_over_realm(scene, user)))]
    return "、".join(filter(None, parts))


def about_of(scene: Scene, user: RealmUser) -> str:
    """The same, for what tells two lines apart: more of it is another line, and is asked about anew."""
    duties = {str(item.role) for item in scene.held.get(user.id, ())}
    return "|".join(sorted(duties | powers_over_realm(scene, user)))


def labels(scene: Scene, held: Sequence[Held]) -> str:
    """Labels of duties, each once, with the area whose group gives it; none does of a direct mapping."""
    duties = scene.rules.duties
    texts = []
    for item in held:
        if item.role in duties:
            unit = scene.units.resolve(item.area) if item.area is not None else None
            place = "直接授予" if item.area is None else unit.name if unit is not None else item.area
            texts.append(f"{duties[item.role].label}（{place}）")
    return few(list(dict.fromkeys(texts)))


def few(texts: Sequence[str]) -> str:
    """So many of them, and how many there are."""
    more = len(texts) - _SHOWN
    return "、".join(texts[:_SHOWN]) + (f" 等 {len(texts)} 项" if more > 0 else "")
