"""Rows of one reading against each other: what is said twice, and what contradicts itself. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from quanheng.model.ids import OrgCode, PostId, StaffNo
from quanheng.model.sensitive import Sensitive
from quanheng.model.staff import Document, Reason, RejectedRow, StaffRow
from quanheng.sources.reasons import EXPLANATIONS
from quanheng.sources.rows import Fault

_Key = tuple[Document, OrgCode, PostId | None]


def find_contradictions(rows: Sequence[StaffRow], rejected: Iterable[RejectedRow]) -> dict[int, Fault]:
    """Indexes of the rows that must not be believed next to the others, and why.

    Of equal rows all but the first go as duplicates. When one document has several names, one staff
    number several documents, or one person and post several contents, all rows concerned go: which
    one is right is nobody's guess. Rows rejected for another fault are evidence too.
    """
    first: dict[_Key, int] = {}
    name_of: dict[Document, str] = {}
    document_of: dict[StaffNo, Document] = {}
    contested_documents: dict[Document, Fault] = {}
    contested_numbers: set[StaffNo] = set()
    contested_posts: set[_Key] = set()
    faults: dict[int, Fault] = {}
    for bad in rejected:
        number, document = bad.staff_no, bad.document
        if number and document and document_of.setdefault(number, document) != document:
            contested_numbers.add(number)
    for index, row in enumerate(rows):
        if name_of.setdefault(row.document, row.name) != row.name:
            contested_documents[row.document] = Fault(
                Reason.CONFLICTING_ROWS, "name", "one document with several names"
            )
        if document_of.setdefault(row.staff_no, row.document) != row.document:
            contested_numbers.add(row.staff_no)
        key = (row.document, row.org, row.post)
        earlier = first.setdefault(key, index)
        if earlier != index:
            if _content(rows[earlier]) == _content(row):
                faults[index] = Fault(
                    Reason.DUPLICATE_ROW, "", "the same person, organisation and post again"
                )
            else:
                contested_posts.add(key)
    if not (contested_documents or contested_numbers or contested_posts):
        return faults
    for index, row in enumerate(rows):
        if row.document in contested_documents:
            faults[index] = contested_documents[row.document]
        elif row.staff_no in contested_numbers:
            faults[index] = Fault(
                Reason.CONFLICTING_ROWS, "staff_no", "one staff number with several documents"
            )
        elif (row.document, row.org, row.post) in contested_posts:
            faults[index] = Fault(Reason.CONFLICTING_ROWS, "", "one person and post with several contents")
    return faults


def reject_row(row: StaffRow, fault: Fault, original: str, labels: Mapping[str, str]) -> RejectedRow:
    """A row that was believed until it met the others."""
    county = row.org[:6]
    return RejectedRow(
        origin=row.origin,
        reason=fault.reason,
        field=labels.get(fault.field, fault.field),
        value_kind=fault.value_kind,
        remedy=EXPLANATIONS[fault.reason].remedy,
        original=Sensitive(original),
        county=OrgCode(county) if len(county) == 6 and county.isdigit() else None,
        staff_no=row.staff_no,
        document=row.document,
    )


def without(rows: Sequence[StaffRow], faults: Mapping[int, Fault]) -> Iterator[StaffRow]:
    """The rows that stand."""
    return (row for index, row in enumerate(rows) if index not in faults)


def _content(row: StaffRow) -> tuple[object, ...]:
    """Everything a row says, without where it says it."""
    return (
        row.staff_no,
        row.name,
        row.phone,
        row.employment,
        row.status,
        row.status_from,
        row.status_to,
        row.post_start,
    )
