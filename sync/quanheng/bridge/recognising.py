"""Whose card it is, and whether that person may come in: read from the store, with the index key alone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from quanheng.bridge.values import Card, Recognised, Refusal, RefusalReason
from quanheng.clock import Clock, day_in_china
from quanheng.engine.holds import holds_of, is_over
from quanheng.identity.sealed import document_index
from quanheng.logs import get_logger
from quanheng.model.ids import PersonId
from quanheng.model.person import Claim, Hold, HoldKind, PersonRecord
from quanheng.model.staff import OrgKind
from quanheng.policy.pack import Pack
from quanheng.store import tables
from quanheng.store.database import Database
from quanheng.store.registry_rows import claim_of, hold_of, person_of
from quanheng.store.rotation import StoreIndexKey

_CARDS: Final[Mapping[str, RefusalReason]] = {
    "0": RefusalReason.CARD_SEALED,
    "2": RefusalReason.CARD_LOST,
    "3": RefusalReason.CARD_LOCKED,
    "4": RefusalReason.CARD_LOST,
    "9": RefusalReason.CARD_CANCELLED,
}
"""Values of ``aaz502``."""
_HOLDS: Final = (
    (HoldKind.LEFT, RefusalReason.LEFT),
    (HoldKind.DRAFT, RefusalReason.DRAFT),
    (HoldKind.IDENTITY_IN_DOUBT, RefusalReason.IN_DOUBT),
    (HoldKind.ABSENT, RefusalReason.ABSENT),
    (HoldKind.INACTIVE, RefusalReason.INACTIVE),
    (HoldKind.EXPIRED, RefusalReason.ACCOUNT_EXPIRED),
    # Last, and in one breath: somebody who is frozen and absent, and somebody who is under investigation and
    # absent, read the same, and so do the two without the absence.
    (HoldKind.FROZEN, RefusalReason.FROZEN),
    (HoldKind.INVESTIGATION, RefusalReason.FROZEN),
)
"""Which hold is told when there are several: the first."""
_AREAS: Final = frozenset({OrgKind.COUNTY.value, OrgKind.CITY.value, OrgKind.PROVINCE.value})
_DEEPEST: Final = 8
"""Organisations from a village to the province, and a few more."""
_BETWEEN: Final = re.compile(r"[\s·•‧∙⋅・･.．。-]")
"""What stands between the parts of a name, written in many ways."""

log = get_logger(__name__)


class StoreRecogniser:
    """Implements :class:`quanheng.bridge.recognition.Recogniser`.

    What is signed in the store (applications, for example) is not verified here: that takes the ledger key,
    which the bridge has not. The sync verifies it and writes accordingly whether Keycloak's account is
    enabled, and Keycloak has the last word. What is read here can only refuse more.
    """

    def __init__(
        self,
        database: Database,
        keys_directory: Path,
        pack: Pack,
        clock: Clock,
        *,
        compare_names: bool = True,
    ) -> None:
        self._database = database
        self._index_key = StoreIndexKey(keys_directory)
        self._pack = pack
        self._clock = clock
        self._compare_names = compare_names

    def recognise(self, card: Card) -> Recognised | Refusal:
        """See :meth:`Recogniser.recognise`. Of a card that is not usable nobody is told whose it is."""
        if not card.usable:
            return Refusal(reason=_CARDS.get(card.status, RefusalReason.CARD_UNUSABLE))
        with self._database.reading() as connection:
            index = document_index(self._index_key.read(connection), card.document)
            person = _find_person(connection, index)
            if person is None or not _has_account(connection, person.id):
                return Refusal(reason=RefusalReason.UNKNOWN)
            claims = _read_claims(connection, person.id)
            holds = self._holds(person, claims, _read_holds(connection, person.id))
            office = self._office(connection, claims)
        reason = _reason(holds)
        if reason is None and self._compare_names and not is_same_name(person.name, card.name.reveal()):
            log.warning("a card's name is not the person's", person=person.id)
            reason = RefusalReason.IN_DOUBT
        if reason is not None:
            return Refusal(reason=reason, person=person.id, office=office)
        return Recognised(person=person.id, subject=person.subject)

    def _holds(self, person: PersonRecord, claims: Sequence[Claim], stored: Sequence[Hold]) -> list[Hold]:
        return holds_of(person, claims, stored, self._pack, today=day_in_china(self._clock()))

    def _office(self, connection: Connection, claims: Sequence[Claim]) -> str:
        """Name of the county, city or province where the sources have the person; empty when nobody knows."""
        today = day_in_china(self._clock())
        now = [claim for claim in claims if not is_over(claim, self._pack, today=today)]
        table = tables.unit
        code: str | None = (now or claims)[0].org if claims else None
        for _ in range(_DEEPEST):
            if code is None:
                break
            columns = select(table.c.name, table.c.kind, table.c.parent)
            row = connection.execute(columns.where(table.c.code == code)).first()
            if row is None:
                break
            if row.kind in _AREAS:
                return str(row.name)
            code = row.parent
        return ""


def is_same_name(one: str, other: str) -> bool:
    """Whether two writings are of one name: widths, cases, blanks and middle dots do not tell them apart."""
    return _folded(one) == _folded(other) != ""


def _folded(name: str) -> str:
    return _BETWEEN.sub("", unicodedata.normalize("NFKC", name)).casefold()


def _reason(holds: Sequence[Hold]) -> RefusalReason | None:
    kinds = {hold.kind for hold in holds}
    for kind, reason in _HOLDS:
        if kind in kinds:
            return reason
    # A kind that this table does not know is a hold all the same.
    return RefusalReason.FROZEN if kinds else None


def _find_person(connection: Connection, index: str) -> PersonRecord | None:
    rows = _rows(connection, tables.person, tables.person.c.document_index == index)
    return person_of(rows[0]) if len(rows) == 1 else None


def _has_account(connection: Connection, person: PersonId) -> bool:
    return bool(_rows(connection, tables.account, tables.account.c.person_id == person))


def _read_claims(connection: Connection, person: PersonId) -> list[Claim]:
    return [claim_of(row) for row in _rows(connection, tables.claim, tables.claim.c.person_id == person)]


def _read_holds(connection: Connection, person: PersonId) -> list[Hold]:
    return [hold_of(row) for row in _rows(connection, tables.hold, tables.hold.c.person_id == person)]


def _rows(connection: Connection, table: Any, condition: Any) -> Sequence[Row[Any]]:
    columns = (column for column in table.c if not column.name.endswith("_sealed"))
    return connection.execute(select(*columns).where(condition)).all()
