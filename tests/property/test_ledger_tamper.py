"""Whatever single thing is changed in a ledger, verifying finds it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.servers_postgres import SETTLED
from quanheng.identity.keys import FileKeyring, generate_keys
from quanheng.ledger.chain import Entry
from quanheng.ledger.entry import NO_HASH, Head, LedgerBrokenError, LedgerEntry, chain, chain_hash
from quanheng.ledger.verify import verify_entries

COUNT = 8
SIGNED = (0, 4, 7)


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> FileKeyring:
    """Fresh keys."""
    folder = tmp_path_factory.mktemp("ledger") / "keys"
    generate_keys(folder)
    return FileKeyring.open(folder)


@pytest.fixture(scope="module")
def book(keyring: FileKeyring) -> tuple[list[LedgerEntry], list[Head]]:
    """A chain of eight entries, written in three batches."""
    entries = list(build(COUNT))
    return entries, [sign(keyring, entries[sequence]) for sequence in SIGNED]


def build(count: int) -> Iterator[LedgerEntry]:
    """A chain."""
    previous = NO_HASH
    for sequence in range(count):
        entry = Entry(
            kind="grant" if sequence else "bootstrap", body={"n": sequence}, plan="p", step=sequence
        )
        placed = chain(entry, sequence=sequence, at=SETTLED, previous=previous)
        previous = placed.hash
        yield placed


def sign(keyring: FileKeyring, entry: LedgerEntry) -> Head:
    """The head of an entry."""
    head = Head(sequence=entry.sequence, hash=entry.hash, at=SETTLED, signature=b"")
    return replace(head, signature=keyring.sign(head.message()))


def changed(value: Any, draw: st.DataObject) -> Any:
    """Another value of about the same kind."""
    match value:
        case int():
            return draw.draw(st.integers(-3, 20).filter(lambda other: other != value))
        case str():
            return draw.draw(st.text(max_size=3).filter(lambda other: other != value)) + "x"
        case bytes():
            place = draw.draw(st.integers(0, len(value) - 1))
            return value[:place] + bytes([value[place] ^ 1]) + value[place + 1 :]
        case _:
            return value + timedelta(microseconds=draw.draw(st.integers(1, 10**9)))


def test_the_book_is_good(book: tuple[list[LedgerEntry], list[Head]], keyring: FileKeyring) -> None:
    """Untouched, it verifies."""
    assert verify_entries(*book, keyring, book[1][1]).entries == COUNT


@given(data=st.data())
def test_any_field_of_any_entry(
    book: tuple[list[LedgerEntry], list[Head]], keyring: FileKeyring, data: st.DataObject
) -> None:
    """The entry is named, or the place that its changed number leaves."""
    entries, heads = book
    place = data.draw(st.integers(0, COUNT - 1))
    name = data.draw(st.sampled_from([field.name for field in fields(LedgerEntry)]))
    tampered = replace(entries[place], **{name: changed(getattr(entries[place], name), data)})
    with pytest.raises(LedgerBrokenError) as broken:
        verify_entries([*entries[:place], tampered, *entries[place + 1 :]], heads, keyring)
    assert broken.value.sequence == place


@given(data=st.data())
def test_any_field_of_any_head(
    book: tuple[list[LedgerEntry], list[Head]], keyring: FileKeyring, data: st.DataObject
) -> None:
    """A head that was changed does not verify."""
    entries, heads = book
    place = data.draw(st.integers(0, len(heads) - 1))
    name = data.draw(st.sampled_from([field.name for field in fields(Head)]))
    tampered = replace(heads[place], **{name: changed(getattr(heads[place], name), data)})
    found = sorted([*heads[:place], tampered, *heads[place + 1 :]], key=lambda head: head.sequence)
    with pytest.raises(LedgerBrokenError):
        verify_entries(entries, found, keyring)


@given(place=st.integers(0, COUNT - 1))
def test_an_entry_removed(
    book: tuple[list[LedgerEntry], list[Head]], keyring: FileKeyring, place: int
) -> None:
    """Also the last one: its head is still there."""
    entries, heads = book
    with pytest.raises(LedgerBrokenError) as broken:
        verify_entries(entries[:place] + entries[place + 1 :], heads, keyring)
    assert broken.value.sequence == place


@given(place=st.integers(1, COUNT - 1))
def test_a_past_rewritten_without_the_key(
    book: tuple[list[LedgerEntry], list[Head]], keyring: FileKeyring, place: int
) -> None:
    """An entry changed and every hash after it made good again: the next head does not agree."""
    entries, heads = book
    forged = entries[:place]
    for entry in entries[place:]:
        body = '{"n":"another"}' if entry.sequence == place else entry.body
        new = replace(entry, body=body, previous=forged[-1].hash)
        forged.append(replace(new, hash=chain_hash(new)))
    with pytest.raises(LedgerBrokenError, match="head signed"):
        verify_entries(forged, heads, keyring)


def test_an_entry_added_without_the_key(
    book: tuple[list[LedgerEntry], list[Head]], keyring: FileKeyring
) -> None:
    """A well-made entry at the end has no head."""
    entries, heads = book
    forged = chain(Entry(kind="grant", body={}), sequence=COUNT, at=SETTLED, previous=entries[-1].hash)
    with pytest.raises(LedgerBrokenError, match="entry 8: is not signed"):
        verify_entries([*entries, forged], heads, keyring)


@given(data=st.data())
def test_two_entries_exchanged(
    book: tuple[list[LedgerEntry], list[Head]], keyring: FileKeyring, data: st.DataObject
) -> None:
    """Order is part of what was recorded."""
    entries, heads = book
    one, other = data.draw(st.lists(st.integers(0, COUNT - 1), min_size=2, max_size=2, unique=True))
    found = list(entries)
    found[one] = replace(entries[other], sequence=one)
    found[other] = replace(entries[one], sequence=other)
    with pytest.raises(LedgerBrokenError) as broken:
        verify_entries(found, heads, keyring)
    assert broken.value.sequence == min(one, other)
