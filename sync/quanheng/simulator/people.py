"""People and their cards. Synthetic: nobody has these numbers."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from stdnum.cn import ric

from quanheng.errors import ConfigurationError
from quanheng.identity.files import require_private

CARD_STATES: Final[Mapping[str, str]] = {
    "0": "封存",
    "1": "正常",
    "2": "挂失",
    "3": "应用锁定",
    "4": "临时挂失",
    "9": "注销",
}
"""Values of ``aaz502``."""
DOCUMENT_KINDS: Final[Mapping[str, str]] = {"resident_id": "01", "passport": "08"}
"""Our kinds of documents and the codes of ``aac058`` that the bridge's settings know by default."""
_MISSING: Final = "write a JSON list of people, mode 0600; docs/reference/simulator.md shows one"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedPerson:
    """Somebody with a card."""

    id: str
    name: str
    document_number: str = field(repr=False)
    document_kind: str = "resident_id"
    region: str = "140900"
    card_status: str = "1"
    label: str = ""
    """What to know this person by: ``忻府区 系统管理员``."""
    essc_no: str = field(default="", repr=False)
    """Number of the card; drawn when it is not given."""

    @property
    def masked_number(self) -> str:
        """The ID number as it may be shown."""
        number = self.document_number
        return f"{number[:4]}{'*' * (len(number) - 6)}{number[-2:]}" if len(number) > 8 else "*" * len(number)


class People:
    """Everybody that the simulator knows."""

    def __init__(self, people: Iterable[SimulatedPerson] = ()) -> None:
        self._by_id: dict[str, SimulatedPerson] = {}
        self._by_card: dict[str, SimulatedPerson] = {}
        for person in people:
            self.put(person)

    def put(self, person: SimulatedPerson) -> SimulatedPerson:
        """Add somebody, or put in another's place who has the same id."""
        old = self._by_id.get(person.id)
        if old is not None:
            del self._by_card[old.essc_no]
        number = person.essc_no or (old.essc_no if old else secrets.token_hex(16))
        kept = SimulatedPerson(**{**_fields(person), "essc_no": number})
        self._by_id[kept.id] = self._by_card[number] = kept
        return kept

    def get(self, identifier: str) -> SimulatedPerson | None:
        """Somebody by id."""
        return self._by_id.get(identifier)

    def of_card(self, essc_no: str) -> SimulatedPerson | None:
        """Whose card it is."""
        return self._by_card.get(essc_no)

    def search(self, words: str, limit: int) -> Sequence[SimulatedPerson]:
        """People in whose id, name or label every word is."""
        wanted = words.split()
        found: list[SimulatedPerson] = []
        for person in self._by_id.values():
            text = f"{person.id} {person.name} {person.label}"
            if all(word in text for word in wanted):
                found.append(person)
                if len(found) == limit:
                    break
        return found

    def anybody(self) -> str:
        """Id of somebody whose card is good. Raises :class:`LookupError` when there is nobody."""
        for _ in range(len(self._by_id)):
            first = next(iter(self._by_id))
            person = self._by_id.pop(first)
            self._by_id[first] = person  # to the end: everybody's turn comes
            if person.card_status == "1":
                return first
        raise LookupError("nobody has a card")

    def __len__(self) -> int:
        return len(self._by_id)


def _fields(person: SimulatedPerson) -> dict[str, Any]:
    return {name: getattr(person, name) for name in SimulatedPerson.__slots__}


def person_from(data: object, place: str) -> SimulatedPerson:
    """Somebody from JSON. Raises :class:`ConfigurationError` with the place and the field, never a value."""
    if not isinstance(data, dict):
        raise ConfigurationError(f"{place}: is not a JSON object", remedy=_MISSING)
    known = set(SimulatedPerson.__slots__)
    for name in ("id", "name", "document_number"):
        if not data.get(name):
            raise ConfigurationError(f"{place}: '{name}' is missing", remedy=_MISSING)
    for name, value in data.items():
        if name not in known or not isinstance(value, str):
            raise ConfigurationError(f"{place}: '{name}' is not known, or no text", remedy=_MISSING)
    person = SimulatedPerson(**data)
    if person.document_kind not in DOCUMENT_KINDS:
        raise ConfigurationError(f"{place}: 'document_kind' is not known", remedy=_MISSING)
    return person


def read_people(file: Path) -> Sequence[SimulatedPerson]:
    """The people of a file that only its owner may read. Raises :class:`ConfigurationError`."""
    require_private(file, if_missing=_MISSING)
    try:
        listed = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ConfigurationError(f"{file}: is not JSON in UTF-8", remedy=_MISSING) from None
    if not isinstance(listed, list):
        raise ConfigurationError(f"{file}: is not a list", remedy=_MISSING)
    return [person_from(item, f"{file}: person {place}") for place, item in enumerate(listed, start=1)]


def odd_people() -> Sequence[SimulatedPerson]:
    """Somebody with a card in each status, and somebody with a good card whom no registry knows."""
    found = [
        SimulatedPerson(
            id=f"odd-{status}",
            name="赵测试",
            document_number=_number(int(status)),
            card_status=status,
            label=f"卡状态：{label}",
        )
        for status, label in CARD_STATES.items()
        if status != "1"
    ]
    stranger = SimulatedPerson(
        id="odd-stranger", name="钱测试", document_number=_number(10), label="人事数据中没有"
    )
    return [*found, stranger]


def _number(order: int) -> str:
    # The code of a whole province is nobody's place of registration: no such number was ever issued.
    digits = f"14000019700101{order:03}"
    return digits + str(ric.calc_check_digit(digits + "0"))
