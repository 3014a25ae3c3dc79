"""How a person's values are indexed and encrypted: one convention for all who write them."""

from __future__ import annotations

from typing import Final

from quanheng.errors import IntegrityError
from quanheng.identity.port import Indexer, Keyring
from quanheng.model.ids import PersonId
from quanheng.model.sensitive import Sensitive
from quanheng.model.staff import Document, DocumentKind

_DOCUMENT_DOMAIN: Final = "document"
_PHONE_DOMAIN: Final = "phone"


def sealed_context(table: str, column: str, *key: str) -> str:
    """The context of an encrypted column: a value copied to another row or column does not open.

    ``column`` ends in ``_sealed``, which is dropped: ``person.document:<id>``. ``key`` are the values
    of the row's primary key, in the order of its columns.
    """
    return f"{table}.{column.removesuffix('_sealed')}:{'/'.join(key)}"


def document_index(indexer: Indexer, document: Document) -> str:
    """The index of (kind, canonical number), 64 hex digits: by it a person is found (decision 7)."""
    return indexer.index(_DOCUMENT_DOMAIN, document_text(document))


def phone_index(indexer: Indexer, phone: Sensitive) -> str:
    """The index of a canonical phone, 64 hex digits."""
    return indexer.index(_PHONE_DOMAIN, phone.reveal())


def seal_document(keyring: Keyring, person: PersonId, document: Document) -> bytes:
    """The value of ``person.document_sealed``."""
    return keyring.encrypt(
        document_text(document).encode(), context=sealed_context("person", "document_sealed", person)
    )


def open_document(keyring: Keyring, person: PersonId, sealed: bytes) -> Document:
    """Undo :func:`seal_document`; raises :class:`IntegrityError`."""
    text = keyring.decrypt(sealed, context=sealed_context("person", "document_sealed", person)).decode()
    return document_from_text(text)


def seal_phone(keyring: Keyring, person: PersonId, phone: Sensitive) -> bytes:
    """The value of ``person.phone_sealed``."""
    return keyring.encrypt(phone.reveal().encode(), context=sealed_context("person", "phone_sealed", person))


def open_phone(keyring: Keyring, person: PersonId, sealed: bytes) -> Sensitive:
    """Undo :func:`seal_phone`; raises :class:`IntegrityError`."""
    context = sealed_context("person", "phone_sealed", person)
    return Sensitive(keyring.decrypt(sealed, context=context).decode())


def document_from_text(text: str) -> Document:
    """Undo ``kind:number``, the text that is encrypted."""
    kind, _, number = text.partition(":")
    try:
        return Document(DocumentKind(kind), Sensitive(number))
    except ValueError:
        raise IntegrityError(
            "a document is of a kind that this version does not know", remedy="use the newer version"
        ) from None


def document_text(document: Document) -> str:
    return f"{document.kind.value}:{document.number.reveal()}"
