"""What one check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """Works, but somebody should look at it."""
    FAIL = "fail"
    """Does not work, or is not safe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One line of the doctor's report. Texts are for the operator, in Chinese."""

    id: str
    """Stable: ``keycloak.token``, ``source.hr.manifest``."""
    state: State
    message: str
    remedy: str = ""


def ok(id_: str, message: str) -> Result:
    """Nothing to do."""
    return Result(id=id_, state=State.OK, message=message)


def warn(id_: str, message: str, remedy: str) -> Result:
    """Somebody should look at it."""
    return Result(id=id_, state=State.WARN, message=message, remedy=remedy)


def fail(id_: str, message: str, remedy: str) -> Result:
    """It does not work, or is not safe."""
    return Result(id=id_, state=State.FAIL, message=message, remedy=remedy)
