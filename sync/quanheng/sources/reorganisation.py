"""The mapping file of merged and recoded organisations: people move with their unit.

CSV in UTF-8 with the columns ``变更类型`` (合并 or 改码), ``原机构编码``, ``现机构编码``, ``生效日期``. A new
name needs no line: the feed's organisations carry it under the same code.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final

from quanheng.errors import SourceError
from quanheng.model.ids import OrgCode

COLUMNS: Final = ("变更类型", "原机构编码", "现机构编码", "生效日期")
_KINDS: Final = frozenset({"合并", "改码"})
_CODE: Final = re.compile(r"[0-9]{2}[0-9A-Za-z-]{0,22}")


def read_reorganisation(file: Path | None, *, today: date) -> Mapping[OrgCode, OrgCode]:
    """Old code → new code of every change in effect on ``today``. No file, no changes.

    One wrong line refuses the whole file: half a reform would tear counties apart. Raises
    :class:`SourceError` naming file, line, column and kind of value.
    """
    if file is None:
        return {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise SourceError(
                    f"{file.name}: the columns are not {'、'.join(COLUMNS)}",
                    remedy="write them in this order",
                )
            rows = [_row(file, number, row, today) for number, row in enumerate(reader, start=2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(
            f"{file.name}: cannot be read ({type(error).__name__})", remedy="save it as CSV in UTF-8"
        ) from None
    recoded: dict[OrgCode, OrgCode] = {}
    for number, old, new, in_effect in rows:
        if old in recoded:
            raise SourceError(
                f"{file.name}: line {number}: {old} is there twice", remedy="keep one of the lines"
            )
        if in_effect:
            recoded[old] = new
    for old in recoded:
        _require_end(file, recoded, old)
    return recoded


def _row(
    file: Path, number: int, row: Mapping[str, str | None], today: date
) -> tuple[int, OrgCode, OrgCode, bool]:
    where = f"{file.name}: line {number}"
    kind, old, new, start = ((row.get(name) or "").strip() for name in COLUMNS)
    if kind not in _KINDS:
        raise SourceError(f"{where}: 变更类型 is neither 合并 nor 改码", remedy="write one of the two")
    for name, code in (("原机构编码", old), ("现机构编码", new)):
        if not _CODE.fullmatch(code):
            raise SourceError(f"{where}: {name} is not a code", remedy="write the digits of the organisation")
    try:
        day = date.fromisoformat(start)
    except ValueError:
        raise SourceError(f"{where}: 生效日期 is not a day", remedy="write it as 2026-11-21") from None
    return number, OrgCode(old), OrgCode(new), day <= today


def _require_end(file: Path, recoded: Mapping[OrgCode, OrgCode], start: OrgCode) -> None:
    seen = {start}
    code = recoded[start]
    while code in recoded:
        if code in seen:
            raise SourceError(f"{file.name}: {start} becomes itself again", remedy="break the circle")
        seen.add(code)
        code = recoded[code]
