"""Names, ranges and nested groups of a directory, over entries that the test holds itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.feeds import AS_OF, COUNTY, People, shanxi
from fixtures.identities import a_mint
from quanheng.config import LdapSettings
from quanheng.errors import ConfigurationError, SourceError
from quanheng.model.ids import OrgCode, SourceId
from quanheng.model.staff import OrgKind, OrgUnit, Origin, Reading, Reason
from quanheng.policy.units import Units
from quanheng.sources.directory import Entry, open_directory, read_password
from quanheng.sources.dn import is_under, normalise_dn, shown_dn
from quanheng.sources.ldap import read_directory
from quanheng.sources.members import build_group, read_members, resolve_members

PEOPLE = "ou=people,dc=example"
POSTS = "ou=posts,dc=example"
RANGE = 1500
"""How many values Active Directory gives at once."""


def settings(**changes: object) -> LdapSettings:
    """Settings of a directory that is never connected to."""
    given_values: dict[str, object] = {
        "kind": "ldap",
        "id": "ldap",
        "url": "ldap://127.0.0.1:1",
        "bind_dn": "cn=reader",
        "password_file": Path("password"),
        "people_base": PEOPLE,
        "posts_base": POSTS,
        "scope": ("1409",),
    }
    return LdapSettings.model_validate(given_values | changes)


class FakeDirectory:
    """Entries in memory, found by their base; members in ranges when there are many."""

    def __init__(self, entries: Mapping[str, Mapping[str, Sequence[str]]], limit: int = RANGE) -> None:
        self._entries = entries
        self._limit = limit
        self.reads = 0

    def search(self, base: str, object_class: str, attributes: Sequence[str]) -> Iterator[Entry]:
        """Entries below the base."""
        del object_class, attributes
        for dn in self._entries:
            if is_under(normalise_dn(dn), normalise_dn(base)):
                yield self._entry(dn, 0)

    def read(self, dn: str, attribute: str) -> Entry:
        """The next range of one entry."""
        self.reads += 1
        return self._entry(dn, int(attribute.partition("range=")[2].removesuffix("-*")))

    def _entry(self, dn: str, first: int) -> Entry:
        found: dict[str, tuple[bytes, ...]] = {}
        for name, texts in self._entries[dn].items():
            values = tuple(text.encode() for text in texts)
            if len(values) <= self._limit:
                found[name.lower()] = values
                continue
            part = values[first : first + self._limit]
            last = "*" if first + len(part) == len(values) else str(first + len(part) - 1)
            found |= {name.lower(): (), f"{name.lower()};range={first}-{last}": part}
        return Entry(dn, found)


def person(row: Mapping[str, str]) -> dict[str, list[str]]:
    """Attributes of a person from a feed's row."""
    feed, ldap = shanxi().sources.feed.people.model_dump(), shanxi().sources.ldap.people.model_dump()
    return {attribute: [row[feed[field]]] for field, attribute in ldap.items() if row[feed[field]]}


def group(label: str, *members: str) -> dict[str, list[str]]:
    """Attributes of a group."""
    return {"member": list(members), **({"description": [label]} if label else {})}


def read(entries: Mapping[str, Mapping[str, Sequence[str]]]) -> Reading:
    """Read a directory of 忻府区's bureau."""
    origin = Origin(SourceId("test"), "x")
    units = Units(
        {
            OrgCode(code): OrgUnit(
                code=OrgCode(code), name=code, kind=kind, parent=OrgCode(parent), origin=origin
            )
            for code, kind, parent in (
                ("1409", OrgKind.CITY, "14"),
                (COUNTY, OrgKind.COUNTY, "1409"),
                ("140902000", OrgKind.BUREAU, COUNTY),
            )
        }
    )
    return read_directory(FakeDirectory(entries), settings(), shanxi(), units, AS_OF)


