"""What a simulator is started with."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from quanheng.bridge.settings import MAX_CODE_SECONDS, FieldNames, ServiceNames

ANY_KEY = "0123456789abcdef0123456789abcdef"
"""The keys of a simulator that is given none: for trying out, so everybody may know them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorSettings:
    """Like the platform's side of ``[bridge.platform]``."""

    access_key: str = "simulator"
    signing_key: str = field(default=ANY_KEY, repr=False)
    encryption_key: bytes = field(default=bytes.fromhex(ANY_KEY), repr=False)
    protection: Literal["hmac-sha1-aes-cbc", "hmac-sm3-sm4-gcm"] = "hmac-sha1-aes-cbc"
    services: ServiceNames = field(default_factory=ServiceNames)
    fields: FieldNames = field(default_factory=FieldNames)
    code_seconds: float = MAX_CODE_SECONDS
    refuse_replays: bool = False
    """Whether a request that came before, signature and all, is refused."""
    public_url: str = ""
    """Where phones reach the simulator: codes are then addresses of its phone page."""
    people_file: Path | None = None
    odd_people: bool = False
    """Whether there are people with cards in every status as well, and one whom no registry knows."""
    csrf_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
