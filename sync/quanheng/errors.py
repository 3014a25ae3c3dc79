"""The one root of every error that quanheng raises on purpose.

Each class states an exit code (documented in ``docs/reference/exit-codes.md``) and, in its
docstring, what has happened. A message never holds an ID number, a phone or a secret; the
``remedy`` tells the operator what to do next.
"""

from __future__ import annotations

from typing import ClassVar


class QuanhengError(Exception):
    """Something quanheng expected could go wrong did."""

    exit_code: ClassVar[int] = 70

    def __init__(self, message: str = "", *, remedy: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").strip().splitlines()[0])
        self.remedy = remedy

    def __str__(self) -> str:
        text = str(self.args[0])
        return f"{text} → {self.remedy}" if self.remedy else text


class ConfigurationError(QuanhengError):
    """The configuration, a pack or a key is missing or wrong; nothing was done."""

    exit_code = 2


class SourceError(QuanhengError):
    """A source could not be read or may not be believed; what it holds was left as it was."""

    exit_code = 3


class UnsafePlanError(QuanhengError):
    """The plan changes more than safety allows; a second person has to approve it."""

    exit_code = 4


class UnreachableError(QuanhengError):
    """A server did not answer, or answered with a fault of its own."""

    exit_code = 5


class LeaseHeldError(QuanhengError):
    """Another process writes to this realm now."""

    exit_code = 6


class IntegrityError(QuanhengError):
    """A record does not agree with its signature, its chain or its anchor."""

    exit_code = 7


class RefusedError(QuanhengError):
    """The request is against the rules and was refused."""

    exit_code = 8
