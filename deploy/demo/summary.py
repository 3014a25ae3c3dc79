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


def print_ways_in(
    console: Console, addresses: Mapping[str, str], samples: Sequence[Sample], demo_file: str
) -> None:
    """Addresses, sample people, and how to log in as one of them."""
    for label, address in addresses.items():
        console.print(f"{label:<23}{address}")
    console.print(f"{'Master administrator':<23}user and password are in {demo_file}")
    table = Table(title="Sample people (synthetic; nobody has a password)", title_justify="left")
    for column in ("name", "user", "post", "area"):
        table.add_column(column)
    for sample in samples:
        table.add_row(sample.name, sample.username, sample.post, sample.area)
    console.print(table)


def print_how_to_log_in(console: Console, subsystem: str, console_url: str, phone: str, who: Sample) -> None:
    """The last words of the demo."""
    console.print("\n[bold]Log in by card:[/]")
    console.print(f"1. Open the subsystem {subsystem} (administrators: {console_url}).")
    console.print("   A page with a QR code comes: that is the bridge. Leave it open.")
    console.print(f"2. In another window open the simulated phone {phone}")
    console.print(f"   and look for a person of the table above, for example: {who.name} {who.post}")
    console.print("3. Press 确认登录. The first window goes on by itself and is logged in.")
