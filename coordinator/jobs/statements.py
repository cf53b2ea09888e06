"""Statements that are run again and again: parsed and planned once a connection.

Django's own cursors put arguments into the text, so that PostgreSQL plans every statement anew: of
those here that took longer than carrying them out.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.utils import Error, InterfaceError
from psycopg.types.datetime import TimestamptzLoader

Arguments: TypeAlias = Sequence[Any] | Mapping[str, Any]
Rows: TypeAlias = list[tuple[Any, ...]]


def run(statement: str, arguments: Arguments) -> None:
    """Carries out a statement that gives nothing."""
    _execute(statement, arguments)


def fetch(statement: str, arguments: Arguments) -> Rows:
    """Carries out a statement; gives its rows."""
    rows: Rows = _execute(statement, arguments).fetchall()
    return rows


def fetch_together(asked: Sequence[tuple[str, Arguments]], *, commit: bool = False) -> list[Rows]:
    """Carries out statements one after the other in one exchange; gives the rows of each.

    Each sees what those before it have written. On two busy cores most of a short statement's time
    is that either end waits for its turn.

    Args:
        asked: The statements and their arguments.
        commit: Also commits the transaction, in the same exchange; Django's own commit then finds
            nothing left to do.

    Raises:
        CommitUnknownError: The connection broke while the transaction may have been committed.
    """
    database = connections[DEFAULT_DB_ALIAS]
    database.ensure_connection()
    cursors = _cursors(database, len(asked))
    plain: psycopg.Connection[Any] = database.connection
    try:
        with database.wrap_database_errors:
            with plain.pipeline():
                for cursor, (statement, arguments) in zip(cursors, asked, strict=True):
                    CursorWrapper(cursor, database).execute(statement, _bound(arguments))
                if commit:
                    plain.commit()
            return [cursor.fetchall() for cursor in cursors]
    except Error as error:
        if commit and plain.closed:
            raise CommitUnknownError("the connection broke during the commit") from error
        raise


def array(values: Iterable[object]) -> str:
    """PostgreSQL's text for an array of anything but arrays; the statement says the type.

    psycopg's own way looks at every element's type and takes four times as long.
    """
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: object) -> str:
    if value is None:
        return "NULL"
    text = f"\\x{value.hex()}" if isinstance(value, bytes) else str(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class CommitUnknownError(InterfaceError):
    """Nobody knows whether the transaction was committed."""


class _Kept(threading.local):
    """The thread's cursors: what they have learned about types is kept with them."""

    def __init__(self) -> None:
        self.cursors: list[psycopg.Cursor[Any]] = []


_kept = _Kept()


def _cursors(database: BaseDatabaseWrapper, count: int) -> list[psycopg.Cursor[Any]]:
    """So many of the thread's cursors, each with an answer of its own."""
    plain: psycopg.Connection[Any] = database.connection
    cursors = _kept.cursors
    if cursors and cursors[0].connection is not plain:
        cursors.clear()
    while len(cursors) < count:
        cursor = psycopg.Cursor(plain)
        # Django's is written in Python; the time zone of its connections is UTC all the same.
        cursor.adapters.register_loader("timestamptz", TimestamptzLoader)
        cursors.append(cursor)
    return cursors[:count]


def _execute(statement: str, arguments: Arguments) -> psycopg.Cursor[tuple[Any, ...]]:
    """Binds the arguments on the server; errors are Django's."""
    database = connections[DEFAULT_DB_ALIAS]
    database.ensure_connection()
    (cursor,) = _cursors(database, 1)
    CursorWrapper(cursor, database).execute(statement, _bound(arguments))
    return cursor


def _bound(arguments: Arguments) -> Arguments:
    if isinstance(arguments, Mapping):
        return {name: _text(value) for name, value in arguments.items()}
    return [_text(value) for value in arguments]


def _text(value: object) -> object:
    return array(value) if isinstance(value, list) else value
