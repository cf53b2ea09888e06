"""What must be true of every source file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runner import ROOT, clauses_of_the_specification

LONGEST_FILE_LINES = 500
FORBIDDEN_NAMES = {"utils", "helpers", "common", "base"}


def sources() -> Iterator[Path]:
    """Every hand-written Python file."""
    for folder in ("coordinator", "agent", "deploy", "tests", "protos"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" not in path.parts and "_pb2" not in path.name:
                yield path


SOURCES = list(sources())


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_files_are_short_enough_to_be_read() -> None:
    lines = {relative(path): path.read_text(encoding="utf-8").count("\n") for path in SOURCES}
    assert {name: count for name, count in lines.items() if count > LONGEST_FILE_LINES} == {}


def test_modules_are_named_after_what_is_in_them() -> None:
    assert [relative(path) for path in SOURCES if path.stem in FORBIDDEN_NAMES] == []


def test_nothing_is_left_unfinished() -> None:
    pattern = re.compile(r"\b(TODO|FIXME|XXX)\b|NotImplementedError")
    others = [path for path in SOURCES if path != Path(__file__)]
    found = [relative(p) for p in others if pattern.search(p.read_text(encoding="utf-8"))]
    assert found == []


# sleep(0) gives way to others; it waits for nothing.
FIXED_WAIT = re.compile(r"\bsleep\(\s*(?!0\s*\))[0-9.]+\s*[,)]")


def fixed_waits(path: Path) -> list[str]:
    """Places that sleep for a number written into the code."""
    return FIXED_WAIT.findall(path.read_text(encoding="utf-8"))


def test_nothing_waits_for_a_fixed_time() -> None:
    waits = {relative(path): fixed_waits(path) for path in SOURCES}
    assert {name: lines for name, lines in waits.items() if lines} == {}


def test_every_clause_a_test_names_is_in_the_specification() -> None:
    known = clauses_of_the_specification().keys()
    named = set()
    for path in SOURCES:
        if "tests" in path.relative_to(ROOT).parts:
            text = path.read_text(encoding="utf-8")
            for arguments in re.findall(r"mark\.spec\(([^)]*)\)", text):
                named.update(re.findall(r"\"([A-Z]{2}-\d+)\"", arguments))
    assert named
    assert named <= known


def test_the_copy_of_the_specification_is_in_step() -> None:
    original = ROOT.parent / "shared" / "SPEC.md"
    if not original.exists():
        pytest.skip("the original of the specification is not beside this checkout")
    copy = ROOT / "deploy/docs/spec.md"
    assert copy.read_text(encoding="utf-8") == original.read_text(encoding="utf-8")
