"""``quanheng review``: the monthly look at accounts, its answers, and what follows from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quanheng.cli.deciding import authenticate
from quanheng.cli.review_tables import (
    item_payload,
    print_done,
    print_overdue,
    print_plan,
    print_taken,
    print_written,
)
from quanheng.cli.session import Given
from quanheng.model.ids import OrgCode
from quanheng.operations.review.answers import take_in_answers
from quanheng.operations.review.applying import carry_out_answers, plan_answers
from quanheng.operations.review.overdue import read_overdue
from quanheng.operations.review.reading import read_workbook
from quanheng.operations.review.writing import write_review


def review_write(*, month: str | None = None, county: str | None = None, session: Given) -> int:
    """Look at all accounts, and write a list for each county: a workbook to answer in, and a page to print.

    Written again, what is found anew is added, and answers stay; a workbook with answers that were not read
    in is left as it is. Exit 1: a list in the store is not what was written, and was left.

    Parameters
    ----------
    month
        As 2026-11; else this month. Of a month that is over the files are written again, and nothing is
        looked for.
    county
        Code of one county, or of a city or province for its own bureau; else all.
    """
    done = write_review(session.context, month=month, county=None if county is None else OrgCode(county))
    payload: dict[str, Any] = {
        "month": done.month,
        "new": done.new,
        "lists": [
            {
                "county": str(item.county),
                "name": item.name,
                "lines": item.lines,
                "unanswered": item.unanswered,
                "workbook": item.workbook,
                "page": item.page,
                "kept": item.kept,
            }
            for item in done.lists
        ],
        "altered": [str(item) for item in done.altered],
    }
    session.report(payload, lambda out: print_written(out, done))
    return 1 if done.altered else 0


def review_answers(file: Path, /, *, open_with: str | None = None, session: Given) -> int:
    """Read in a workbook that a reviewer filled in, as that reviewer, who logs in. Exit 1: some rows count
    for nothing.

    The reviewer is an administrator of the county or above, and answers nothing about the own account. What
    was answered is done with 'quanheng review apply'.

    Parameters
    ----------
    file
        The workbook (.xlsx) as 'quanheng review write' wrote it.
    open_with
        Program that is given the address to log in at; otherwise the address is shown.
    """
    given = read_workbook(file)  # nobody logs in for a file that cannot be read
    person = authenticate(session, open_with, role="答复人")
    done = take_in_answers(session.context, given, person)
    payload: dict[str, Any] = {
        "file": file.name,
        "answered_by": str(person.username),
        "answered": [item_payload(item) for item in done.answered],
        "unchanged": done.unchanged,
        "settled": done.settled,
        "bad": [
            {"row": item.row, "field": item.field, "kind": item.kind, "remedy": item.remedy}
            for item in done.bad
        ],
    }
    session.report(payload, lambda out: print_taken(out, file.name, done))
    return 1 if done.bad else 0


def review_apply(
    *,
    digest: str | None = None,
    month: str | None = None,
    county: str | None = None,
    open_with: str | None = None,
    session: Given,
) -> int:
    """Show what answers ask for and was not done yet; with --digest, do it, as an administrator who logs in.

    注销 becomes a request that a second person approves, 冻结 is done at once; the rest is for an
    administrator in the console, and is named until the next look no longer finds it. Exit 1: some lines
    could not be done.

    Parameters
    ----------
    digest
        As this command showed it: what is done is what was shown, and nothing else.
    month
        Only lists of this month, as 2026-11.
    county
        Only the list of this county.
    open_with
        Program that is given the address to log in at; otherwise the address is shown.
    """
    context = session.context
    area = None if county is None else OrgCode(county)
    if digest is None:
        plan = plan_answers(context, month=month, county=area)
        payload: dict[str, Any] = {
            "digest": plan.digest,
            "lines": [
                {**item_payload(line.item), "effect": str(line.effect), "hint": line.hint}
                for line in plan.lines
            ],
            "altered": [{"month": when, "county": str(where)} for when, where in plan.altered],
        }
        session.report(payload, lambda out: print_plan(out, plan))
        return 1 if plan.altered else 0
    person = authenticate(session, open_with, role="办理人")
    done = carry_out_answers(context, digest, person, month=month, county=area)
    report: dict[str, Any] = {
        "carried_out_by": str(person.username),
        "lines": [
            {**item_payload(line.item), "problem": line.problem, "remedy": line.remedy} for line in done
        ],
    }
    session.report(report, lambda out: print_done(out, done))
    return 1 if any(line.problem for line in done) else 0


def review_overdue(*, above: str | None = None, session: Given) -> int:
    """List the counties that did not answer in time, for the level above. Exit 1: there are some.

    Parameters
    ----------
    above
        Code of a city or province: only what its administrators see to.
    """
    found = read_overdue(session.context, above=None if above is None else OrgCode(above))
    payload: dict[str, Any] = {
        "overdue": [
            {
                "month": item.month,
                "county": str(item.county),
                "county_name": item.county_name,
                "above": str(item.above),
                "above_name": item.above_name,
                "unanswered": item.unanswered,
                "deadline": item.deadline,
                "altered": item.altered,
            }
            for item in found
        ]
    }
    session.report(payload, lambda out: print_overdue(out, found))
    return 1 if found else 0
