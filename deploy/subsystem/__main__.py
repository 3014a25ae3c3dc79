"""``python -m deploy.subsystem --config subsystem.json``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from deploy.subsystem.app import create_subsystem
from deploy.subsystem.settings import SubsystemSettings


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="subsystem", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="JSON: deploy/subsystem/settings.py")
    settings = SubsystemSettings.read(parser.parse_args(arguments).config)
    uvicorn.run(
        create_subsystem(settings),
        host=settings.host,
        port=settings.port,
        # Addresses of answers hold codes.
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_level="warning",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
