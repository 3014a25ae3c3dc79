"""``quanheng apply``."""

from __future__ import annotations

import time

from rich.console import Console

from quanheng.cli.progress import show_progress
from quanheng.cli.run_report import exit_code, synchronised_report
from quanheng.cli.run_tables import print_next, print_run
from quanheng.cli.session import Given
from quanheng.operations.synchronise import apply_digest


def apply(*, digest: str, session: Given) -> int:
    """Apply one plan and no other.

    Exit codes are those of 'sync', and 8 when the plan is not the one that would be made now.

    Parameters
    ----------
    digest
        Digest of the plan, or its first 8 characters or more, from 'quanheng plan'.
    """
    context = session.context
    began = time.perf_counter()
    with show_progress(session.err) as progress:
        done = apply_digest(context, digest, progress)
    report = synchronised_report(context, done, seconds=time.perf_counter() - began)

    def show(out: Console) -> None:
        print_run(out, report, title="执行结果")
        print_next(out, report, planned=False)

    session.report(report, show)
    return exit_code(report)
