"""A process that dies between two statements to the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from django.db import connection


class ProcessDied(BaseException):
    """Stands for kill -9."""


@contextmanager
def counting() -> Iterator[list[str]]:
    """Gives the statements that are sent."""
    sent: list[str] = []

    def send(execute: Callable[..., object], statement: str, *arguments: object) -> object:
        sent.append(statement)
        return execute(statement, *arguments)

    with connection.execute_wrapper(send):
        yield sent


@contextmanager
def dying_at(statement: int) -> Iterator[None]:
    """Dies instead of sending the statement of that number, from 0, and every later one."""
    numbers = count()

    def send(execute: Callable[..., object], *arguments: object) -> object:
        if next(numbers) >= statement:
            raise ProcessDied
        return execute(*arguments)

    with connection.execute_wrapper(send):
        yield
