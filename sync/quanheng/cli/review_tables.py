"""What ``quanheng review`` shows people, and one line of a list for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from quanheng.lifecycle.review import HANDLINGS, KINDS, Effect, ReviewItem
from quanheng.operations.review.answers import TakenAnswers
from quanheng.operations.review.applying import AnswerPlan, CarriedLine, PlanLine
from quanheng.operations.review.overdue import OverdueList
from quanheng.operations.review.writing import WrittenReview

_EFFECTS: Final[Mapping[Effect, str]] = {
    Effect.REQUEST: "提出注销申请，由第二人批准",
    Effect.FREEZE: "立即冻结",
    Effect.BY_HAND: "由管理员办理",
}


def item_payload(item: ReviewItem) -> dict[str, Any]:
    """One line, for programs."""
    return {
        "key": item.key,
        "month": item.month,
        "county": str(item.county),
        "username": item.username,
        "kind": str(item.kind),
        "detail": item.detail,
        "proposed": str(item.proposed),
        "answer": None if item.answer is None else str(item.answer),
        "reason": item.answer_reason,
        "answered_by": item.answered_by,
        "settled": item.settled,
    }


def print_written(out: Console, done: WrittenReview) -> None:
    """What was written, and where."""
    if not done.lists:
        out.print(f"{done.month}：没有发现需要清理的账号。")
    else:
        table = Table(title=f"{done.month} 账号清理清单（新增 {done.new:,} 条）")
        for label in ("地区", "条数", "未答复", "工作簿"):
            table.add_column(label, overflow="fold")
        for item in done.lists:
            kept = "（有未读入的答复，未改动；先运行 quanheng review answers）" if item.kept else ""
            table.add_row(
                f"{item.county} {item.name}", str(item.lines), str(item.unanswered), f"{item.workbook}{kept}"
            )
        out.print(table)
        out.print("清单含个人信息，只有本账户可读；填好交回后运行 quanheng review answers 文件名")
    for area in done.altered:
        out.print(f"{area} 的清单与台账不符，疑被改动，未处理：请保留数据库交审计员。", style="bold red")


def print_taken(out: Console, name: str, done: TakenAnswers) -> None:
    """What became of a filled workbook."""
    rest = len(done.answered) - done.settled
    out.print(
        f"{name}：读入答复 {len(done.answered):,} 条，其中 {done.settled:,} 条无须再办；"
        f"与以前相同的 {done.unchanged:,} 条。"
    )
    if done.answered:
        # Whoever answers sees what is taken down in the own name, whatever the workbook showed.
        table = Table()
        for label in ("账号", "清理类别", "处理方式", "事由"):
            table.add_column(label, overflow="fold")
        for line in done.answered:
            answer = HANDLINGS[line.answer] if line.answer is not None else ""
            table.add_row(line.username, KINDS[line.kind], answer, line.answer_reason)
        out.print(table)
    for item in done.bad:
        out.print(f"{name} 第 {item.row} 行，{item.field}：{item.kind} → {item.remedy}")
    if rest:
        out.print(f"{rest:,} 条须办理：quanheng review apply")


def print_plan(out: Console, plan: AnswerPlan) -> None:
    """What answers ask for."""
    for when, where in plan.altered:
        out.print(f"{where} {when} 的清单与台账不符，疑被改动，不予办理。", style="bold red")
    if not plan.lines:
        out.print("没有待办理的答复。")
        return
    _lines(out, plan.lines)
    if plan.own:
        out.print(
            f"办理以上可由系统办理的 {len(plan.own):,} 条：quanheng review apply --digest {plan.digest[:12]}"
        )


def _lines(out: Console, lines: Sequence[PlanLine]) -> None:
    table = Table()
    for label in ("月份", "地区", "账号", "类别", "答复", "答复人", "办理"):
        table.add_column(label, overflow="fold")
    for line in lines:
        item = line.item
        table.add_row(
            item.month,
            str(item.county),
            item.username,
            KINDS[item.kind],
            HANDLINGS[item.answer] if item.answer is not None else "",
            item.answered_by,
            line.hint or _EFFECTS[line.effect],
        )
    out.print(table)


def print_done(out: Console, done: Sequence[CarriedLine]) -> None:
    """What was carried out, line by line."""
    for line in done:
        answer = HANDLINGS[line.item.answer] if line.item.answer is not None else ""
        if line.problem:
            out.print(f"{line.item.username}：{answer}未办：{line.problem} → {line.remedy}")
        elif line.item.effect is Effect.REQUEST:
            key = line.item.settled.partition(":")[2][:12]
            out.print(f"{line.item.username}：已提出注销申请，须第二人批准：quanheng approve {key}")
        else:
            out.print(f"{line.item.username}：已冻结。")


def print_overdue(out: Console, found: Sequence[OverdueList]) -> None:
    """Who is late, and who sees to it."""
    if not found:
        out.print("没有逾期未答复的清单。")
        return
    table = Table(title="逾期未答复的账号清理清单")
    for label in ("月份", "地区", "未答复", "期限", "督办"):
        table.add_column(label, overflow="fold")
    for item in found:
        table.add_row(
            item.month,
            f"{item.county} {item.county_name}" + ("（清单与台账不符）" if item.altered else ""),
            str(item.unanswered),
            item.deadline.isoformat(),
            f"{item.above} {item.above_name}",
        )
    out.print(table)
