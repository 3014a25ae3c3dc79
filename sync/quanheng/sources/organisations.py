"""The organisations' file of a feed: units, each with a way up to the root of the pack."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from quanheng.model.ids import OrgCode, SourceId
from quanheng.model.sensitive import Sensitive
from quanheng.model.staff import OrgKind, OrgUnit, Origin, Reason, RejectedRow
from quanheng.policy.pack import Pack
from quanheng.policy.units import Units, in_scope
from quanheng.sources.reasons import EXPLANATIONS
from quanheng.sources.rows import Fault, Values
from quanheng.sources.table import Record, Table

_CODE: Final = re.compile(r"[0-9]{2}[0-9A-Za-z-]{0,22}")
_MAX_NAME: Final = 120
_ROOT_KINDS: Final = {2: OrgKind.PROVINCE, 4: OrgKind.CITY, 6: OrgKind.COUNTY}


def root_unit(pack: Pack) -> OrgUnit:
    """The topmost organisation of a pack, which no feed has to name."""
    code, name = pack.info.root
    origin = Origin(SourceId(f"pack:{pack.info.id}"), "pack.yaml")
    kind = _ROOT_KINDS.get(len(code), OrgKind.PROVINCE)
    return OrgUnit(code=OrgCode(code), name=name, kind=kind, parent=None, origin=origin)


def with_root(units: Units, pack: Pack, more: Mapping[OrgCode, OrgUnit] | None = None) -> Units:
    """The known units, the pack's root if nobody named it, and ``more`` over them."""
    root = root_unit(pack)
    return Units({root.code: root, **units.by_code, **(more or {})}, units.recoded)


def read_organisations(
    table: Table, source: SourceId, scope: tuple[OrgCode, ...], pack: Pack, known: Units
) -> tuple[dict[OrgCode, OrgUnit], list[RejectedRow]]:
    """Units of the file by code, and the rows that could not be believed.

    A unit must lie in the declared scope or above it, and lead to the root by units of this file or
    known ones.
    """
    columns = pack.sources.feed.organisations.model_dump()
    kinds = {label: kind for kind, label in pack.organisations.kinds.items()}
    units: dict[OrgCode, OrgUnit] = {}
    records: dict[OrgCode, Record] = {}
    rejected: list[RejectedRow] = []
    contradicted: set[OrgCode] = set()

    def reject(record: Record, fault: Fault) -> None:
        rejected.append(
            RejectedRow(
                origin=_origin(table, source, record),
                reason=fault.reason,
                field=columns.get(fault.field, fault.field),
                value_kind=fault.value_kind,
                remedy=EXPLANATIONS[fault.reason].remedy,
                original=Sensitive(table.original(record.line)),
                county=_county(record.values),
            )
        )

    for record in table.records():
        try:
            if record.fault is not None:
                raise record.fault
            unit = _unit(record.values, kinds, scope, pack, _origin(table, source, record))
        except Fault as fault:
            reject(record, fault)
            continue
        earlier = units.get(unit.code)
        if earlier is None:
            units[unit.code] = unit
            records[unit.code] = record
        elif (earlier.name, earlier.kind, earlier.parent) == (unit.name, unit.kind, unit.parent):
            reject(record, Fault(Reason.DUPLICATE_ROW, "code", "the same organisation again"))
        else:
            contradicted.add(unit.code)
            reject(record, Fault(Reason.CONFLICTING_ROWS, "code", "one code with several organisations"))
    for code in contradicted:
        del units[code]
        reject(records[code], Fault(Reason.CONFLICTING_ROWS, "code", "one code with several organisations"))
    for code in _hanging(units, with_root(known, pack).by_code):
        del units[code]
        kind = "no organisation above it leads to the root"
        reject(records[code], Fault(Reason.UNKNOWN_ORGANISATION, "parent", kind))
    return units, rejected


def _unit(
    values: Values, kinds: Mapping[str, OrgKind], scope: tuple[OrgCode, ...], pack: Pack, origin: Origin
) -> OrgUnit:
    code = _code(values["code"], "code")
    if not (in_scope(code, scope) or any(prefix.startswith(code) for prefix in scope)):
        raise Fault(Reason.OUT_OF_SCOPE, "code", "a code outside the declared scope")
    name = unicodedata.normalize("NFC", values["name"])
    if not name:
        raise Fault(Reason.MISSING_VALUE, "name", "empty")
    if len(name) > _MAX_NAME:
        raise Fault(Reason.BAD_NAME, "name", f"{len(name)} characters, at most {_MAX_NAME}")
    kind = kinds.get(values["kind"])
    if kind is None:
        raise Fault(Reason.UNKNOWN_ORGANISATION, "kind", "a kind of organisation that the pack does not know")
    is_root = code == pack.info.root[0]
    parent = None if is_root else _code(values["parent"], "parent")
    return OrgUnit(code=code, name=name, kind=kind, parent=parent, origin=origin)


def _code(text: str, field: str) -> OrgCode:
    code = unicodedata.normalize("NFKC", text).strip()
    if not code:
        raise Fault(Reason.MISSING_VALUE, field, "empty")
    if not _CODE.fullmatch(code):
        raise Fault(
            Reason.UNKNOWN_ORGANISATION, field, f"{len(code)} characters that are no organisation code"
        )
    return OrgCode(code)


def _hanging(units: Mapping[OrgCode, OrgUnit], known: Mapping[OrgCode, OrgUnit]) -> list[OrgCode]:
    """Codes of units whose chain of parents breaks or turns in a circle before something known."""
    attached: dict[OrgCode, bool] = {}
    for start in units:
        path: list[OrgCode] = []
        code: OrgCode | None = start
        while code is not None and code in units and code not in attached and code not in path:
            path.append(code)
            code = units[code].parent
        if code is None:
            ends_well = True
        elif code in units:
            ends_well = attached.get(code, False)  # not judged yet: it is in the path, a circle
        else:
            ends_well = code in known
        attached.update(dict.fromkeys(path, ends_well))
    return [code for code, ends_well in attached.items() if not ends_well]


def _county(values: Values) -> OrgCode | None:
    prefix = values.get("code", "")[:6]
    return OrgCode(prefix) if len(prefix) == 6 and prefix.isascii() and prefix.isdigit() else None


def _origin(table: Table, source: SourceId, record: Record) -> Origin:
    return Origin(source, f"{table.name}:{record.line.number}")
