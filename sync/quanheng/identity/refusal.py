"""Why a value of a person was refused, told without showing the value."""

from __future__ import annotations

from quanheng.errors import SourceError
from quanheng.model.staff import Reason


class RefusedValueError(SourceError):
    """A value of a person cannot be what it says it is; its row goes to quarantine."""

    def __init__(self, reason: Reason, value_kind: str, *, remedy: str) -> None:
        super().__init__(f"{reason.value}: {value_kind}", remedy=remedy)
        self.reason = reason
        """Becomes :attr:`RejectedRow.reason`."""
        self.value_kind = value_kind
        """What kind of value it was, for example ``17 characters``; never the value."""
