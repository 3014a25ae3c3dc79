"""What the bridge needs from a card platform."""

from __future__ import annotations

from typing import Protocol

from quanheng.bridge.values import Card, ScanAnswer
from quanheng.errors import IntegrityError, UnreachableError
from quanheng.model.sensitive import Sensitive


class PlatformUnavailableError(UnreachableError):
    """The card platform did not answer in time, is out of order, or is not asked for a while after that."""


class PlatformAnswerError(IntegrityError):
    """The card platform's answer cannot be believed: its signature, its encryption or its form is wrong."""


class UnusableAnswerError(PlatformAnswerError):
    """The answer is sound and says nothing that a login could use: no card, no document, an unknown state."""


class CardPlatform(Protocol):
    """A card platform. Every method raises :class:`PlatformUnavailableError` or :class:`PlatformAnswerError`
    and nothing else; no message of theirs holds a value of an answer."""

    async def make_code(self) -> str:
        """A new code for a screen. Never tried twice by itself."""

    async def ask(self, code: str) -> ScanAnswer:
        """What became of a code. A code that the platform does not know has expired."""

    async def identify(self, essc_no: Sensitive) -> Card:
        """The card of this number and its holder, as they are now."""

    async def close(self) -> None:
        """Close connections."""
