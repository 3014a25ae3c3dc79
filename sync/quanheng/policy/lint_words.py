"""Sentences that every part of the lint says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from quanheng.policy.contents import Pack
from quanheng.policy.units import in_scope


def doubled(what: str, values: Iterable[str]) -> list[str]:
    """One sentence for each value that is there more than once."""
    counted = Counter(values)
    return [
        f"{what} '{value}' is there twice; remove or rename one"
        for value in sorted(counted)
        if counted[value] > 1
    ]


def unknown(what: str, values: Iterable[str], known: Iterable[str]) -> list[str]:
    """One sentence for each value that is not known."""
    names = set(known)
    return [
        f"{what} '{value}' is not defined; correct the name or define it"
        for value in values
        if value not in names
    ]


def outside(what: str, areas: Iterable[str], pack: Pack) -> list[str]:
    """One sentence for each area that lies outside the pack's scope."""
    return [
        f"{what}: areas '{code}' lies outside the pack's scope; correct the code"
        for code in areas
        if not in_scope(code, pack.info.scope)
    ]
