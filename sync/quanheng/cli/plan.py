"""``quanheng plan``."""

from __future__ import annotations

import time

from rich.console import Console

from quanheng.cli.run_report import SHOWN_CHANGES, exit_code, planned_report
from quanheng.cli.run_tables import print_next, print_run
from quanheng.cli.session import Given
from quanheng.errors import UnsafePlanError
from quanheng.operations.synchronise import plan_only


def plan(*, session: Given) -> int:
    """Say what would be changed, and change nothing in Keycloak.

    Exit 0: made. 3: a source was not accepted. 4: the plan is not safe, so a second person has to approve it.
    """
    context = session.context
    began = time.perf_counter()
    with session.err.status("读取来源，核对现状"):
        planned = plan_only(context)
    report = planned_report(context, planned, seconds=time.perf_counter() - began)

    def show(out: Console) -> None:
        print_run(
            out, report, title=f"计划 {planned.plan.digest[:12]}（尚未执行）", shown_changes=SHOWN_CHANGES
        )
        print_next(out, report, planned=True)

    session.report(report, show)
    return UnsafePlanError.exit_code if planned.plan.excess else exit_code(report)
