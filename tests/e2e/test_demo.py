"""`deploy/demo --exit`, as a newcomer runs it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.runner import ROOT


def processes_of(folder: Path) -> list[str]:
    """Command lines of processes that have to do with a folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(folder) in line:
            found.append(line)
    return found


@pytest.mark.timeout(300)
@pytest.mark.spec("FO-2", "FO-5", "EN-1", "EN-7", "VA-1", "RE-1", "RE-2", "PA-1", "PO-3")
def test_the_demo_tells_the_whole_story_and_leaves_nothing_behind(tmp_path: Path) -> None:
    state, report = tmp_path / "demo", tmp_path / "report.json"

    done = subprocess.run(
        [ROOT / "deploy/demo", "--exit", "--report", report, "--state", state, "--speed", "20"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(report.read_text(encoding="utf-8"))
    assert told["ok"] is True
    assert told["records_lost"] == 0
    assert told["duplicate_effects"] == 0
    assert told["digest_source"] == told["digest_target"] != ""
    assert told["ledger_last_written"] == told["ledger_last_found"] > 0
    assert told["rto_seconds"] > 0
    assert told["commands"] > 0
    assert all(step["ok"] for step in told["steps"])
    assert "everything verified" in done.stdout
    assert processes_of(state) == []


def test_a_folder_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("data", encoding="utf-8")

    done = subprocess.run(
        [ROOT / "deploy/demo", "--exit", "--state", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert precious.read_text(encoding="utf-8") == "data"
