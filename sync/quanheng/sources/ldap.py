"""An LDAP directory: entries are people, groups are posts. One row per person and post.

Always a snapshot, read live. The directory says where people are (their organisation code), so the tree
of its OUs means nothing; only the two pinned bases are looked at, whoever a group names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from quanheng.clock import CHINA, Clock
from quanheng.config import LdapSettings
from quanheng.errors import ConfigurationError, SourceError
from quanheng.model.ids import OrgCode, SourceId
from quanheng.model.sensitive import Sensitive
from quanheng.model.staff import Declaration, Mode, Origin, Reading, Reason, RejectedRow, StaffRow
from quanheng.policy.pack import Pack
from quanheng.policy.units import Units, in_scope
from quanheng.sources.directory import Directory, Entry, open_directory
from quanheng.sources.dn import NormalDn, is_under, located_dn, normalise_dn, shown_dn
from quanheng.sources.members import Group, build_group, read_members, resolve_members
from quanheng.sources.organisations import with_root
from quanheng.sources.reasons import EXPLANATIONS
from quanheng.sources.rows import Fault, RowJudge, has_unreadable
from quanheng.sources.settle import find_contradictions, reject_row, without

_NEVER_EMPTY = frozenset({"groupofnames", "groupofuniquenames"})
"""Classes whose groups must have a member (RFC 4519): one without shows that members are hidden from us."""


def read_ldap(settings: LdapSettings, pack: Pack, units: Units, clock: Clock) -> Reading:
    """Read a directory whole.

    Raises :class:`SourceError` when any part of the answer is missing, so there is no partial reading,
    and :class:`ConfigurationError` when settings or the password's file are wrong. An empty directory is
    a reading without rows; what follows is the engine's to say.
    """
    if not all(in_scope(code, pack.info.scope) for code in settings.scope):
        raise ConfigurationError(
            f"sources: {settings.id}: scope: a code outside the scope of pack '{pack.info.id}'",
            remedy="mend quanheng.toml: a source speaks for organisations of its jurisdiction",
        )
    as_of = clock()
    with open_directory(settings) as directory:
        return read_directory(directory, settings, pack, units, as_of)


def read_directory(
    directory: Directory, settings: LdapSettings, pack: Pack, units: Units, as_of: datetime
) -> Reading:
    """The same from a directory that is open; ``as_of`` is aware."""
    people = _read_people(directory, settings, pack)
    groups = _read_groups(directory, settings, pack, expect_some=bool(people))
    posts, outsiders, notes = _assign_posts(groups, people, settings)
    labels = {**pack.sources.ldap.people.model_dump(), "post": pack.sources.ldap.post_label}
    judge = RowJudge(
        pack=pack,
        units=with_root(units, pack),
        scope=tuple(OrgCode(code) for code in settings.scope),
        labels=labels,
        today=as_of.astimezone(CHINA).date(),
    )
    rows, rejected = _judge_people(people, posts, judge, SourceId(settings.id))
    masked = sum(shown_dn(person.dn, *person.numbers) != person.dn for person in people.values())
    if masked:
        notes.append(
            f"{masked} entries have a name with an ID number or phone in it: rename them by staff number"
        )
    return Reading(
        declaration=Declaration(
            source=SourceId(settings.id),
            mode=Mode.SNAPSHOT,
            scope=judge.scope,
            as_of=as_of,
            sequence=0,
            digest=_digest(people, groups),
            row_count=len(rows) + len(rejected),
        ),
        rows=rows,
        rejected=(*rejected, *outsiders),
        units=None,
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class _Person:
    """An entry of a person, as text."""

    dn: str
    values: Mapping[str, str]
    fault: Fault | None

    @property
    def numbers(self) -> tuple[str, str]:
        """Numbers of the person's own, which its name may hold."""
        return self.values["document_number"], self.values["phone"]

    def locator(self, judge: RowJudge) -> str:
        """Where the entry is, by staff number: it is kept for good, and an entry's name may be a person's.

        Without one, a digest tells entries apart; whoever mends them has the original in quarantine.
        """
        staff_no = judge.staff_no(self.values)
        name = f"{judge.labels['staff_no']}={staff_no}"
        if staff_no is None:
            name = f"entry={hashlib.sha256(repr(_ordered(normalise_dn(self.dn))).encode()).hexdigest()[:12]}"
        return located_dn(self.dn, name, *self.numbers)

    def original(self, labels: Mapping[str, str], post: str) -> str:
        lines = [f"dn: {self.dn}", *(f"{labels[field]}: {text}" for field, text in self.values.items())]
        return "\n".join([*lines, *([f"# {post}"] if post else [])])


