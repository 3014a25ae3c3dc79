"""What lines of the monthly review say of permissions and accounts. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from quanheng.lifecycle.review_scene import Scene
from quanheng.model.ids import OrgCode, PersonId, RoleName
from quanheng.model.realm import RealmUser
from quanheng.policy.effective import DIRECT
from quanheng.policy.judge import describe_path
from quanheng.policy.rules import Conflict, Held

_SHOWN: Final = 12
"""Permissions or accounts that one line names; the rest are counted."""


def everything(scene: Scene, user: RealmUser, others: Collection[RoleName]) -> str:
    """Duties and these other roles, for people."""
    parts = [labels(scene, scene.held.get(user.id, ())), few(sorted(others))]
    return "、".join(filter(None, parts))


def about_of(held: Iterable[Held], others: Iterable[RoleName]) -> str:
    """The same, for what tells two lines apart. What grows is another line: who answered for less did not
    answer for this."""
    return "|".join(sorted({f"{item.role}@{item.area or ''}" for item in held} | set(others)))


def kind_of(scene: Scene, user: RealmUser) -> str:
    """What an account is that is nobody's."""
    if user.id in scene.draft_ids:
        return "草稿账号"
    return "服务账号" if user.service_account else "非实名账号"


def labels(scene: Scene, held: Sequence[Held]) -> str:
    """Labels of duties, each once, with the area whose group gives it; none does of a direct mapping."""
    duties = scene.rules.duties
    texts = []
    for item in held:
        if item.role in duties:
            texts.append(f"{duties[item.role].label}（{place_of(scene, item)}）")
    return few(list(dict.fromkeys(texts)))


def place_of(scene: Scene, item: Held) -> str:
    """Where something is held: the area, or how it comes that there is none."""
    if item.area is not None:
        return area_name(scene, item.area)
    return DIRECT if item.path[0] == DIRECT else f"经组 {item.path[0]}"


def area_name(scene: Scene, area: OrgCode) -> str:
    """What people call it; its code when nobody knows it any more."""
    unit = scene.units.resolve(area)
    return unit.name if unit is not None else area


def reason_of(scene: Scene, conflict: Conflict) -> str:
    """Why two things do not go together, with areas and labels in place of codes and paths of groups."""
    reason, duties = conflict.reason, scene.rules.duties
    for item in conflict.held:
        steps = (duties.get(RoleName(step)) for step in item.path[1:-1])
        within = [duty.label for duty in steps if duty is not None]
        place = "，".join([place_of(scene, item), *within])
        reason = reason.replace(f"（{describe_path(scene.rules, item)}）", f"（{place}）")
        if item.area is not None:
            reason = reason.replace(f"：{item.area} 至多", f"：{area_name(scene, item.area)}至多")
    return reason


def few(texts: Sequence[str]) -> str:
    """So many of them, and how many there are."""
    more = len(texts) - _SHOWN
    return "、".join(texts[:_SHOWN]) + (f" 等 {len(texts)} 项" if more > 0 else "")


def last_login(scene: Scene, person: PersonId) -> str:
    """For the end of a sentence; empty where nobody has looked at logins."""
    if person not in scene.last_logins:
        return ""
    day = scene.last_logins[person]
    return f"，最近登录 {day.isoformat()}" if day is not None else "，从未登录"
