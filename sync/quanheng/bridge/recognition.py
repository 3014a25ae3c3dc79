"""What the login needs to know of people."""

from __future__ import annotations

from typing import Protocol

from quanheng.bridge.values import Card, Recognised, Refusal


class Recogniser(Protocol):
    """Tells whose card it is, and whether that person may come in."""

    def recognise(self, card: Card) -> Recognised | Refusal:
        """Find the person by the keyed index of the document; today's holds refuse. Reads the store; call it
        in a thread."""