def _read_people(directory: Directory, settings: LdapSettings, pack: Pack) -> dict[NormalDn, _Person]:
    mapping = pack.sources.ldap
    attributes: dict[str, str] = mapping.people.model_dump()
    base = normalise_dn(settings.people_base)
    found: dict[NormalDn, _Person] = {}
    for entry in directory.search(settings.people_base, mapping.person_class, list(attributes.values())):
        found[_key(entry, base, settings)] = _person(entry, attributes)
    return found


def _person(entry: Entry, attributes: Mapping[str, str]) -> _Person:
    values: dict[str, str] = {}
    fault: Fault | None = None
    for field, attribute in attributes.items():
        given = entry.attributes.get(attribute.lower(), ())
        if len(given) > 1:
            fault = fault or Fault(
                Reason.CONFLICTING_ROWS, field, f"{len(given)} values where one is expected"
            )
        text = b"; ".join(given).decode("utf-8", errors="replace").strip()
        if has_unreadable(text):
            fault = fault or Fault(
                Reason.UNREADABLE_TEXT, field, "control characters, or bytes that are not UTF-8"
            )
        values[field] = text
    return _Person(entry.dn, values, fault)


def _read_groups(
    directory: Directory, settings: LdapSettings, pack: Pack, *, expect_some: bool
) -> dict[NormalDn, Group]:
    mapping = pack.sources.ldap
    base = normalise_dn(settings.posts_base)
    attributes = [mapping.post_label, mapping.member]
    found: dict[NormalDn, Group] = {}
    # All groups first: the ranges of a large one are asked for between pages otherwise, and some
    # servers keep only one search of a connection.
    for entry in list(directory.search(settings.posts_base, mapping.post_class, attributes)):
        members = read_members(directory, entry, mapping.member)
        if not members and mapping.post_class.lower() in _NEVER_EMPTY:
            raise SourceError(
                f"{settings.id}: group '{shown_dn(entry.dn)}' shows no members, though its class needs one",
                remedy=f"let the bind account read '{mapping.member}' below posts_base",
            )
        label = b" ".join(entry.attributes.get(mapping.post_label.lower(), ())).decode(
            "utf-8", errors="replace"
        )
        found[_key(entry, base, settings)] = build_group(entry.dn, label.strip(), members)
    if expect_some and not found:
        raise SourceError(
            f"{settings.id}: there are people, but no group at all below posts_base",
            remedy="check posts_base and the pack's post_class, and what the bind account may read",
        )
    return found


def _key(entry: Entry, base: NormalDn, settings: LdapSettings) -> NormalDn:
    try:
        key = normalise_dn(entry.dn)
    except ValueError:
        key = ()
    if not key or not is_under(key, base):
        raise SourceError(
            f"{settings.id}: the server answered with an entry outside the base that was asked for",
            remedy="see whether a proxy or an overlay of the server rewrites names",
        )
    return key


