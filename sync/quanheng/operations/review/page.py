"""The page of a county's list, to be printed or read on a phone: one file, nothing from anywhere else."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from quanheng.lifecycle.review import KINDS
from quanheng.operations.review.rows import ReviewRow
from quanheng.operations.review.workbook import TITLE, Heading


def build_page(heading: Heading, rows: Sequence[ReviewRow]) -> bytes:
    """The whole file, UTF-8. Its own policy lets nothing in but this very style."""
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    counts = Counter(row.item.kind for row in rows)
    text = (
        _environment()
        .get_template("review.html")
        .render(
            title=TITLE,
            heading=heading,
            rows=rows,
            counts=[(KINDS[kind], counts[kind]) for kind in KINDS if counts[kind]],
            style=Markup(style),  # noqa: S704 -- a file of ours
            policy=f"default-src 'none'; style-src 'sha256-{digest}'",
        )
    )
    return text.encode()


@cache
def _style() -> str:
    folder = files("quanheng.operations.review") / "templates"
    return (folder / "review.css").read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("quanheng.operations.review", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
