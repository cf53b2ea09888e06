"""What comes from outside cannot write lines of its own into the log, nor move a terminal."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from coordinator.config.logs import printable, renderer

NOW = datetime(2026, 7, 1, tzinfo=UTC)


def test_control_characters_are_escaped_and_all_other_texts_left_alone() -> None:
    event = {"path": "/a\0b\x1b[31m\nc", "seconds": 0.1, "name": "财务 VM", "cause": None}
    assert printable(None, "info", dict(event)) == {
        **event,
        "path": "/a\\x00b\\x1b[31m\nc",
    }


def test_a_line_is_json_if_wanted() -> None:
    event = {"event": "job.begun", "correlation_id": "trace-1", "name": "财务 VM", "at": NOW}
    line = renderer("json")(None, "info", dict(event))
    assert isinstance(line, str)
    assert "\n" not in line
    assert json.loads(line) == {**event, "at": str(NOW)}
    assert str(renderer("logfmt")(None, "info", dict(event))).startswith("timestamp= ")
