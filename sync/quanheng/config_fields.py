"""Kinds of fields that several parts of ``quanheng.toml`` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
"""Names of this machine, where TLS may be left out."""


class StrictSettings(BaseModel):
    """A table of ``quanheng.toml``: frozen, and a field that nobody knows is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _against_file(path: Path, info: ValidationInfo) -> Path:
    base = (info.context or {}).get("base", Path())
    return path if path.is_absolute() else base / path


RelativePath = Annotated[Path, AfterValidator(_against_file)]
"""A path, taken from the folder of ``quanheng.toml`` when it is relative."""


def _https_or_loopback(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise ValueError("an address of another machine begins with https://")
    return url


SafeUrl = Annotated[str, AfterValidator(_https_or_loopback)]
"""An address with ``https://``, or of this machine."""
