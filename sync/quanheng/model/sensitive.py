"""A value that must never be printed."""

from __future__ import annotations

from typing import Final


class Sensitive:
    """Holds a phone, an ID number or a secret; ``repr``, ``str`` and ``format`` show nothing of it.

    Equality compares the values. Use :meth:`reveal` at the one place that needs the text.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value: Final = value

    def reveal(self) -> str:
        """Return the text itself."""
        return self._value

    def __repr__(self) -> str:
        return "Sensitive(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sensitive) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)
