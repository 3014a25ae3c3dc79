"""The page that says which test stands for which module of the OpenID Foundation's plans."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "reference" / "openid-provider.md").read_text(encoding="utf-8")
MODULES: Final = 38
"""Of the basic plan."""


def rows() -> list[list[str]]:
    """Cells of the tables whose first column is a module."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if "|" in line
    ]
    return [row for row in cells if len(row) == 4 and not row[0].startswith(("module", "---"))]


def there_are() -> set[str]:
    """Each as ``room::name`` and, of the routes, as ``name``."""
    found = set()
    for file in (ROOT / "tests").glob("*/test_bridge_provider_*.py"):
        room = file.stem.removeprefix("test_bridge_provider_")
        for name in re.findall(r"^def test_(\w+)", file.read_text(encoding="utf-8"), re.MULTILINE):
            found |= {f"{room}::{name}"} | ({name} if room == "routes" else set())
    return found


def test_every_module_of_the_basic_plan_has_a_row() -> None:
    """As often as the page says of each outcome."""
    outcomes = [row[2] for row in rows() if row[0].startswith("oidcc-")][:MODULES]
    assert len(outcomes) == MODULES
    counted = tuple(
        sum(outcome.startswith(kind) for outcome in outcomes)
        for kind in ("as asked", "not offered", "refused")
    )
    assert sum(counted) == MODULES
    assert f"Of 38: {counted[0]} as asked, {counted[1]} not offered, {counted[2]} refused on purpose." in PAGE


def test_every_test_that_the_page_names_is_there() -> None:
    """By its whole name, or by its beginning."""
    there = there_are()
    for module, _, _, named in rows():
        for name in re.findall(r"`([^`]+)`", named):
            begins = name.removesuffix("…")
            assert any(one.startswith(begins) if begins != name else one == name for one in there), (
                module,
                name,
            )
        assert "`" in named or named.startswith("the same"), module
