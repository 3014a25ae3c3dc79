"""What answers ask for: shown as a plan, and carried out as it was shown.

注销 becomes a request that a second person approves, 冻结 is done at once, and the rest is for an
administrator in the console: a line of that kind ends when the next look no longer finds it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection

from quanheng.clock import day_in_china
from quanheng.errors import QuanhengError, RefusedError, UnreachableError
from quanheng.keycloak.login import AuthenticatedPerson
from quanheng.lifecycle.review import (
    HANDLINGS,
    KINDS,
    Effect,
    Found,
    Handling,
    ReviewItem,
    answers_digest,
)
from quanheng.logs import get_logger
from quanheng.model.ids import OrgCode, PersonId
from quanheng.model.person import RequestKind
from quanheng.operations.context import Context
from quanheng.operations.lifecycle.freezing import freeze_person
from quanheng.operations.lifecycle.requesting import LONGEST_TEXT, ask_request, prepare_request
from quanheng.operations.review.entitled import Reviewer, reviewer_of
from quanheng.operations.review.finding import Review, find_review
from quanheng.operations.review.naming import find_area, require_month
from quanheng.operations.review.requests import asked_before
from quanheng.operations.review.settling import Fates, note_ends, settle_lines
from quanheng.store.reviews import read_altered, read_items

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

log = get_logger(__name__)


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
    """What answers ask for that was not done yet, of matters that are still found. Changes nothing.

    Raises :class:`ConfigurationError` for a month that is none, and a county that is not there.
    """
    review = find_review(context)
    _require_named(review, month, county)
    with context.database.reading() as connection:
        return _read_plan(context, connection, review.found, month, county)


def _require_named(review: Review, month: str | None, county: OrgCode | None) -> None:
    require_month(month)
    if county is not None:
        find_area(review.scene.units, county)


def _read_plan(
    context: Context,
    connection: Connection,
    found: Collection[Found],
    month: str | None,
    county: OrgCode | None,
) -> AnswerPlan:
    items = [
        item
        for item in read_items(connection)
        if month in (None, item.month) and county in (None, item.county)
    ]
    months = {item.month for item in items}
    altered = [(when, area) for when, area in read_altered(connection) if when in months]
    fates = Fates.read(connection, day_in_china(context.clock()), found, items)
    lines = [
        PlanLine(item=item, effect=effect)
        for item in items
        if (effect := item.effect) is not None
        and effect is not Effect.NOTHING
        and not fates.end(item).settled
        and (item.month, item.county) not in altered
    ]
    return AnswerPlan(lines=tuple(lines), altered=tuple(altered))


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
    done is not done again. Raises :class:`RefusedError` when the answers are not those that were shown, or
    one of the matters is over since.
    """
    _ = context.keyring  # opened before the transaction: it may need one of its own
    review = find_review(context)
    _require_named(review, month, county)
    with context.database.reading() as connection:
        reviewer = reviewer_of(context, connection, person, review.scene)
    with context.database.transaction() as connection:
        settle_lines(context, connection, review.found)
        plan = _read_plan(context, connection, review.found, month, county)
    if not plan.own:
        raise RefusedError("nothing waits to be carried out", remedy="look at 'quanheng review apply'")
    if len(digest) < _SHORTEST_DIGEST or not plan.digest.startswith(digest):
        raise RefusedError(
            "the answers are not those of this digest", remedy="look at 'quanheng review apply' again"
        )
    done = tuple(_carry_out(context, line, reviewer, person) for line in plan.own)
    try:
        _settle_what_ended(context)
    except UnreachableError as error:  # the next look does it; what was done has to be told
        log.warning("lines that ended by this are not settled yet", problem=str(error.args[0]))
    return done


def _settle_what_ended(context: Context) -> None:
    """Whoever was frozen for one thing is not asked about for another."""
    review = find_review(context)
    with context.database.transaction() as connection:
        settle_lines(context, connection, review.found)


_SHORTEST_DIGEST: Final = 12
_SOON: Final = "值守进程（quanheng run）恢复连接后即停用"


def _carry_out(
    context: Context, line: PlanLine, reviewer: Reviewer, person: AuthenticatedPerson
) -> CarriedLine:
    with context.database.transaction() as connection:
        item = next(iter(read_items(connection, keys={line.item.key})), None)
        changed = (line.item.month, line.item.county) in read_altered(connection, month=line.item.month)
    if item is not None and item.settled.startswith((REQUEST, FROZEN)):
        return CarriedLine(item=item)  # somebody else did it this moment
    if item is None or changed or item != line.item:
        return CarriedLine(
            item=line.item, problem="刚有改动，未办理", remedy="重新查看 quanheng review apply"
        )
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
    _settle(context, done)
    return CarriedLine(item=done, problem=problem, remedy=_SOON if problem else "")


def _freeze(context: Context, item: ReviewItem, reviewer: Reviewer) -> tuple[str, str]:
    """What is written down, and why the account is on as yet; empty when it is off."""
    who = item.person or PersonId("")  # nobody's account has no such effect
    done = freeze_person(context, who, reason=_reason(item))
    problem = "" if done.off else f"已登记冻结，账号尚未停用：{done.problem}"
    return f"{FROZEN}{reviewer.person.username}", problem


def _ask(context: Context, item: ReviewItem, person: AuthenticatedPerson) -> str:
    reason = _reason(item)
    known = asked_before(context, item, reason)
    if known:
        return f"{REQUEST}{known}"
    asked = prepare_request(context, item.username, RequestKind.DEREGISTER, reason=reason)
    if asked.request.person != item.person:
        raise RefusedError(
            f"{item.username} is another's user name by now", remedy="ask with 'quanheng accounts deregister'"
        )
    return f"{REQUEST}{ask_request(context, asked, person).key}"


def _reason(item: ReviewItem) -> str:
    """Why, for the ledger: the list, the line, what was found, and the reviewer's words."""
    answer = HANDLINGS[item.answer] if item.answer is not None else ""
    told = item.answer_reason or item.detail
    line = f"{item.month} 账号清理清单（{item.key[:8]}）{KINDS[item.kind]}"
    text = f"{line}，{item.answered_by} 答复{answer}：{told}"
    return text[:LONGEST_TEXT]


def _settle(context: Context, item: ReviewItem) -> None:
    """Write down that it was done; what another run wrote this moment stays."""
    with context.database.transaction() as connection:
        known = read_items(connection, keys={item.key})
        if not any(one.settled.startswith((REQUEST, FROZEN)) for one in known):
            note_ends(context, connection, [item])
