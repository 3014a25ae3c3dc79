"""What goes wrong with a database, in the operator's words.

The driver's own message is dropped: PostgreSQL quotes whole rows in it, and rows hold names.
"""

from __future__ import annotations

import sqlite3
from typing import Final

import psycopg
from sqlalchemy import exc

from quanheng.errors import ConfigurationError, IntegrityError, QuanhengError, UnreachableError


class StoreFullError(UnreachableError):
    """The disk of the store is full; the transaction was undone."""


class StoreBusyError(UnreachableError):
    """Another process holds what this one needs in the store; the transaction was undone."""


class StoreConflictError(QuanhengError):
    """A row contradicts another in the store; the transaction was undone."""


_DISK: Final = "make room on the disk and run the command again; nothing was half done"
BUSY: Final = "see with 'quanheng status' who is running, and run the command again"
"""What to do about :class:`StoreBusyError`."""


def translate(error: exc.DBAPIError) -> QuanhengError | None:
    """The fault as one of ours, or None when it is a mistake of the program."""
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return _translate_sqlite(cause)
    if isinstance(cause, psycopg.Error):
        return _translate_postgresql(cause)
    return None


def _translate_sqlite(cause: sqlite3.Error) -> QuanhengError | None:
    # Result codes: https://www.sqlite.org/rescode.html; the low byte is the primary code.
    code = (cause.sqlite_errorcode & 0xFF) if hasattr(cause, "sqlite_errorcode") else None
    match code:
        case sqlite3.SQLITE_FULL:
            return StoreFullError(remedy=_DISK)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreBusyError(remedy=BUSY)
        case sqlite3.SQLITE_CANTOPEN:
            return UnreachableError(
                "the file of the store cannot be opened", remedy="check store_url, and who may use its folder"
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return ConfigurationError(
                "the store may not be written", remedy="run as the owner of the file of the store"
            )
        case sqlite3.SQLITE_IOERR:
            return UnreachableError(
                "the disk of the store reports a fault", remedy="check the disk, then restore from the backup"
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return IntegrityError(
                "the file of the store is damaged or no database", remedy="restore from the backup"
            )
        case sqlite3.SQLITE_CONSTRAINT:
            # SQLite names table and columns here, never values.
            return StoreConflictError(f"a row contradicts another: {cause}", remedy="report this as a fault")
    return None


def _translate_postgresql(cause: psycopg.Error) -> QuanhengError | None:
    # https://www.postgresql.org/docs/current/errcodes-appendix.html; two characters are the class.
    state = cause.sqlstate or ""
    if state == "53100":
        return StoreFullError(remedy=_DISK)
    if state in {"55P03", "40001", "40P01", "57014"}:
        return StoreBusyError(remedy=BUSY)
    if state.startswith("28") or state in {"3D000", "42501"}:
        return ConfigurationError(
            "the database server does not let us in", remedy="check user, password and database in store_url"
        )
    if state.startswith("23"):
        return StoreConflictError(
            f"a row contradicts another: {cause.diag.table_name}, {cause.diag.constraint_name}",
            remedy="report this as a fault",
        )
    if state.startswith("XX"):
        return IntegrityError("the database is damaged", remedy="restore from the backup")
    if not state or state.startswith(("08", "53", "57", "58")):
        return UnreachableError(
            "the database server does not answer", remedy="check that it runs and that store_url names it"
        )
    return None
