"""Writing a month's lists: lines into the store and the ledger, a workbook and a page for each county."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from quanheng.clock import day_in_china
from quanheng.errors import RefusedError, SourceError
from quanheng.lifecycle.review import (
    HANDLINGS,
    ReviewItem,
    list_digest,
    month_of,
    review_key,
)
from quanheng.model.change import Json
from quanheng.model.finding import Finding, FindingKind
from quanheng.model.ids import OrgCode
from quanheng.operations.context import Context
from quanheng.operations.lifecycle.calendar import working_days
from quanheng.operations.noting import note, note_forgeries
from quanheng.operations.review.finding import Review, find_review
from quanheng.operations.review.folder import make_folder, put_file, reviews_directory
from quanheng.operations.review.naming import find_area, require_month
from quanheng.operations.review.page import build_page
from quanheng.operations.review.reading import GivenAnswer, read_workbook, same_text
from quanheng.operations.review.rows import build_rows
from quanheng.operations.review.settling import CARRIED, GONE, settle_lines
from quanheng.operations.review.workbook import Heading, build_workbook
from quanheng.store.reviews import (
    REVIEW_SETTLED,
    REVIEW_WRITTEN,
    put_new_items,
    put_reopened,
    read_altered,
    read_items,
    read_noted_lists,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenList:
    """One county's list."""

    county: OrgCode
    name: str
    lines: int
    unanswered: int
    workbook: Path
    page: Path
    kept: bool
    """Whether the workbook that is there was left, since it has answers that nobody has read in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenReview:
    """What was written."""

    month: str
    lists: tuple[WrittenList, ...]
    new: int
    """Lines that no list of the month had before."""
    altered: tuple[OrgCode, ...]
    """Counties whose list in the store is not what was written; it was left as it is."""


def write_review(
    context: Context, *, month: str | None = None, county: OrgCode | None = None
) -> WrittenReview:
    """Write the lists of a month, of one county or all. Written again, what is found anew is added, and
    what was answered stays. Of a month that is over only the files are written, from what the store has.

    Raises :class:`ConfigurationError` without a folder, for a month that is none and a county that is not
    there, :class:`RefusedError` for a month to come.
    """
    root, today = reviews_directory(context), day_in_china(context.clock())
    this_month = month_of(today)
    month = month or this_month
    require_month(month)
    if month > this_month:
        raise RefusedError(f"{month} has not come yet", remedy="accounts are looked at as they are now")
    review = find_review(context)
    if county is not None:
        find_area(review.scene.units, county)
    new, altered = _keep(context, review, county) if month == this_month else (0, ())
    with context.database.reading() as connection:
        items = read_items(connection, month=month, county=county)
    folder = make_folder(root, month)
    lists = tuple(_write_list(folder, review, month, area, mine) for area, mine in _by_county(items).items())
    return WrittenReview(month=month, lists=lists, new=new, altered=altered)


def _keep(context: Context, review: Review, county: OrgCode | None) -> tuple[int, tuple[OrgCode, ...]]:
    """Put this month's new lines beside those that are there."""
    today = day_in_china(context.clock())
    month = month_of(today)
    deadline = working_days(context).add(today, context.pack.lifecycle.review.answer_working_days)
    found = [item for item in review.found if county in (None, item.county)]
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.transaction() as connection:
        altered = tuple(area for _, area in read_altered(connection, month=month) if county in (None, area))
        note_forgeries(
            context,
            connection,
            [
                Finding(
                    kind=FindingKind.FORGED_DECISION,
                    subject=str(area),
                    detail=f"{month} 账号清理清单与台账的最后记载不符",
                    violation=True,
                )
                for area in altered
            ],
        )
        items = [
            ReviewItem(
                key=review_key(month, item),
                month=month,
                county=item.county,
                person=item.person,
                username=item.username,
                kind=item.kind,
                detail=f"{item.detail}（{item.article}）" if item.article not in item.detail else item.detail,
                proposed=item.proposed,
                deadline=deadline,
            )
            for item in found
            if item.county not in altered
        ]
        _reopen(context, connection, items)
        new = put_new_items(connection, items)
        _note_lists(context, connection, month, altered)
        settle_lines(context, connection, found, county)
    return new, altered


def _reopen(context: Context, connection: Connection, items: Sequence[ReviewItem]) -> None:
    """What was over and is found again is asked anew: with a new deadline, and without the old answer."""
    over = {
        item.key
        for item in read_items(connection, keys={item.key for item in items})
        if item.settled.startswith(GONE)
    }
    again = [item for item in items if item.key in over]
    if again:
        put_reopened(connection, again)
        lines: list[Json] = [{"key": item.key, "settled": "", "reopened": True} for item in again]
        note(context, connection, REVIEW_SETTLED, {"lines": lines})


def _note_lists(context: Context, connection: Connection, month: str, altered: Collection[OrgCode]) -> None:
    noted, lists = read_noted_lists(connection), _by_county(read_items(connection, month=month))
    changed: dict[str, Json] = {
        str(area): {"count": len(items), "digest": list_digest(items)}
        for area, items in lists.items()
        if area not in altered and not noted.is_as_written(items, month, area)
    }
    if changed or month not in noted.months:
        note(context, connection, REVIEW_WRITTEN, {"month": month, "lists": changed})


def _write_list(
    folder: Path, review: Review, month: str, county: OrgCode, items: Sequence[ReviewItem]
) -> WrittenList:
    unit = review.scene.units.resolve(county)
    heading = Heading(
        realm=review.scene.pack.info.realm_label,
        month=month,
        county=str(county),
        county_name=unit.name if unit is not None else "",
        deadline=max(item.deadline for item in items).isoformat(),
    )
    open_items = [item for item in items if not item.settled.startswith((GONE, CARRIED))]
    rows = build_rows(review, open_items)
    workbook, page = (folder / f"{heading.file_stem}.{end}" for end in ("xlsx", "html"))
    kept = workbook.exists() and _has_unread(workbook, items)
    if not kept:
        put_file(workbook, build_workbook(heading, rows))
    put_file(page, build_page(heading, rows))
    return WrittenList(
        county=county,
        name=heading.county_name,
        lines=len(open_items),
        unanswered=sum(item.answer is None for item in open_items),
        workbook=workbook,
        page=page,
        kept=kept,
    )


def _has_unread(workbook: Path, items: Sequence[ReviewItem]) -> bool:
    """Whether somebody wrote into a workbook what was not read in yet; so too when nobody can tell."""
    known = {item.key: item for item in items}
    try:
        given = read_workbook(workbook)
    except SourceError:
        return True
    return any(_is_unread(line, known) for line in given)


def _is_unread(line: object, known: Mapping[str, ReviewItem]) -> bool:
    if not isinstance(line, GivenAnswer) or line.key not in known:
        return True
    item = known[line.key]
    answer = HANDLINGS[item.answer] if item.answer is not None else ""
    return line.answer != answer or not same_text(line.reason, item.answer_reason)


def _by_county(items: Sequence[ReviewItem]) -> Mapping[OrgCode, list[ReviewItem]]:
    found: dict[OrgCode, list[ReviewItem]] = defaultdict(list)
    for item in items:
        found[item.county].append(item)
    return found