def staff(**changes: str) -> dict[str, str]:
    """A member of the bureau's staff."""
    return People().row(机构编码="140902000", **changes)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("uid=a,ou=People,dc=Example", "UID=A , OU=people , DC=example"),
        ("cn=Zhang\\, San,dc=x", "CN=zhang\\2c san,DC=X"),
        ("cn=张三,dc=x", "cn=\\E5\\BC\\A0\\E4\\B8\\89,dc=x"),
        ("cn=a+uid=b,dc=x", "UID=b+CN=a,dc=x"),
        ("2.5.4.3=a,dc=x", "commonName=A,domainComponent=x"),
        ("cn=a  b,dc=x", "cn=A b,dc=x"),
        ("cn=\\20a,dc=x", "cn=a,dc=x"),
    ],
)
def test_spellings_of_a_name_are_one_name(one: str, other: str) -> None:
    """Case, blanks, escapes, order and long names make no difference."""
    assert normalise_dn(one) == normalise_dn(other)


def test_an_escaped_comma_is_no_border() -> None:
    """A name that ends in the base's text, inside a value, is not below the base."""
    assert not is_under(normalise_dn("cn=x\\,ou=people\\,dc=example"), normalise_dn(PEOPLE))
    assert not is_under(normalise_dn("ou=otherpeople,dc=example"), normalise_dn(PEOPLE))
    assert is_under(normalise_dn("uid=a,ou=b,OU=People,dc=example"), normalise_dn(PEOPLE))


@pytest.mark.parametrize("text", ["people", "=a,dc=x", "cn=a\\", "cn=a\\zz", 'cn="a",dc=x', "cn=\\ff", "a,b"])
def test_what_is_no_name_is_refused(text: str) -> None:
    """A text that cannot be a name gives an error without the text."""
    with pytest.raises(ValueError, match=r"^not a distinguished name$|can't decode"):
        normalise_dn(text)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=12))
def test_an_escaped_value_is_one_value(value: str) -> None:
    """Whatever a value holds, escaped by its bytes it is one relative name."""
    escaped = "".join(f"\\{byte:02x}" for byte in value.encode())
    assert len(normalise_dn(f"cn={escaped},dc=x")) == 2


def test_a_name_is_shown_without_numbers() -> None:
    """ID numbers, phones and the person's own number become stars in a locator."""
    mint = a_mint()
    assert shown_dn(f"uid={mint.resident_number()},ou={mint.phone()},dc=x") == "uid=***,ou=***,dc=x"
    assert shown_dn("uid=ez1234567,dc=x", "EZ1234567", "") == "uid=***,dc=x"
    assert shown_dn("uid=R140000-00001,dc=x") == "uid=R140000-00001,dc=x"


