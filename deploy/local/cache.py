"""Where what was downloaded or built is kept, and the error of everything that starts servers here."""

from __future__ import annotations

import os
from pathlib import Path


class LocalServerError(Exception):
    """A server of this machine could not be fetched, built or started; the text says what to do."""


def cache_directory() -> Path:
    """Where downloads and built servers are kept: ``QUANHENG_CACHE``, or the user's cache."""
    if chosen := os.environ.get("QUANHENG_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "quanheng"
