"""The monthly look at accounts (S11, E8, J9; 《账号清理清单》): kinds, proposals, answers. Pure.

A line says of one account one thing that was found, and proposes what to do about it. A person answers it;
nothing is done by itself. What is found is in :mod:`quanheng.lifecycle.review_finding`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from quanheng.model.ids import OrgCode, PersonId

LONGEST_NAME: Final = 64
"""Characters of what an account is called here; one with a longer name goes by its id."""
_MONTH: Final = re.compile(r"20\d\d-(0[1-9]|1[0-2])")


class ReviewKind(StrEnum):
    """What may be found of an account, in the order in which it is listed."""

    ILLEGAL = "illegal"  # a draft that nobody completed, a stranger with duties, no real name
    CONFLICT = "conflict"
    OVER_PRIVILEGED = "over_privileged"  # more than 《账号权限对照表》 gives its posts (J4, J11)
    DUPLICATE = "duplicate"
    SURPLUS = "surplus"  # no duty, or a stranger among ours
    IDLE = "idle"
    TEMPORARY_ENDING = "temporary_ending"
    WAIVER_ENDING = "waiver_ending"
    TENURE_NEAR = "tenure_near"


class Handling(StrEnum):
    """What is done about it (处理方式). A closed list: nothing else is an answer."""

    KEEP = "keep"
    END = "end"
    FREEZE = "freeze"
    DEREGISTER = "deregister"
    REVOKE = "revoke"
    SEPARATE = "separate"
    COMPLETE = "complete"
    RENEW = "renew"
    ROTATE = "rotate"


KINDS: Final[Mapping[ReviewKind, str]] = {
    ReviewKind.ILLEGAL: "不合规账号",
    ReviewKind.CONFLICT: "权限不相容",
    ReviewKind.OVER_PRIVILEGED: "超出岗位权限",
    ReviewKind.DUPLICATE: "重复账号",
    ReviewKind.SURPLUS: "多余账号",
    ReviewKind.IDLE: "闲置账号",
    ReviewKind.TEMPORARY_ENDING: "临时账号到期",
    ReviewKind.WAIVER_ENDING: "豁免将到期",
    ReviewKind.TENURE_NEAR: "任职年限将满",
}
"""For staff."""

HANDLINGS: Final[Mapping[Handling, str]] = {
    Handling.KEEP: "保留",
    Handling.END: "到期终止",
    Handling.FREEZE: "冻结",
    Handling.DEREGISTER: "注销",
    Handling.REVOKE: "收回权限",
    Handling.SEPARATE: "解除冲突",
    Handling.COMPLETE: "补全信息",
    Handling.RENEW: "办理延期",
    Handling.ROTATE: "安排轮岗",
}
"""For staff: the words of the workbook."""

CHOICES: Final[Mapping[ReviewKind, tuple[Handling, ...]]] = {
    ReviewKind.ILLEGAL: (
        Handling.COMPLETE,
        Handling.REVOKE,
        Handling.FREEZE,
        Handling.DEREGISTER,
        Handling.KEEP,
    ),
    ReviewKind.CONFLICT: (Handling.SEPARATE, Handling.FREEZE, Handling.DEREGISTER, Handling.KEEP),
    ReviewKind.OVER_PRIVILEGED: (Handling.REVOKE, Handling.FREEZE, Handling.DEREGISTER, Handling.KEEP),
    ReviewKind.DUPLICATE: (Handling.DEREGISTER, Handling.FREEZE, Handling.KEEP),
    ReviewKind.SURPLUS: (Handling.DEREGISTER, Handling.FREEZE, Handling.REVOKE, Handling.KEEP),
    ReviewKind.IDLE: (Handling.FREEZE, Handling.DEREGISTER, Handling.KEEP),
    ReviewKind.TEMPORARY_ENDING: (Handling.END, Handling.RENEW, Handling.FREEZE, Handling.DEREGISTER),
    ReviewKind.WAIVER_ENDING: (Handling.END, Handling.RENEW),
    ReviewKind.TENURE_NEAR: (Handling.ROTATE, Handling.KEEP),
}
"""Answers that fit each kind."""

_OF_NOBODY: Final = frozenset({Handling.DEREGISTER})
"""What is asked for by form, and so for people of the registry alone."""


class Effect(StrEnum):
    """What an answer leads to."""

    NOTHING = "nothing"
    REQUEST = "request"  # a second person approves
    FREEZE = "freeze"
    BY_HAND = "by_hand"  # an administrator does it; the next look sees that it was done


_EFFECTS: Final[Mapping[Handling, Effect]] = {
    Handling.KEEP: Effect.NOTHING,
    Handling.END: Effect.NOTHING,
    Handling.FREEZE: Effect.FREEZE,
    Handling.DEREGISTER: Effect.REQUEST,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One thing that was found of one account, before it is a line of a month."""

    kind: ReviewKind
    county: OrgCode
    """The county whose administrators answer; of a city's or the province's own bureau its own code."""
    person: PersonId | None
    """None for an account that is nobody's."""
    username: str
    about: str
    """What tells two of the same kind and account apart: a rule, a post. Says the same each month."""
    detail: str
    """In Chinese; names no person, and not why somebody is absent."""
    proposed: Handling
    article: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem:
    """One line of a month's list, and what became of it."""

    key: str
    month: str
    county: OrgCode
    person: PersonId | None
    username: str
    kind: ReviewKind
    detail: str
    proposed: Handling
    deadline: date
    answer: Handling | None = None
    answer_reason: str = ""
    answered_by: str = ""
    answered_at: datetime | None = None
    settled: str = ""
    """What was done with it; empty as long as something is left to do."""
    into: str = ""
    """Key of the line of a later month in which it goes on; empty when it does not."""
    late: bool = False
    """Whether its last day was over when it went on there."""

    @property
    def effect(self) -> Effect | None:
        """What its answer leads to; None without one."""
        return None if self.answer is None else effect_of(self.answer, self.person)


