"""Statements that are run again and again: parsed and planned once a connection.

Django's own cursors put arguments into the text, so that PostgreSQL plans every statement anew: of
those here that took longer than carrying them out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db import connection
from django.db.backends.utils import CursorWrapper


def run(statement: str, arguments: Sequence[Any] | Mapping[str, Any]) -> None:
    """Carries out a statement that gives nothing."""
    with _cursor() as cursor:
        cursor.execute(statement, arguments)


def fetch(statement: str, arguments: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Carries out a statement; gives its rows."""
    with _cursor() as cursor:
        cursor.execute(statement, arguments)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _cursor() -> CursorWrapper:
    """A cursor of the connection that binds arguments on the server, with Django's errors."""
    connection.ensure_connection()
    plain: psycopg.Connection[Any] = connection.connection
    return CursorWrapper(psycopg.Cursor(plain), connection)
