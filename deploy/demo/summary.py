"""What came of the demo, for a person to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.demo.samples import Sample
from quanheng.model.staff import Reason
from quanheng.sources.reasons import EXPLANATIONS


def print_figures(console: Console, figures: Mapping[str, Any]) -> None:
    """Counts, one a line, in the order in which they came."""
    table = Table(title="What was synchronised", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for label, value in figures.items():
        table.add_row(label, f"{value:,.1f}" if isinstance(value, float) else f"{value:,}")
    console.print(table)


def print_quarantine(console: Console, found: Mapping[Reason, int], expected: Mapping[Reason, int]) -> None:
    """Rows in quarantine by reason, beside the number that the generator made wrong in that way."""
    table = Table(title="In quarantine ('quanheng quarantine' lists them)", title_justify="left")
    table.add_column("原因")
    table.add_column("rows", justify="right")
    table.add_column("made so", justify="right")
    for reason in sorted(found.keys() | expected.keys(), key=lambda reason: -expected.get(reason, 0)):
        table.add_row(EXPLANATIONS[reason].label, str(found.get(reason, 0)), str(expected.get(reason, 0)))
    console.print(table)


def print_ways_in(console: Console, url: str, realm: str, samples: Sequence[Sample], demo_file: str) -> None:
    """Addresses and sample accounts."""
    console.print(f"Console of the realm   {url}/admin/{realm}/console/")
    console.print(f"Master administrator   user and password are in {demo_file}")
    title = "Sample accounts (synthetic people; passwords of this demo only)"
    table = Table(title=title, title_justify="left")
    for column in ("user", "name", "post", "area", "password"):
        table.add_column(column)
    for sample in samples:
        table.add_row(sample.username, sample.name, sample.post, sample.area, sample.password)
    console.print(table)
