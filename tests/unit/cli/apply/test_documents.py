"""Reading YAML with the lines of its values."""

from __future__ import annotations

import pytest

from coordinator.cli.apply.documents import read_documents, shown_path

pytestmark = pytest.mark.spec("UI-2")

TEXT = """\
kind: policy
name: Gold
spec:
  recoveryPoints: 4
  windows:
    - {days: [Monday], start: 18:00, ends: no, at: 2026-01-31}
    - compress: true
---
---
kind: policy
"""


def test_each_value_has_its_line() -> None:
    found, problems = read_documents("a.yaml", TEXT)
    assert problems == []
    assert [document.lines[()] for document in found] == [1, 10]
    first = found[0]
    assert (first.lines["spec",], first.lines["spec", "recoveryPoints"]) == (3, 4)
    assert first.lines["spec", "windows", 0, "start"] == 6
    assert first.lines["spec", "windows", 1, "compress"] == 7
    problem = first.problem(("spec", "missing", "deeper"), "It is not there.", "", "Add it.")
    assert (problem.line, problem.field) == (3, "spec.missing.deeper")


def test_times_and_words_are_what_people_mean() -> None:
    found, _ = read_documents("a.yaml", TEXT)
    assert found[0].content == {
        "kind": "policy",
        "name": "Gold",
        "spec": {
            "recoveryPoints": 4,
            "windows": [
                {"days": ["Monday"], "start": "18:00", "ends": "no", "at": "2026-01-31"},
                {"compress": True},
            ],
        },
    }


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("kind: [", 1, "not YAML"),
        ("a: 1\n b: 2", 2, "not YAML"),
        ("a: 1\nb: 1\na: 2", 3, "twice"),
        ("a: *nothing", 1, "not YAML"),
        ("a: !!python/object:os.system 1", 1, "not YAML"),
        ("a: \x00", 0, "not YAML"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(text: str, line: int, message: str) -> None:
    found, problems = read_documents("a.yaml", text)
    assert found == []
    assert [(one.file, one.line) for one in problems] == [("a.yaml", line)]
    assert message in problems[0].message
    assert problems[0].cause
    assert problems[0].remedy


def test_paths_are_written_as_people_do() -> None:
    assert shown_path(("spec", "groups", 0, "machines", 2)) == "spec.groups[0].machines[2]"
    assert shown_path(()) == ""
