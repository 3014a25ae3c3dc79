"""What tells that a line of a workbook shows what was written into it. Pure."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from typing import Final

from quanheng.identity.port import Indexer

_DOMAIN: Final = "review_line"


def plain_text(text: str) -> str:
    """In one line, full width folded, blanks joined: programs that show workbooks change those."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def mark_of(indexer: Indexer, key: str, shown: Sequence[str]) -> str:
    """Keyed digest of what the cells of a line show, in their order and without the answer."""
    text = json.dumps([key, *map(plain_text, shown)], ensure_ascii=False, separators=(",", ":"))
    return indexer.index(_DOMAIN, text)
