"""Answers for people and for programs; confirming."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys

import pytest
import yaml
from rich.console import Console

from coordinator.cli.confirmation import confirm
from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.outputs import PIPE_COLUMNS, Answers, OutputFormat, consoles

pytestmark = pytest.mark.spec("UI-2")

ROWS: list[dict[str, object]] = [
    {"name": "[prod] 北京", "count": 1},
    {"name": "x" * 200, "count": None},
]
COLUMNS = {"Name": lambda row: str(row["name"]), "Count": lambda row: str(row["count"])}


def answers(form: OutputFormat, width: int = 60) -> tuple[Answers, io.StringIO]:
    text = io.StringIO()
    console = Console(file=text, width=width)
    return Answers(format=form, output=console, notes=Console(file=io.StringIO())), text


def test_tables_fit_the_terminal_and_take_names_as_they_are() -> None:
    table, text = answers(OutputFormat.TABLE)
    table.show(ROWS, COLUMNS)
    assert "[prod] 北京" in text.getvalue()
    assert max(map(len, text.getvalue().splitlines())) <= 60
    table.tell("[bold]said as it is")
    assert "[bold]said as it is" in text.getvalue()


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_programs_read_the_same_data_in_either_format(
    form: str, read: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(read)
    program, text = answers(OutputFormat(form))
    program.show(ROWS, COLUMNS)
    assert read(capsys.readouterr().out) == ROWS
    program.show_one(ROWS[0], COLUMNS)
    assert read(capsys.readouterr().out) == ROWS[0]
    program.tell("Nobody hears this.")
    assert capsys.readouterr().out == text.getvalue() == ""


def test_nothing_is_shortened_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert consoles()[0].width == PIPE_COLUMNS
    monkeypatch.setenv("COLUMNS", "90")
    assert consoles()[0].width == 90


def test_without_a_terminal_nothing_is_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    table, _ = answers(OutputFormat.TABLE)
    monkeypatch.setattr(sys, "stdin", io.StringIO("GoldVM1\n"))
    with pytest.raises(CommandError) as raised:
        confirm(table, "It is shut down.", "GoldVM1", yes=False)
    assert raised.value.exit_code is ExitCode.REFUSED
    assert raised.value.code == "NotConfirmed"
    assert "--yes" in raised.value.recommended_action
    assert "It is shut down." in raised.value.message
    confirm(table, "It is shut down.", "GoldVM1", yes=True)


PROGRAM = """\
from coordinator.cli.confirmation import confirm
from coordinator.cli.outputs import Answers, OutputFormat, consoles
output, notes = consoles()
confirm(Answers(format=OutputFormat.TABLE, output=output, notes=notes), "So.", "VM1", yes=False)
"""


@pytest.mark.parametrize(("typed", "done"), [("vm1\n", True), ("no\n", False), ("\x04", False)])
def test_on_a_terminal_the_name_is_typed(typed: str, done: bool) -> None:
    ours, theirs = pty.openpty()
    try:
        os.write(ours, typed.encode())
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert (ended.returncode == 0) is done, ended.stderr
    assert "So." in ended.stderr
    assert done or "was not typed" in ended.stderr
