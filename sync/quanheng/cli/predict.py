"""``quanheng predict``."""

from __future__ import annotations

from rich.console import Console

from quanheng.cli.assessed import (
    assessment_payload,
    reasons_text,
    subject_payload,
    subject_text,
    ways_text,
)
from quanheng.cli.session import Given
from quanheng.errors import RefusedError
from quanheng.operations.answering.predicting import predict as predict_post


def predict(user: str, /, *, add: str, area: str | None = None, session: Given) -> int:
    """Judge whether somebody could be given a post. Writes nothing.

    Exit 0: nothing is in the way. 8: something is, and the report says what.

    Parameters
    ----------
    user
        User name, or staff number.
    add
        The post: its id in the pack, or its label.
    area
        Code of the county, city or province; without it the person's own.
    """
    context = session.context
    found = predict_post(context, user, add, area)
    subject, item = found.subject, found.assessment
    report = {
        **subject_payload(subject),
        "allowed": found.allowed,
        "assessment": assessment_payload(context, item),
    }

    def show(out: Console) -> None:
        out.print(subject_text(subject), style="bold")
        place = f"{item.area.code} {item.area.name}" if item.area is not None else "地区不明"
        if found.allowed:
            held = "（现已持有）" if item.already else ""
            out.print(f"可以授予：{place} {item.post.label}{held}", style="green")
            out.print(f"可凭：{ways_text(context, item)}")
        else:
            out.print(f"不能授予：{place} {item.post.label}", style="bold red")
            out.print(reasons_text(item))

    session.report(report, show)
    return 0 if found.allowed else RefusedError.exit_code
