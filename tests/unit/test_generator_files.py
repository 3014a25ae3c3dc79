"""What the generator writes is what an HR system and a directory would send."""

from __future__ import annotations

import csv
from base64 import b64decode
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fixtures.feed import PEOPLE_COLUMNS
from fixtures.people import build_ldif, generate, generate_many, write_feed
from quanheng.clock import CHINA
from quanheng.config import FeedSettings
from quanheng.model.staff import Mode, Reason
from quanheng.policy.pack import find_pack, load_pack
from quanheng.policy.units import Units
from quanheng.sources.feed import read_feed
from quanheng.sources.manifest import read_manifest

AS_OF = datetime(2026, 3, 2, 8, tzinfo=CHINA)


def test_columns_are_those_of_the_pack() -> None:
    """The header has the titles that mappers/shanxi/sources.yaml maps, each once."""
    feed = load_pack(find_pack("shanxi")).sources.feed
    assert sorted(PEOPLE_COLUMNS) == sorted(feed.people.model_dump().values())


def test_feed_is_gb18030_except_where_a_row_is_spoiled(tmp_path: Path) -> None:
    """Line by line, only the rows that must end in quarantine for it do not decode."""
    population = generate("1409")
    write_feed(tmp_path, population.people, population.units, sequence=1, as_of=AS_OF, scope=population.scope)
    lines = (tmp_path / "people.csv").read_bytes().splitlines()
    rows = population.rows("hr")
    assert len(lines) == len(rows) + 1
    for line, row in zip(lines[1:], rows, strict=True):
        if row.fault is Reason.UNREADABLE_TEXT:
            assert line.decode("gb18030", "replace").count("�") == 1
            continue
        values = next(csv.reader([line.decode("gb18030")]))
        assert values[0] == row.staff_no
        assert values[1] == row.name
        assert len(values) == len(PEOPLE_COLUMNS) + (row.fault is Reason.WRONG_COLUMN_COUNT)


def test_manifest_declares_the_files(tmp_path: Path) -> None:
    """The manifest can be read back and says scope, time, sequence, rows and encoding."""
    population = generate("140902")
    file = write_feed(
        tmp_path, population.people, population.units, sequence=7, as_of=AS_OF, scope=population.scope
    )
    manifest = read_manifest(file)
    assert manifest.mode is Mode.SNAPSHOT
    assert manifest.scope == ("140902", "140000000")
    assert manifest.as_of == AS_OF.astimezone(UTC)
    assert manifest.sequence == 7
    assert manifest.encoding == "gb18030"
    assert manifest.people.rows == len(population.rows("hr"))


def test_the_same_issue_is_the_same_bytes(tmp_path: Path) -> None:
    """Writing an issue again changes no byte of any of its files."""
    population = generate("140902")
    contents = []
    for _ in range(2):
        write_feed(
            tmp_path, population.people, population.units, sequence=1, as_of=AS_OF, scope=population.scope
        )
        contents.append({file.name: file.read_bytes() for file in tmp_path.iterdir()})
    assert contents[0] == contents[1]


def test_a_delta_in_utf_8_can_be_written(tmp_path: Path) -> None:
    """Other encodings and modes are a parameter."""
    population = generate_many(3, source="hr", scope="140902")
    file = write_feed(
        tmp_path,
        population.people,
        (),
        sequence=2,
        as_of=AS_OF,
        scope=population.scope,
        encoding="utf-8",
        mode="delta",
    )
    assert read_manifest(file).mode is Mode.DELTA
    assert (tmp_path / "people.csv").read_text(encoding="utf-8").count("154") == 3


@pytest.mark.parametrize("scope", ["140902", "1409"])
def test_the_reader_finds_exactly_what_the_generator_made_wrong(tmp_path: Path, scope: str) -> None:
    """Quarantine has the expected rows for the expected reasons; every other row is believed."""
    population = generate(scope)
    write_feed(tmp_path, population.people, population.units, sequence=1, as_of=AS_OF, scope=population.scope)
    settings = FeedSettings(kind="feed", id="hr", directory=tmp_path)
    reading = read_feed(settings, load_pack(find_pack("shanxi")), Units({}))
    rows = population.rows("hr")
    assert Counter(row.reason for row in reading.rejected) == Counter(row.fault for row in rows if row.fault)
    assert Counter((row.staff_no, row.name, row.document.number.reveal()) for row in reading.rows) == Counter(
        (row.staff_no, row.name, row.canonical_number) for row in rows if row.fault is None
    )


def test_directory_has_every_person_once_and_parents_first() -> None:
    """Each entry's parent comes before it, and each person of the directory is one entry."""
    population = generate("1409")
    entries = _parse(build_ldif(population.people, population.units, "dc=example,dc=cn"))
    seen = {"dc=example,dc=cn"}
    for entry in entries:
        dn = entry["dn"][0]
        assert dn.split(",", 1)[1] in seen
        assert dn not in seen
        seen.add(dn)
    people = [entry for entry in entries if "qhStaff" in entry["objectClass"]]
    assert sorted(entry["employeeNumber"][0] for entry in people) == sorted(
        row.staff_no for row in population.rows("ldap")
    )


def test_posts_of_the_directory_are_groups_one_inside_another() -> None:
    """Each post's group has its label; 审核人员 contains 待遇审核组, which is no post itself."""
    population = generate("140902")
    entries = _parse(build_ldif(population.people, population.units, "dc=example,dc=cn"))
    groups = {entry["cn"][0]: entry for entry in entries if "groupOfNames" in entry["objectClass"]}
    assert set(groups) == {"系统管理员", "业务管理员", "审计员", "经办人员", "审核人员", "待遇审核组"}
    nested = groups.pop("待遇审核组")
    assert "description" not in nested
    assert nested["dn"][0] in groups["审核人员"]["member"]
    assert all(group["description"] == [name] for name, group in groups.items())


def test_one_member_is_outside_the_base() -> None:
    """A supplier's account sits in a post's group; the entry itself is beside the people's base."""
    population = generate("140902")
    entries = _parse(build_ldif(population.people, population.units, "dc=example,dc=cn"))
    members = {name for entry in entries for name in entry.get("member", ())}
    outside = [
        name
        for name in members
        if not name.endswith(("ou=人员,dc=example,dc=cn", "ou=岗位,dc=example,dc=cn"))
    ]
    assert len(outside) == 1


def _parse(ldif: str) -> list[dict[str, list[str]]]:
    entries = []
    for block in ldif.strip().split("\n\n"):
        entry: dict[str, list[str]] = {}
        for line in block.splitlines():
            name, _, value = line.partition(":")
            text = b64decode(value[1:]).decode() if value.startswith(":") else value.strip()
            entry.setdefault(name, []).append(text)
        entries.append(entry)
    return entries
