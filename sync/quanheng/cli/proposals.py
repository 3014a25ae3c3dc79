"""``quanheng proposals``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from quanheng.cli.labels import PROPOSAL_STATES, PROPOSALS
from quanheng.cli.session import Given
from quanheng.model.person import Proposal
from quanheng.operations.approve import read_proposals

_ASKED: Final = "realm:"
"""Begins the proposer of what somebody asked who had logged in."""


def proposals(
    *,
    all: Annotated[bool, Parameter(negative=())] = False,  # noqa: A002 -- the option's name
    area: str | None = None,
    session: Given,
) -> None:
    """List what waits for a second person.

    Parameters
    ----------
    all
        Also those that were decided.
    area
        Only those of this area (code of a county, city or province).
    """
    found = [
        item for item in read_proposals(session.context, all_states=all) if area is None or item.area == area
    ]
    session.report(
        {"proposals": [proposal_payload(item) for item in found]},
        lambda out: print_proposals(out, found),
    )


def proposal_payload(item: Proposal) -> dict[str, Any]:
    """A proposal."""
    return {
        "key": item.key,
        "kind": str(item.kind),
        "subject": item.subject,
        "summary": item.summary,
        "area": item.area,
        "post": item.post,
        "origin": item.origin,
        "proposer": item.proposer,
        "state": str(item.state),
        "decided_by": item.decided_by,
        "decided_at": item.decided_at,
    }


def print_proposals(out: Console, found: Sequence[Proposal]) -> None:
    """A line each."""
    if not found:
        out.print("没有待第二人决定的事项。")
        return
    out.print(f"提案（{len(found):,}）", style="bold")
    table = Table()
    for label in ("编号", "事项", "机构", "内容", "提出", "状态"):
        table.add_column(label, overflow="fold")
    for item in found:
        table.add_row(
            item.key[:12],
            PROPOSALS[item.kind],
            item.area or "",
            item.summary,
            _made_by(item),
            PROPOSAL_STATES[item.state] + (f"（{item.decided_by}）" if item.decided_by else ""),
        )
    out.print(table)


def _made_by(item: Proposal) -> str:
    """Who asked, whom the second person must not be; else the row or the run that it comes of."""
    asked = item.proposer.startswith(_ASKED)
    return f"申请人 {item.proposer.removeprefix(_ASKED)}" if asked else item.origin
