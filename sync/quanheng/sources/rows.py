"""One row of any source: texts by field in, a believed or a rejected row out. Feed and LDAP share it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from quanheng.identity.contact import canonical_name, canonical_phone
from quanheng.identity.documents import canonical_document
from quanheng.identity.refusal import RefusedValueError
from quanheng.logs import holds_number
from quanheng.model.ids import OrgCode, PostId, StaffNo
from quanheng.model.sensitive import Sensitive
from quanheng.model.staff import Document, OrgUnit, Origin, Reason, RejectedRow, StaffRow
from quanheng.policy.pack import Pack
from quanheng.policy.schema import Post, Tier
from quanheng.policy.units import Units, in_scope
from quanheng.sources.dates import DayReader
from quanheng.sources.reasons import EXPLANATIONS

Values = Mapping[str, str]
"""Texts of one row by field (the names of :class:`~quanheng.policy.schema.FeedColumns`), blanks cut off."""

_STAFF_NO: Final = re.compile(r"\w[\w./-]{0,63}")
_UNREADABLE: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f\ufffd]")
"""Control characters, and the mark of text that somebody before us could not decode."""


class Fault(Exception):  # noqa: N818 - not an error of the program: a verdict on a row
    """Why a row is not believed."""

    def __init__(self, reason: Reason, field_name: str, value_kind: str) -> None:
        super().__init__(reason, field_name, value_kind)
        self.reason = reason
        self.field = field_name
        self.value_kind = value_kind


def has_unreadable(text: str) -> bool:
    """Whether a text holds control characters or marks of lost ones."""
    if text.isprintable():  # nearly every row, and many times quicker
        return "\ufffd" in text
    return _UNREADABLE.search(text) is not None


@dataclass(slots=True)
class _Place:
    """What an organisation code of a row leads to; kept, since many rows share a code."""

    unit: OrgUnit | None
    tier: Tier | None
    in_scope: bool


@dataclass(frozen=True, slots=True)
class RowJudge:
    """Judges single rows against a pack, the known organisations and the declared scope."""

    pack: Pack
    units: Units
    scope: tuple[OrgCode, ...]
    labels: Mapping[str, str]
    """Title of each field in the source, for whoever mends the row."""
    today: date
    """Day of the reading in China: nobody was born later."""
    _days: DayReader = field(init=False)
    _places: dict[str, _Place] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_days", DayReader(self.pack.sources.feed.date_formats))

    def judge(self, values: Values, origin: Origin, original: Callable[[], str]) -> StaffRow | RejectedRow:
        """Believe a row or say what is wrong with it. ``original`` is asked for its text when rejected."""
        try:
            document: Document | RefusedValueError | Fault = self._document(values)
        except (RefusedValueError, Fault) as problem:
            document = problem
        try:
            return self._believe(values, origin, document)
        except Fault as fault:
            return self.reject(values, origin, original(), fault, document)

    def reject(
        self,
        values: Values,
        origin: Origin,
        original: str,
        fault: Fault,
        document: Document | Exception | None = None,
    ) -> RejectedRow:
        """The rejected row, with whatever can be read of who it speaks of: they count as present."""
        if document is None:
            try:
                document = self._document(values)
            except (RefusedValueError, Fault) as problem:
                document = problem
        known = document if isinstance(document, Document) else None
        try:
            staff_no = self._staff_no(values, known)
        except Fault:
            staff_no = None
        return RejectedRow(
            origin=origin,
            reason=fault.reason,
            field=self.labels.get(fault.field, fault.field),
            value_kind=fault.value_kind,
            remedy=EXPLANATIONS[fault.reason].remedy,
            original=Sensitive(original),
            county=self._county(values),
            staff_no=staff_no,
            document=known,
        )

    def _believe(
        self, values: Values, origin: Origin, document: Document | RefusedValueError | Fault
    ) -> StaffRow:
        known = document if isinstance(document, Document) else None
        staff_no = self._staff_no(values, known)
        try:
            name = canonical_name(values.get("name", ""))
        except RefusedValueError as refusal:
            raise Fault(refusal.reason, "name", refusal.value_kind) from None
        if isinstance(document, RefusedValueError):
            raise Fault(document.reason, "document_number", document.value_kind) from None
        if isinstance(document, Fault):
            raise document
        try:
            phone = canonical_phone(values.get("phone", ""))
        except RefusedValueError as refusal:
            raise Fault(refusal.reason, "phone", refusal.value_kind) from None
        unit, tier = self._organisation(values)
        post = self._post(values, unit, tier)
        employment = self._required(values, "employment")
        known_employment = self.pack.employment_by_label.get(employment)
        if known_employment is None:
            raise Fault(Reason.UNKNOWN_EMPLOYMENT, "employment", _described(employment))
        status = self._required(values, "status")
        known_status = self.pack.status_by_label.get(status)
        if known_status is None:
            raise Fault(Reason.UNKNOWN_STATUS, "status", _described(status))
        status_from = self._day(values, "status_from")
        status_to = self._day(values, "status_to")
        if status_from is not None and status_to is not None and status_to < status_from:
            raise Fault(Reason.BAD_DATE, "status_to", "a day before the first day")
        return StaffRow(
            origin=origin,
            staff_no=staff_no,
            name=name,
            document=document,
            phone=phone,
            org=unit.code,
            post=None if post is None else PostId(post.id),
            employment=known_employment.id,
            status=known_status.id,
            status_from=status_from,
            status_to=status_to,
            post_start=self._day(values, "post_start"),
        )

    def _required(self, values: Values, name: str) -> str:
        text = values.get(name, "")
        if not text:
            raise Fault(Reason.MISSING_VALUE, name, "empty")
        return text

    def staff_no(self, values: Values) -> StaffNo | None:
        """The staff number of a row, believed or not; None when it has none that may be shown."""
        try:
            document: Document | None = self._document(values)
        except (RefusedValueError, Fault):
            document = None
        try:
            return self._staff_no(values, document)
        except Fault:
            return None

    def _staff_no(self, values: Values, document: Document | None) -> StaffNo:
        text = _folded(self._required(values, "staff_no"))
        if not _STAFF_NO.fullmatch(text):
            kind = f"{len(text)} characters, some that staff numbers do not have, or too many"
            raise Fault(Reason.BAD_STAFF_NO, "staff_no", kind)
        # It leaves the store in the clear (decision 8), and what the ledger would mask is none.
        if holds_number(text) or (document is not None and document.number.reveal() in text.upper()):
            raise Fault(Reason.BAD_STAFF_NO, "staff_no", "holds the number of a document or a phone")
        return StaffNo(text)

    def _document(self, values: Values) -> Document:
        label = self._required(values, "document_kind")
        kind = self.pack.sources.document_kinds.get(label)
        if kind is None:
            raise Fault(Reason.UNKNOWN_DOCUMENT_KIND, "document_kind", _described(label))
        return canonical_document(kind, values.get("document_number", ""), today=self.today)

    def _place(self, text: str) -> _Place:
        place = self._places.get(text)
        if place is None:
            code = OrgCode(_folded(text))
            unit = self.units.resolve(code)
            place = _Place(
                unit,
                None if unit is None else self.units.tier(unit),
                in_scope(code if unit is None else unit.code, self.scope),
            )
            if unit is not None:  # unknown codes are not kept: a damaged file may hold millions
                self._places[text] = place
        return place

    def _organisation(self, values: Values) -> tuple[OrgUnit, Tier]:
        text = self._required(values, "org")
        place = self._place(text)
        if not place.in_scope:
            raise Fault(Reason.OUT_OF_SCOPE, "org", "a code outside the declared scope")
        if place.unit is None:
            raise Fault(Reason.UNKNOWN_ORGANISATION, "org", "a code that no organisation has")
        if place.tier is None:
            raise Fault(Reason.UNKNOWN_ORGANISATION, "org", "an organisation that belongs to no area")
        return place.unit, place.tier

    def _county(self, values: Values) -> OrgCode | None:
        text = values.get("org", "")
        if not text:
            return None
        unit = self._place(text).unit
        prefix = (_folded(text) if unit is None else unit.code)[:6]
        return OrgCode(prefix) if len(prefix) == 6 and prefix.isascii() and prefix.isdigit() else None

    def _post(self, values: Values, unit: OrgUnit, tier: Tier) -> Post | None:
        label = values.get("post", "")
        if not label:
            return None
        post = self.pack.post_by_label.get(label)
        if post is None:
            raise Fault(Reason.UNKNOWN_POST, "post", _described(label))
        there = self.pack.post_at(PostId(post.id), unit.code)
        if there is None or tier not in there.tiers:
            raise Fault(
                Reason.POST_AT_WRONG_LEVEL, "post", f"'{post.id}' in an organisation of level '{tier}'"
            )
        return post

    def _day(self, values: Values, name: str) -> date | None:
        text = values.get(name)
        if not text:
            return None
        day = self._days.read(text)
        if day is None:
            raise Fault(Reason.BAD_DATE, name, f"{len(text)} characters that are no day")
        return day


def _folded(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFKC", text).strip()


def _described(label: str) -> str:
    return f"{len(label)} characters that the pack does not know"
