"""What makes a proposal the same proposal at each reading. Pure."""

from __future__ import annotations

import hashlib


def proposal_key(*parts: str) -> str:
    """The same thing proposed twice has the same key. ``parts`` hold indexes, never numbers."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
