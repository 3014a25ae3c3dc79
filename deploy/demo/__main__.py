"""``python -m deploy.demo up --scope 1409`` and ``python -m deploy.demo stop``; 'make' calls both."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from deploy.demo.folder import DemoFolder
from deploy.demo.servers import stop_servers
from deploy.local.cache import LocalServerError
from deploy.local.slapd import SlapdError

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; exit 0 when all of it went as it should."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    up = actions.add_parser("up", help="start and synchronise")
    up.add_argument("--scope", default="1409", help="code of a province, city or county of 山西")
    actions.add_parser("stop", help="stop the servers")
    chosen = parser.parse_args(arguments)
    folder = DemoFolder(ROOT / ".demo")
    console = Console(highlight=False)
    if chosen.action == "stop":
        return _stop(folder, console)
    if not re.fullmatch(r"14([0-9]{2}){0,2}", chosen.scope):
        console.print("SCOPE is a code of 山西: 14, a city such as 1409, or a county such as 140902")
        return 2
    return _up(folder, console, chosen.scope)


def _stop(folder: DemoFolder, console: Console) -> int:
    stopped = folder.root.is_dir() and stop_servers(folder)
    console.print("The demo's servers are stopped; its data stays." if stopped else "No demo runs.")
    return 0


def _up(folder: DemoFolder, console: Console, scope: str) -> int:
    # Only here: stopping has to work whatever state the rest of the tree is in.
    from deploy.demo.commands import CommandFailedError
    from deploy.demo.walk import Walk

    try:
        Walk(folder, console).run(scope)
    except (CommandFailedError, LocalServerError, SlapdError) as error:
        console.print(f"[red]The demo stopped:[/] {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
