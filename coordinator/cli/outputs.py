"""What a command says: tables for people; JSON, or the same as YAML, for programs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Nothing is shortened for a program that reads a table.
PIPE_COLUMNS = 1000


class OutputFormat(StrEnum):
    """How answers are written."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Where a command says what.

    Attributes:
        format: How answers are written.
        output: Standard output: answers.
        notes: Standard error: progress, questions and errors.
    """

    format: OutputFormat
    output: Console
    notes: Console

    @property
    def as_json(self) -> bool:
        """Whether a program reads the answer: as JSON, or the same data as YAML."""
        return self.format is not OutputFormat.TABLE

    def show(
        self,
        resources: Sequence[Mapping[str, Any]],
        columns: Mapping[str, Callable[[Any], str]],
        *,
        whole: str = "",
    ) -> None:
        """Shows a list, as a table or for programs.

        Args:
            resources: As the API gave them.
            columns: Heading, and the text of a resource under it.
            whole: Heading of the column that is never shortened, because its texts are ids that
                other commands want.
        """
        if self.as_json:
            self.show_json([as_plain(resource) for resource in resources])
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in columns:
            table.add_column(heading, no_wrap=heading == whole)
        for resource in resources:
            table.add_row(*(Text(text(resource)) for text in columns.values()))
        self.output.print(table)

    def show_one(
        self, resource: Mapping[str, Any], columns: Mapping[str, Callable[[Any], str]]
    ) -> None:
        """Shows one resource, a line a property, or for programs."""
        if self.as_json:
            self.show_json(as_plain(resource))
            return
        table = Table(box=None, pad_edge=False, show_header=False)
        for heading, text in columns.items():
            table.add_row(heading, Text(text(resource)))
        self.output.print(table)

    def show_json(self, value: object) -> None:
        """Writes data that JSON can hold, in the format that was asked for."""
        if self.format is OutputFormat.YAML:
            print(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), end="")
        else:
            print(json.dumps(value, indent=2, ensure_ascii=False))

    def tell(self, text: str) -> None:
        """Says something to a person; programs are told nothing."""
        if not self.as_json:
            self.output.print(text, highlight=False, markup=False)


def as_plain(resource: Mapping[str, Any]) -> dict[str, Any]:
    """A resource as the JSON it came as."""
    plain = getattr(resource, "as_dict", None)
    return plain() if plain is not None else dict(resource)


def consoles() -> tuple[Console, Console]:
    """Standard output and standard error: colours on terminals, unless NO_COLOR is set."""
    return _console(Console()), _console(Console(stderr=True))


def _console(console: Console) -> Console:
    """Lines of a pipe or a log are not broken: commands in them are to be copied whole."""
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = PIPE_COLUMNS
    return console