@pytest.mark.parametrize("count", [0, 1, RANGE, RANGE + 1, 3 * RANGE, 13_000])
def test_ranges_of_members_are_merged(count: int) -> None:
    """However many members a group has, all are read, with one request for each further range."""
    names = [f"uid={number},{PEOPLE}" for number in range(count)]
    directory = FakeDirectory({"cn=g": group("x", *names)})
    (entry,) = directory.search("", "", ())
    assert [raw.decode() for raw in read_members(directory, entry, "member")] == names
    assert directory.reads == max(-(-count // RANGE) - 1, 0)


class _Gap(FakeDirectory):
    def read(self, dn: str, attribute: str) -> Entry:
        """A range later than the one that was asked for."""
        del attribute
        return super().read(dn, "member;range=3-*")


class _Nothing(FakeDirectory):
    def read(self, dn: str, attribute: str) -> Entry:
        """No range at all."""
        del attribute
        return Entry(dn, {})


@pytest.mark.parametrize("kind", [_Gap, _Nothing])
def test_a_gap_between_ranges_is_an_error(kind: type[FakeDirectory]) -> None:
    """Members that are missing between two ranges are never taken for members who left."""
    directory = kind({"cn=g": group("x", *"abcdef")}, limit=2)
    (entry,) = directory.search("", "", ())
    with pytest.raises(SourceError, match="a gap between two ranges"):
        read_members(directory, entry, "member")


def test_nested_groups_are_followed_and_cycles_cut() -> None:
    """Members of groups inside groups count, a group met by two ways once, a cycle is cut and named."""
    groups = {
        normalise_dn(dn): build_group(dn, "", tuple(member.encode() for member in members))
        for dn, members in {
            "cn=a": ["cn=b", "cn=c", "uid=1"],
            "cn=b": ["cn=d", "uid=2"],
            "cn=c": ["cn=d"],
            "cn=d": ["CN=A", "uid=3", "UID=3"],
        }.items()
    }
    holding = resolve_members(normalise_dn("cn=a"), groups)
    assert set(holding.members) == {normalise_dn(f"uid={number}") for number in (1, 2, 3)}
    assert holding.cycles == ("cn=a",)


def test_very_deep_nesting_is_followed() -> None:
    """Ten thousand groups inside each other are no reason to give up."""
    groups = {
        normalise_dn(f"cn={number}"): build_group(f"cn={number}", "", (f"cn={number + 1}".encode(),))
        for number in range(10_000)
    }
    assert list(resolve_members(normalise_dn("cn=0"), groups).members) == [normalise_dn("cn=10000")]


def test_a_person_has_the_posts_of_all_groups() -> None:
    """A member of an inner group has the outer group's post too; somebody in no group has none."""
    people = People()
    rows = [people.row(机构编码="140902000") for _ in range(3)]
    names = [f"uid={row['人员编号']},{PEOPLE}" for row in rows]
    reading = read(
        {
            **{name: person(row) for name, row in zip(names, rows, strict=True)},
            f"cn=outer,{POSTS}": group("审核人员", names[0], f"cn=inner,{POSTS}"),
            f"cn=inner,{POSTS}": group("经办人员", names[1].upper()),
        }
    )
    assert {(row.staff_no, row.post) for row in reading.rows} == {
        (rows[0]["人员编号"], "reviewer"),
        (rows[1]["人员编号"], "reviewer"),
        (rows[1]["人员编号"], "handler"),
        (rows[2]["人员编号"], None),
    }
    assert reading.declaration.row_count == 4


def test_members_outside_the_base_are_rejected_and_not_read() -> None:
    """A member elsewhere gives nothing, whatever entry it is, and is in quarantine with its group."""
    row = staff()
    inside = f"uid=a,{PEOPLE}"
    reading = read(
        {inside: person(row), f"cn=g,{POSTS}": group("经办人员", inside, "uid=a,ou=elsewhere,dc=example")}
    )
    assert len(reading.rows) == 1
    (rejected,) = reading.rejected
    assert rejected.reason is Reason.MEMBER_OUTSIDE_BASE
    assert rejected.origin.locator == f"cn=g,{POSTS}"
    assert rejected.original.reveal() == "uid=a,ou=elsewhere,dc=example"


def test_a_name_with_an_id_number_is_masked_and_noted() -> None:
    """The locator of an entry that is named by its ID number does not show it, nor does anything else."""
    row = staff()
    name = f"uid={row['证件号码']},{PEOPLE}"
    reading = read({name: person(row), f"cn=g,{POSTS}": group("经办人员", name)})
    assert [found.origin.locator for found in reading.rows] == [f"employeeNumber={row['人员编号']},{PEOPLE}"]
    assert row["证件号码"] not in repr(reading)
    assert any("rename them by staff number" in note for note in reading.notes)


@pytest.mark.parametrize("first", ["cn=李思远", "cn=李思远+uid=a", "CN=\\E6\\9D\\8E思远", "sn=李\\,思远"])
def test_a_locator_names_nobody(first: str) -> None:
    """Directories call entries by people's names; locators go into the ledger, so they say the staff number,
    and a digest for an entry whose number may not be shown."""
    row = staff(姓名="李思远")
    name = f"{first},ou=忻府区,{PEOPLE}"
    posts = {f"cn=g,{POSTS}": group("经办人员", name)}
    (good,) = read({name: person(row), **posts}).rows
    assert good.origin.locator == f"employeeNumber={row['人员编号']},ou=忻府区,{PEOPLE}"
    (bad,) = read({name: person(row | {"人员编号": row["证件号码"]}), **posts}).rejected
    assert re.fullmatch(rf"entry=[0-9a-f]{{12}},ou=忻府区,{PEOPLE}", bad.origin.locator)
    assert "思远" not in repr(bad)
    assert name in bad.original.reveal()


def test_two_values_where_one_is_expected_are_not_guessed() -> None:
    """A person with two organisations is in quarantine, and known to be there."""
    row = staff()
    name = f"uid=a,{PEOPLE}"
    attributes = {**person(row), "qhOrgCode": ["140902000", "140902"]}
    reading = read({name: attributes, f"cn=g,{POSTS}": group("经办人员", name)})
    assert [(bad.reason, bad.field, bad.staff_no) for bad in reading.rejected] == [
        (Reason.CONFLICTING_ROWS, "qhOrgCode", row["人员编号"])
    ]


def test_a_group_that_shows_no_members_is_an_error() -> None:
    """A class that needs members, without any, means that the bind account may not see them."""
    with pytest.raises(SourceError, match="shows no members"):
        read({f"uid=a,{PEOPLE}": person(staff()), f"cn=g,{POSTS}": {"description": ["经办人员"]}})


def test_people_without_any_group_are_an_error() -> None:
    """A wrong posts_base would take every post from everybody; it is an error instead."""
    with pytest.raises(SourceError, match="no group at all below posts_base"):
        read({f"uid=a,{PEOPLE}": person(staff())})


def test_an_unknown_label_rejects_its_members() -> None:
    """A group whose label is no post of the pack gives rows that say so."""
    name = f"uid=a,{PEOPLE}"
    reading = read({name: person(staff()), f"cn=g,{POSTS}": group("后勤岗", name)})
    assert [bad.reason for bad in reading.rejected] == [Reason.UNKNOWN_POST]


def test_what_gives_nothing_is_noted() -> None:
    """A group without label that nobody contains, and a member that is no staff, are mentioned."""
    name = f"uid=a,{PEOPLE}"
    reading = read(
        {
            name: person(staff()),
            f"cn=g,{POSTS}": group("经办人员", name, f"uid=gone,{PEOPLE}"),
            f"cn=alone,{POSTS}": group("", name),
        }
    )
    assert [note.split(":")[0] for note in reading.notes] == [
        f"group 'cn=alone,{POSTS}' has no post label and is in no other group",
        "1 members of groups are below people_base, but no staff",
    ]


def test_the_digest_does_not_depend_on_order() -> None:
    """A server may answer in any order; what it says is the same."""
    people = People()
    rows = [people.row(机构编码="140902000") for _ in range(2)]
    names = [f"uid={row['人员编号']},{PEOPLE}" for row in rows]
    entries = {name: person(row) for name, row in zip(names, rows, strict=True)}
    post = {f"cn=g,{POSTS}": group("经办人员", *names)}
    turned = {f"cn=g,{POSTS}": group("经办人员", *reversed(names))}
    first = read({**entries, **post}).declaration.digest
    assert read({**turned, **dict(reversed(entries.items()))}).declaration.digest == first
    assert read({**entries, f"cn=g,{POSTS}": group("经办人员", names[0])}).declaration.digest != first


def test_a_password_file_is_its_owners_alone(tmp_path: Path) -> None:
    """A file that others may read, that is empty or absent is refused before any connection."""
    file = tmp_path / "password"
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_password(file)
    file.write_text("secret\n")
    file.chmod(0o640)
    with pytest.raises(ConfigurationError, match="others may read it") as caught:
        read_password(file)
    assert "secret" not in str(caught.value)
    file.chmod(0o600)
    assert read_password(file) == "secret"
    file.write_text("\n")
    with pytest.raises(ConfigurationError, match="empty"):
        read_password(file)


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "ldaps://h", "tls": "starttls"},
        {"url": "ldap://h", "tls": "ldaps"},
        {"url": "ldaps://h", "tls": "plain"},
        {"url": "http://h"},
        {"url": "ldap://"},
        {"url": "ldap://user@h"},
        {"url": "ldap://h/dc=x"},
        {"url": "ldap://h:port"},
        {"ca_file": Path("/nowhere/ca.pem")},
        {"ca_file": Path(__file__)},
    ],
)
def test_settings_that_do_not_fit_are_refused(changes: dict[str, object]) -> None:
    """An address that does not go with its encryption, or a CA file that is none, is refused."""
    with pytest.raises(ConfigurationError), open_directory(settings(**changes)):
        pass
