"""What comes from outside cannot write lines of its own into the log, nor move a terminal."""

from __future__ import annotations

from coordinator.config.logs import printable


def test_control_characters_are_escaped_and_all_other_texts_left_alone() -> None:
    event = {"path": "/a\0b\x1b[31m\nc", "seconds": 0.1, "name": "财务 VM", "cause": None}
    assert printable(None, "info", dict(event)) == {
        **event,
        "path": "/a\\x00b\\x1b[31m\nc",
    }
