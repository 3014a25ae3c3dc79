"""What answers ask for: shown as a plan, and carried out as it was shown.

注销 becomes a request that a second person approves, 冻结 is done at once, and the rest is for an
administrator in the console: a line of that kind ends when the next look no longer finds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection

from quanheng.errors import QuanhengError, RefusedError, UnreachableError
from quanheng.keycloak.login import AuthenticatedPerson
from quanheng.lifecycle.review import (
    HANDLINGS,
    KINDS,
    Effect,
    Handling,
    ReviewItem,
    answers_digest,
    review_key,
)
from quanheng.model.ids import OrgCode
from quanheng.model.person import RequestKind
from quanheng.operations.context import Context
from quanheng.operations.lifecycle.freezing import freeze
from quanheng.operations.lifecycle.requesting import LONGEST_TEXT, ask_request, prepare_request
from quanheng.operations.noting import note
from quanheng.operations.review.entitled import Reviewer, reviewer_of
from quanheng.operations.review.finding import find_review
from quanheng.operations.review.writing import altered_lists, settle_lines
from quanheng.operations.trust import read_trusted_part
from quanheng.store.reviews import REVIEW_SETTLED, put_answers, read_items

REQUEST: Final = "request:"
"""Begins what became of a line that was asked for; the key of the request follows."""
FROZEN: Final = "frozen:"
"""Begins what became of a line that was frozen; who carried it out follows."""
_HINTS: Final = {
    Handling.FREEZE: "非实名账号：请在控制台停用并终止其会话，查明来历",
    Handling.REVOKE: "请在控制台把账号移出相应的组、移除直接授予的角色；由来源给出的岗位请报送单位更正",
    Handling.SEPARATE: "请由有权的管理员在控制台收回其中一项，或报送单位调整岗位",
    Handling.COMPLETE: "请补报来源，或用 quanheng accounts complete 补全；无此人的请主域管理员删除草稿",
    Handling.RENEW: "临时账号用 quanheng accounts term 续期；豁免用 quanheng waive 另行申请",
    Handling.ROTATE: "请安排轮岗，并报送岗位变动",
}
"""What an administrator does by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLine:
    """One answer, and what it asks for."""

    item: ReviewItem
    effect: Effect

    @property
    def hint(self) -> str:
        """What to do, of lines that are done by hand."""
        answer = self.item.answer
        return _HINTS.get(answer, "") if answer is not None and self.effect is Effect.BY_HAND else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPlan:
    """Everything that waits to be done about answers."""

    lines: tuple[PlanLine, ...]
    altered: tuple[tuple[str, OrgCode], ...]
    """Lists that somebody changed in the store: nothing of them is done."""

    @property
    def own(self) -> tuple[PlanLine, ...]:
        """Those that are carried out here."""
        return tuple(line for line in self.lines if line.effect is not Effect.BY_HAND)

    @property
    def digest(self) -> str:
        """What the lines to be carried out say; empty when there are none."""
        return answers_digest(line.item for line in self.own) if self.own else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedLine:
    """What became of one line."""

    item: ReviewItem
    problem: str = ""
    """Why it is not done; empty when it is."""
    remedy: str = ""


def plan_answers(context: Context, *, month: str | None = None, county: OrgCode | None = None) -> AnswerPlan:
    """What answers ask for that was not done yet. Changes nothing."""
    found = find_review(context).found
    with context.database.reading() as connection:
        plan = _read_plan(connection, month, county)
    keys = {when: {review_key(when, item) for item in found} for when in {x.item.month for x in plan.lines}}
    return replace(
        plan,
        lines=tuple(
            line
            for line in plan.lines
            if line.effect is not Effect.BY_HAND or line.item.key in keys[line.item.month]
        ),
    )


def _read_plan(connection: Connection, month: str | None, county: OrgCode | None) -> AnswerPlan:
    items = read_items(connection, month=month, county=county)
    altered = {
        (when, area) for when in {item.month for item in items} for area in altered_lists(connection, when)
    }
    lines = [
        PlanLine(item=item, effect=effect)
        for item in items
        if (effect := item.effect) is not None
        and effect is not Effect.NOTHING
        and not item.settled
        and (item.month, item.county) not in altered
    ]
    return AnswerPlan(lines=tuple(lines), altered=tuple(sorted(altered)))


