"""Groups that are posts: all members of a group, and everybody who is in it by way of others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from quanheng.errors import SourceError
from quanheng.sources.directory import Directory, Entry
from quanheng.sources.dn import NormalDn, normalise_dn, shown_dn

_RANGE: Final = re.compile(r";range=(\d+)-(\d+|\*)")


@dataclass(frozen=True, slots=True)
class Group:
    """A group of the directory."""

    dn: str
    label: str
    """Label of a post; empty when the group is none and only serves inside others."""
    members: Mapping[NormalDn, str]
    """Names of direct members, as written, by their normal form."""
    unreadable: int = 0
    """Members whose names are no names."""


def read_members(directory: Directory, entry: Entry, attribute: str) -> tuple[bytes, ...]:
    """All values of a group's member attribute, also when the server gives them in ranges.

    Active Directory answers ``member;range=0-1499`` and leaves ``member`` itself empty, so a large
    group looks like one without members. Raises :class:`SourceError` when the ranges leave a gap.
    """
    name = attribute.lower()
    values = list(entry.attributes.get(name, ()))
    while (ranged := _ranged(entry, name)) is not None:
        (first, last), found = ranged
        if first != len(values) or (last is not None and last + 1 != first + len(found)):
            raise _gap(entry)
        values += found
        if last is None:
            break
        entry = directory.read(entry.dn, f"{attribute};range={len(values)}-*")
        if _ranged(entry, name) is None:
            raise _gap(entry)
    return tuple(values)


def _ranged(entry: Entry, name: str) -> tuple[tuple[int, int | None], tuple[bytes, ...]] | None:
    for key, values in entry.attributes.items():
        if key.startswith(f"{name};") and (match := _RANGE.fullmatch(key.removeprefix(name))):
            last = None if match[2] == "*" else int(match[2])
            return (int(match[1]), last), values
    return None


def _gap(entry: Entry) -> SourceError:
    return SourceError(
        f"group '{shown_dn(entry.dn)}': its members came with a gap between two ranges",
        remedy="nothing was changed, and the next run tries again; see the server's log if it stays",
    )


def build_group(dn: str, label: str, members: tuple[bytes, ...]) -> Group:
    """A group from what the server says."""
    found: dict[NormalDn, str] = {}
    unreadable = 0
    for raw in members:
        try:
            text = raw.decode("utf-8")
            found[normalise_dn(text)] = text
        except ValueError:
            unreadable += 1
    return Group(dn, label, found, unreadable)


@dataclass(frozen=True, slots=True)
class Holding:
    """Who is in a group, by way of nested groups too."""

    members: Mapping[NormalDn, str]
    """Everybody who is no group, by normal name: the name of the group that lists them."""
    cycles: tuple[str, ...]
    """Names of groups that contain themselves."""


def resolve_members(start: NormalDn, groups: Mapping[NormalDn, Group]) -> Holding:
    """Follow the groups inside a group. A group that contains itself is cut there and named."""
    members: dict[NormalDn, str] = {}
    cycles: list[str] = []
    entered = {start}
    path = {start}
    stack: list[tuple[NormalDn, Iterator[NormalDn]]] = [(start, iter(groups[start].members))]
    while stack:
        current, rest = stack[-1]
        for member in rest:
            if member not in groups:
                members.setdefault(member, groups[current].dn)
            elif member in path:
                cycles.append(groups[member].dn)
            elif member not in entered:
                entered.add(member)
                path.add(member)
                stack.append((member, iter(groups[member].members)))
                break
        else:
            stack.pop()
            path.discard(current)
    return Holding(members, tuple(dict.fromkeys(cycles)))
