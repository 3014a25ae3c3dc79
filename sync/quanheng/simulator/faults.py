"""What the simulator may do wrong, when it is told to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """One thing that goes wrong."""

    DELAY = "delay"
    """The answer comes ``seconds`` late."""
    OUT_OF_ORDER = "out_of_order"
    """The gateway answers ``{"code": 503, …}``."""
    GARBAGE = "garbage"
    HTML = "html"
    DROP = "drop"
    """The connection is closed without an answer."""
    WRONG_SIGNATURE = "wrong_signature"
    UNSIGNED = "unsigned"
    REPLAY = "replay"
    """An answer that was given before, to another question, signature and all."""
    CLOCK_OFF = "clock_off"
    """Every timestamp is refused."""
    EMPTY_CARD = "empty_card"
    """A confirmed scan names no card."""
    CARD_LOST = "card_lost"
    """The card was reported lost between confirmation and look-up."""
    UNKNOWN_STATE = "unknown_state"


@dataclass(slots=True, kw_only=True)
class Fault:
    """A fault, for as long as it lasts."""

    kind: FaultKind
    service: str = ""
    """Only of this service; empty: of each."""
    times: int | None = None
    """How often yet; None: until it is taken away."""
    seconds: float = 0.0


class Faults:
    """Faults that are on."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def set(self, faults: list[Fault]) -> None:
        """These, instead of those before."""
        self._faults = faults

    def listed(self) -> list[Fault]:
        """Those that are on."""
        return list(self._faults)

    def take(self, kind: FaultKind, service: str) -> Fault | None:
        """The fault of this kind that hits a request now, once less from then on."""
        for fault in self._faults:
            if fault.kind is kind and fault.service in ("", service):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                return fault
        return None
