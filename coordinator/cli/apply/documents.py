"""YAML documents with the line of each of their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

Value: TypeAlias = bool | int | float | str | Sequence["Value"] | Mapping[str, "Value"] | None
# Where a value stands: names of fields and places in lists.
Path: TypeAlias = tuple[str | int, ...]

_TEXT_TAGS = ("timestamp", "binary")


@dataclass(frozen=True)
class Problem:
    """Why a file cannot be applied.

    Attributes:
        file: Name of the file.
        line: From 1; 0: the file as a whole.
        field: Where in the document, "spec.groups[0].machines"; empty: the document.
        message: What is wrong.
        cause: Why it may be so.
        remedy: What to do.
    """

    file: str
    line: int
    field: str
    message: str
    cause: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        about = f" {self.field}:" if self.field else ""
        return f"{place}:{about} {self.message} {self.cause} {self.remedy}".strip()


@dataclass(frozen=True)
class Document:
    """A document of a file.

    Attributes:
        file: Name of the file.
        content: What it says.
        lines: Line of each value, by its path.
    """

    file: str
    content: Value
    lines: Mapping[Path, int] = field(default_factory=dict)

    def problem(self, path: Path, message: str, cause: str, remedy: str) -> Problem:
        """Something wrong at a path; its line is that of the nearest thing that is there."""
        near = path
        while near not in self.lines and near:
            near = near[:-1]
        return Problem(self.file, self.lines.get(near, 0), shown_path(path), message, cause, remedy)


def shown_path(path: Path) -> str:
    """A path as people write it: "spec.groups[0].machines"."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def read_documents(file: str, text: str) -> tuple[list[Document], list[Problem]]:
    """The documents of a file.

    Args:
        file: Its name, for what is said about it.
        text: What is in it.

    Returns:
        Documents that are not empty; what is no YAML, which ends the reading.
    """
    found: list[Document] = []
    try:
        for node in yaml.compose_all(text, Loader=yaml.SafeLoader):
            lines: dict[Path, int] = {}
            problems: list[Problem] = []
            content = _value(node, (), lines, problems, file)
            if problems:
                return found, problems
            if content is not None:
                found.append(Document(file, content, lines))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return found, [_no_yaml(file, 0 if mark is None else mark.line + 1, str(error.problem))]
    except (yaml.YAMLError, RecursionError) as error:
        return found, [_no_yaml(file, 0, str(error))]
    return found, []


def _value(
    node: yaml.Node, path: Path, lines: dict[Path, int], problems: list[Problem], file: str
) -> Value:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return [
            _value(each, (*path, index), lines, problems, file)
            for index, each in enumerate(node.value)
        ]
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Value] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in found:
                problems.append(_twice(file, line, (*path, name)))
            found[name] = _value(value, (*path, name), lines, problems, file)
            # A field is where its name is, however far below its value begins.
            lines[*path, name] = line
        return found
    return _scalar(node)


def _scalar(node: yaml.Node) -> Value:
    """A scalar as YAML 1.2 has it: 18:00 is no number of seconds, and "no" is a word."""
    text, kind = str(node.value), node.tag.rpartition(":")[2]
    if kind == "bool":
        return text.lower() == "true" if text.lower() in {"true", "false"} else text
    if kind in _TEXT_TAGS or (kind == "int" and ":" in text):
        return text
    constructed: Value = yaml.SafeLoader("").construct_object(node)
    return constructed


def _no_yaml(file: str, line: int, reason: str) -> Problem:
    return Problem(
        file,
        line,
        "",
        f"The file is not YAML: {reason}.",
        "A line is indented otherwise than those beside it, or a text needs quotation marks.",
        "Correct the line; osr export writes files that can be compared with it.",
    )


def _twice(file: str, line: int, path: Path) -> Problem:
    return Problem(
        file,
        line,
        shown_path(path),
        "The field is there twice.",
        "Which of them is meant cannot be known.",
        "Leave one of them out.",
    )