def _assign_posts(
    groups: Mapping[NormalDn, Group], people: Mapping[NormalDn, _Person], settings: LdapSettings
) -> tuple[dict[NormalDn, list[str]], list[RejectedRow], list[str]]:
    """Post labels of each person, members from outside the base, and what the operator should know."""
    base = normalise_dn(settings.people_base)
    posts: dict[NormalDn, list[str]] = {}
    outsiders: dict[tuple[NormalDn, str], RejectedRow] = {}
    cycles: dict[str, None] = {}
    strays: set[NormalDn] = set()
    nested = {member for group in groups.values() for member in group.members}
    names = {key: name for group in groups.values() for key, name in group.members.items()}
    for key, group in groups.items():
        if not group.label:
            continue
        holding = resolve_members(key, groups)
        cycles |= dict.fromkeys(holding.cycles)
        for member, via in holding.members.items():
            if member in people:
                labels = posts.setdefault(member, [])
                if group.label not in labels:
                    labels.append(group.label)
            elif is_under(member, base):
                strays.add(member)
            else:
                outsiders[member, via] = _outsider(names[member], via, settings)
    notes = [f"group '{shown_dn(dn)}' contains itself; it was cut there" for dn in cycles]
    notes += [
        f"group '{shown_dn(group.dn)}' has no post label and is in no other group: it gives nothing"
        for key, group in groups.items()
        if not group.label and key not in nested
    ]
    notes += [
        f"group '{shown_dn(group.dn)}': {group.unreadable} members are no names"
        for group in groups.values()
        if group.unreadable
    ]
    if strays:
        notes.append(f"{len(strays)} members of groups are below people_base, but no staff: passed over")
    return posts, list(outsiders.values()), notes


def _outsider(name: str, via: str, settings: LdapSettings) -> RejectedRow:
    return RejectedRow(
        origin=Origin(SourceId(settings.id), shown_dn(via)),
        reason=Reason.MEMBER_OUTSIDE_BASE,
        field="member",
        value_kind="the name of an entry that is not below people_base",
        remedy=EXPLANATIONS[Reason.MEMBER_OUTSIDE_BASE].remedy,
        original=Sensitive(name),
    )


def _judge_people(
    people: Mapping[NormalDn, _Person],
    posts: Mapping[NormalDn, list[str]],
    judge: RowJudge,
    source: SourceId,
) -> tuple[tuple[StaffRow, ...], list[RejectedRow]]:
    rows: list[StaffRow] = []
    made_of: list[tuple[_Person, str]] = []
    rejected: list[RejectedRow] = []
    for person, post in _rows_of(people, posts):
        origin = Origin(source, person.locator(judge))
        values = {**person.values, "post": post}
        if person.fault is not None:
            original = person.original(judge.labels, post)
            rejected.append(judge.reject(values, origin, original, person.fault))
            continue
        row = judge.judge(values, origin, lambda p=person, post=post: p.original(judge.labels, post))  # type: ignore[misc]
        if isinstance(row, StaffRow):
            rows.append(row)
            made_of.append((person, post))
        else:
            rejected.append(row)
    faults = find_contradictions(rows, rejected)
    for index, fault in sorted(faults.items()):
        person, post = made_of[index]
        rejected.append(reject_row(rows[index], fault, person.original(judge.labels, post), judge.labels))
    return tuple(without(rows, faults)), rejected


def _rows_of(
    people: Mapping[NormalDn, _Person], posts: Mapping[NormalDn, list[str]]
) -> Iterator[tuple[_Person, str]]:
    for key, person in people.items():
        for post in posts.get(key, ("",)):
            yield person, post


def _digest(people: Mapping[NormalDn, _Person], groups: Mapping[NormalDn, Group]) -> str:
    """One digest of everything that was read; the order in which a server answers makes no difference."""
    parts = [repr((_ordered(key), tuple(person.values.items()))) for key, person in people.items()]
    parts += [
        repr((_ordered(key), group.label, sorted(map(_ordered, group.members))))
        for key, group in groups.items()
    ]
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()


def _ordered(name: Iterable[frozenset[tuple[str, str]]]) -> list[list[tuple[str, str]]]:
    return [sorted(relative) for relative in name]
