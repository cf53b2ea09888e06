"""Statements that are run again and again: parsed and planned once a connection.

Django's own cursors put arguments into the text, so that PostgreSQL plans every statement anew: of
those here that took longer than carrying them out.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.utils import CursorWrapper
from psycopg.types.datetime import TimestamptzLoader


def run(statement: str, arguments: Sequence[Any] | Mapping[str, Any]) -> None:
    """Carries out a statement that gives nothing."""
    _execute(statement, arguments)


def fetch(statement: str, arguments: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Carries out a statement; gives its rows."""
    rows: list[tuple[Any, ...]] = _execute(statement, arguments).fetchall()
    return rows


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


class _Kept(threading.local):
    """The thread's cursor: what it has learned about types is kept with it."""

    cursor: psycopg.Cursor[Any] | None = None


_kept = _Kept()


def _execute(
    statement: str, arguments: Sequence[Any] | Mapping[str, Any]
) -> psycopg.Cursor[tuple[Any, ...]]:
    """Binds the arguments on the server; errors are Django's."""
    database = connections[DEFAULT_DB_ALIAS]
    database.ensure_connection()
    cursor = _kept.cursor
    if cursor is None or cursor.connection is not database.connection:
        plain: psycopg.Connection[Any] = database.connection
        cursor = _kept.cursor = psycopg.Cursor(plain)
        # Django's is written in Python; the time zone of its connections is UTC all the same.
        cursor.adapters.register_loader("timestamptz", TimestamptzLoader)
    CursorWrapper(cursor, database).execute(statement, _bound(arguments))
    return cursor


def _bound(arguments: Sequence[Any] | Mapping[str, Any]) -> Sequence[Any] | Mapping[str, Any]:
    if isinstance(arguments, Mapping):
        return {name: _text(value) for name, value in arguments.items()}
    return [_text(value) for value in arguments]


def _text(value: object) -> object:
    return array(value) if isinstance(value, list) else value