def carry_out_answers(
    context: Context,
    digest: str,
    person: AuthenticatedPerson,
    *,
    month: str | None = None,
    county: OrgCode | None = None,
) -> tuple[CarriedLine, ...]:
    """Do what a plan of this digest asks for, and no other, as somebody who has proved who it is.

    Each line by itself: one that is refused hinders no other, and is tried again the next time. What was
    done is not done again. Raises :class:`RefusedError` when the answers are not those that were shown.
    """
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.reading() as connection:
        plan = _read_plan(connection, month, county)
        reviewer = reviewer_of(context, connection, person)
    if not plan.own:
        raise RefusedError("nothing waits to be carried out", remedy="look at 'quanheng review apply'")
    if len(digest) < _SHORTEST_DIGEST or not plan.digest.startswith(digest):
        raise RefusedError(
            "the answers are not those of this digest", remedy="look at 'quanheng review apply' again"
        )
    done = tuple(_carry_out(context, line, reviewer, person) for line in plan.own)
    review = find_review(context)
    with context.database.transaction() as connection:
        settle_lines(context, connection, review.found)
    return done


_SHORTEST_DIGEST: Final = 12
_SOON: Final = "值守进程（quanheng run）恢复连接后即停用"


def _carry_out(
    context: Context, line: PlanLine, reviewer: Reviewer, person: AuthenticatedPerson
) -> CarriedLine:
    item = line.item
    if not reviewer.may_answer(item.county) or reviewer.is_about(item):
        return CarriedLine(
            item=item, problem="不归登录的管理员办理", remedy="由该地区或上级的另一名管理员办理"
        )
    try:
        if line.effect is Effect.FREEZE:
            settled, problem = _freeze(context, item, reviewer)
        else:
            settled, problem = _ask(context, item, person), ""
    except UnreachableError:
        raise  # no other line would fare better
    except QuanhengError as error:
        return CarriedLine(item=item, problem=str(error.args[0]), remedy=error.remedy)
    done = replace(item, settled=settled)
    _settle(context, [done])
    return CarriedLine(item=done, problem=problem, remedy=_SOON if problem else "")


def _freeze(context: Context, item: ReviewItem, reviewer: Reviewer) -> tuple[str, str]:
    """What is written down, and why the account is on as yet; empty when it is off."""
    done = freeze(context, item.username, reason=_reason(item))
    problem = "" if done.off else f"已登记冻结，账号尚未停用：{done.problem}"
    return f"{FROZEN}{reviewer.person.username}", problem


def _ask(context: Context, item: ReviewItem, person: AuthenticatedPerson) -> str:
    reason = _reason(item)
    known = _asked_before(context, item, reason)
    if known:
        return f"{REQUEST}{known}"
    asked = prepare_request(context, item.username, RequestKind.DEREGISTER, reason=reason)
    return f"{REQUEST}{ask_request(context, asked, person).key}"


def _asked_before(context: Context, item: ReviewItem, reason: str) -> str:
    """Key of the request that this very line made; a run that died may not have written down that it did."""
    persons = [item.person] if item.person is not None else []
    with context.database.reading() as connection:
        registry = read_trusted_part(connection, context.keyring, (), persons).registry
    return next(
        (
            request.key
            for request in registry.requests
            if request.person in persons
            and request.kind is RequestKind.DEREGISTER
            and request.reason == reason
        ),
        "",
    )


def _reason(item: ReviewItem) -> str:
    """Why, for the ledger: the list, the line, what was found, and the reviewer's words."""
    answer = HANDLINGS[item.answer] if item.answer is not None else ""
    told = item.answer_reason or item.detail
    line = f"{item.month} 账号清理清单（{item.key[:8]}）{KINDS[item.kind]}"
    text = f"{line}，{item.answered_by} 答复{answer}：{told}"
    return text[:LONGEST_TEXT]


def _settle(context: Context, items: Sequence[ReviewItem]) -> None:
    with context.database.transaction() as connection:
        put_answers(connection, items)
        note(
            context,
            connection,
            REVIEW_SETTLED,
            {"lines": [{"key": item.key, "settled": item.settled} for item in items]},
        )
