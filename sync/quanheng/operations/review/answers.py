"""Taking in what a reviewer answered: row by row, the good ones go on (E8, J9).

An answer is written down with who gave it; nothing is done to any account here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from quanheng.clock import day_in_china
from quanheng.errors import RefusedError
from quanheng.keycloak.login import AuthenticatedPerson
from quanheng.lifecycle.review import (
    HANDLINGS,
    KINDS,
    Effect,
    Handling,
    ReviewItem,
    choices_of,
    effect_of,
    needs_reason,
)
from quanheng.lifecycle.review_scene import Scene
from quanheng.logs import holds_number
from quanheng.model.change import Json
from quanheng.model.ids import OrgCode
from quanheng.operations.context import Context
from quanheng.operations.lifecycle.requesting import LONGEST_TEXT, SHORTEST_TEXT
from quanheng.operations.noting import note
from quanheng.operations.review.belonging import answered_in, name_of
from quanheng.operations.review.entitled import Reviewer, reviewer_of
from quanheng.operations.review.finding import find_review
from quanheng.operations.review.reading import BadRow, GivenAnswer, is_as_shown, same_text
from quanheng.operations.review.settling import GONE, note_ends
from quanheng.store.reviews import REVIEW_ANSWERED, put_answers, read_altered, read_items

SETTLED: Final = "answer"
"""What became of a line whose answer asks for nothing."""
_BY_LABEL: Final[Mapping[str, Handling]] = {label: item for item, label in HANDLINGS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenAnswers:
    """What became of a file."""

    answered: tuple[ReviewItem, ...]
    """Lines answered now, or otherwise than before."""
    unchanged: int
    """Lines answered the same before."""
    bad: tuple[BadRow, ...]
    """By row."""

    @property
    def settled(self) -> int:
        """Answers that ask for nothing more."""
        return sum(bool(item.settled) for item in self.answered)


def take_in_answers(
    context: Context, given: Sequence[GivenAnswer | BadRow], person: AuthenticatedPerson
) -> TakenAnswers:
    """Write down the answers of somebody who has proved who it is.

    Raises :class:`RefusedError` for whoever is no administrator, and for a list that somebody changed in the
    store, :class:`UnreachableError` when Keycloak is away. Read in again, nothing happens again.
    """
    scene = find_review(context).scene
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.reading() as connection:
        reviewer = reviewer_of(context, connection, person, scene)
    now = context.clock()
    with context.database.transaction() as connection:
        lines = [line for line in given if isinstance(line, GivenAnswer)]
        items = {item.key: item for item in read_items(connection, keys={line.key for line in lines})}
        named = {(item.month, item.county) for item in items.values()}
        for month, county in read_altered(connection) if named else ():
            if (month, county) in named:
                raise RefusedError(
                    f"the list of {county} of {month} was altered in the store",
                    remedy="keep a copy of the store for the auditor, and restore the list from a backup",
                )
        moved = {
            item.key: where
            for item in items.values()
            if not item.settled and (where := answered_in(scene, item)) != item.county
        }
        gone = f"{GONE}{day_in_china(now).isoformat()}"
        note_ends(context, connection, [replace(items[key], settled=gone) for key in moved])
        taken: dict[str, ReviewItem] = {}
        bad = [line for line in given if isinstance(line, BadRow)]
        unchanged, seen = 0, set[str]()
        for line in lines:
            item = items.get(line.key)
            fault = _find_fault(line, item, reviewer, scene, seen)
            if fault is None and not is_as_shown(line, context.keyring):
                fault = BadRow(
                    row=line.row,
                    field="系统名称、科室、使用人或账号类型",
                    kind="与清单不符，被改动过",
                    remedy="请用系统生成的原表重填",
                )
            if line.key in moved:
                fault = _moved(line, moved[line.key])
            if fault is not None or item is None:
                bad.append(fault or _unknown(line))
                continue
            seen.add(line.key)
            answer = _BY_LABEL[line.answer]
            if item.answer is answer and item.answer_reason == line.reason:
                unchanged += 1
                continue
            nothing = effect_of(answer, item.person) is Effect.NOTHING
            taken[item.key] = replace(
                item,
                answer=answer,
                answer_reason=line.reason,
                answered_by=str(reviewer.person.username),
                answered_at=now,
                settled=SETTLED if nothing else "",
            )
        answered = tuple(taken.values())
        if answered:
            put_answers(connection, answered)
            body: dict[str, Json] = {
                "answered_by": str(reviewer.person.username),
                "lines": [
                    {
                        "key": item.key,
                        "username": item.username,
                        "answer": str(item.answer),
                        "reason": item.answer_reason,
                        "settled": item.settled,
                    }
                    for item in answered
                ],
            }
            note(context, connection, REVIEW_ANSWERED, body)
    return TakenAnswers(
        answered=answered, unchanged=unchanged, bad=tuple(sorted(bad, key=lambda row: row.row))
    )


def _find_fault(
    line: GivenAnswer, item: ReviewItem | None, reviewer: Reviewer, scene: Scene, seen: set[str]
) -> BadRow | None:
    """The first thing that is wrong with a line."""
    if item is None:
        return _unknown(line)
    return next(_faults(line, item, reviewer, scene, seen), None)


def _unknown(line: GivenAnswer) -> BadRow:
    return BadRow(
        row=line.row,
        field="行号标识",
        kind="不属于任何一份清单",
        remedy="请用系统生成的原表重填，不得改动隐藏列",
    )


def _moved(line: GivenAnswer, county: OrgCode | None) -> BadRow:
    """``county``: whose it is now; None for an account that is gone."""
    return BadRow(
        row=line.row,
        field="使用账户",
        kind=f"现由 {county} 答复的账号" if county is not None else "已不存在的账号",
        remedy="不再由本清单答复；仍有问题的，列入该地区的清单",
    )


def _faults(
    line: GivenAnswer, item: ReviewItem, reviewer: Reviewer, scene: Scene, seen: set[str]
) -> Iterator[BadRow]:
    def bad(field: str, kind: str, remedy: str) -> BadRow:
        return BadRow(row=line.row, field=field, kind=kind, remedy=remedy)

    if not reviewer.may_answer(item.county):
        yield bad("行号标识", f"属于 {item.county} 的清单", "由该地区或上级的管理员答复")
    if reviewer.is_about(item):
        yield bad("使用账户", "答复人本人的账号", "由另一名管理员答复")
    if line.key in seen:
        yield bad("行号标识", "与前面的行重复", "每条只留一行")
    for field, shown, stored in (
        ("使用账户", line.username, item.username),
        ("清理类别", line.kind, KINDS[item.kind]),
        ("情况说明", line.detail, item.detail),
        ("建议处理", line.proposed, HANDLINGS[item.proposed]),
    ):
        if not same_text(shown, stored):
            yield bad(field, "与清单不符，被改动过", "请用系统生成的原表重填")
    answer = _BY_LABEL.get(line.answer)
    choices = choices_of(item.kind, item.person)
    if answer is None or answer not in choices:
        words = "、".join(HANDLINGS[choice] for choice in choices)
        yield bad("处理方式", "不在可选范围内的文字", f"从“{words}”中选择")
    if line.reason:
        if not SHORTEST_TEXT <= len(line.reason) <= LONGEST_TEXT:
            yield bad("事由", f"{len(line.reason)} 个字", f"写 {SHORTEST_TEXT} 至 {LONGEST_TEXT} 个字")
        if holds_number(line.reason):
            yield bad("事由", "疑似含证件号码或电话", "去掉号码")
        if _names(line.reason, name_of(scene, item)):
            yield bad("事由", "含账号本人的姓名", "去掉姓名，只写事由：台账不记姓名")
    elif answer is not None and needs_reason(item, answer):
        yield bad("事由", "空白", "处理方式与建议不同的，须写明事由")
    if (
        item.settled
        and item.settled != SETTLED
        and (item.answer, item.answer_reason) != (answer, line.reason)
    ):
        yield bad("处理方式", "已经办结的行", "不能再改；另有变化的列入下月清单")


def _names(reason: str, name: str) -> bool:
    """Whether a text has a name in it; one sign alone is no name."""
    plain = _plain(name)
    return len(plain) > 1 and plain in _plain(reason)


def _plain(text: str) -> str:
    """Without what may stand between the parts of a name."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(sign for sign in folded if sign.isalnum())
