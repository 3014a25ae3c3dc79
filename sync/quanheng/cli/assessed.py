"""What ``explain`` and ``predict`` share: a post that somebody could or could not be given, for a report."""

from __future__ import annotations

from typing import Any

from rich.console import RenderableType

from quanheng.cli.console import lines_of
from quanheng.cli.labels import BASES, OBSTACLES
from quanheng.operations.answering.assessing import Assessment, Obstacle, Way
from quanheng.operations.answering.looking import Subject
from quanheng.operations.context import Context
from quanheng.policy.judge import describe_path
from quanheng.policy.rules import Held


def subject_payload(subject: Subject) -> dict[str, Any]:
    """Who it is about; no name of a person."""
    area = subject.area
    return {
        "user": subject.name,
        "staff_no": subject.person.staff_no if subject.person is not None else None,
        "ours": subject.person is not None,
        "service_account": subject.user is not None and subject.user.service_account,
        "account": subject.user is not None,
        "enabled": subject.user is not None and subject.user.enabled,
        "area": area.code if area is not None else None,
        "area_name": area.name if area is not None else None,
    }


def subject_text(subject: Subject) -> str:
    """Who it is about, for the operator's screen."""
    person, user, area = subject.person, subject.user, subject.area
    parts = [subject.name]
    if person is not None:
        parts.append(f"{person.name}（人员编号 {person.staff_no}）")
    else:
        parts.append("服务账号" if user is not None and user.service_account else "非本系统账号")
    if area is not None:
        parts.append(f"{area.code} {area.name}")
    parts.append("尚无账号" if user is None else "启用" if user.enabled else "停用")
    return "  ".join(parts)


def held_payload(context: Context, held: Held) -> dict[str, Any]:
    """A thing with the way by which it is held."""
    duty = context.rules.duties.get(held.role)
    return {
        "role": held.role,
        "label": duty.label if duty is not None else held.role,
        "area": held.area,
        "path": list(held.path),
        "path_text": describe_path(context.rules, held),
    }


def assessment_payload(context: Context, item: Assessment) -> dict[str, Any]:
    """A post with what is in the way, and the ways to it."""
    return {
        "post": item.post.id,
        "label": item.post.label,
        "area": item.area.code if item.area is not None else None,
        "already": item.already,
        "possible": item.possible,
        "reasons": [_obstacle_payload(context, obstacle) for obstacle in item.obstacles],
        "ways": [
            {"basis": str(way.basis), "by": list(way.by), "second_person": way.second_person}
            for way in item.ways
        ],
    }


def reasons_text(item: Assessment) -> RenderableType:
    """Why not, a line each."""
    return lines_of(map(_obstacle_text, item.obstacles))


def ways_text(context: Context, item: Assessment) -> str:
    """On which bases, and through whom."""
    return "；".join(_way_text(context, way) for way in item.ways)


def _way_text(context: Context, way: Way) -> str:
    by = "或".join(context.pack.post_by_id[post].label for post in way.by)
    if way.second_person:
        return f"{BASES[way.basis]}，须第二人（{by}）批准"
    return f"{BASES[way.basis]}（{by}）" if by else BASES[way.basis]


def _obstacle_text(item: Obstacle) -> str:
    told = f"{OBSTACLES[item.kind]}：{item.reason}"
    return f"{told}（可申请豁免：--rule {item.rule}）" if item.waivable else told


def _obstacle_payload(context: Context, item: Obstacle) -> dict[str, Any]:
    return {
        "kind": str(item.kind),
        "rule": item.rule,
        "article": item.article,
        "waivable": item.waivable,
        "reason": item.reason,
        "held": [held_payload(context, held) for held in item.held],
    }