def choices_of(kind: ReviewKind, person: PersonId | None) -> tuple[Handling, ...]:
    """Answers that fit a line."""
    return tuple(item for item in CHOICES[kind] if person is not None or item not in _OF_NOBODY)


def effect_of(answer: Handling, person: PersonId | None) -> Effect:
    """What an answer leads to. What is nobody's is switched off in the console: we do not touch it
    (decision 9)."""
    effect = _EFFECTS.get(answer, Effect.BY_HAND)
    return Effect.BY_HAND if effect is Effect.FREEZE and person is None else effect


def needs_reason(item: ReviewItem, answer: Handling) -> bool:
    """Whether an answer has to say why: any but the one that was proposed."""
    return answer is not item.proposed


def identity_of(found: Found) -> str:
    """What makes the same thing the same from month to month: digest of kind, county, account and rule."""
    return _digest([found.kind, found.county, found.person or found.username, found.about])


def review_key(month: str, found: Found) -> str:
    """Key of a line: the same thing found twice in a month is one line."""
    return _digest([month, identity_of(found)])


def list_digest(items: Iterable[ReviewItem]) -> str:
    """Digest of what a list says, whatever was answered: tells that somebody changed it."""
    return _digest(
        sorted(
            [
                item.key,
                item.month,
                item.county,
                item.person or "",
                item.username,
                item.kind,
                item.detail,
                item.proposed,
                str(item.deadline),
            ]
            for item in items
        )
    )


def answers_digest(items: Iterable[ReviewItem]) -> str:
    """Digest of answers, for whoever carries them out as they were shown."""
    return _digest(
        sorted([item.key, str(item.answer), item.answer_reason, item.answered_by] for item in items)
    )


def is_month(text: str) -> bool:
    """Whether it is a month as lists have it: ``2026-11``."""
    return _MONTH.fullmatch(text) is not None


def month_of(day: date) -> str:
    """The month of a day."""
    return f"{day.year:04}-{day.month:02}"


def _digest(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
