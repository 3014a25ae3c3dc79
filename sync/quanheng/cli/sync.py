"""``quanheng sync``."""

from __future__ import annotations

import time
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from quanheng.cli.progress import show_progress
from quanheng.cli.run_report import exit_code, synchronised_report
from quanheng.cli.run_tables import print_next, print_run
from quanheng.cli.session import Given
from quanheng.operations.synchronise import synchronise


def sync(*, live: Annotated[bool, Parameter(negative=())] = False, session: Given) -> int:
    """Read the sources, plan, and apply the plan when it is safe.

    Exit 0: done. 1: Keycloak refused single steps. 3: a source was not accepted, the rest was done.
    4: the plan is not safe, nothing was changed.

    Parameters
    ----------
    live
        Read all of Keycloak first, as 'quanheng check' does: repairs what no event has told.
    """
    context = session.context
    began = time.perf_counter()
    with show_progress(session.err) as progress:
        done = synchronise(context, progress, live=live)
    report = synchronised_report(context, done, seconds=time.perf_counter() - began)

    def show(out: Console) -> None:
        print_run(out, report, title="同步结果")
        print_next(out, report, planned=False)

    session.report(report, show)
    return exit_code(report)
