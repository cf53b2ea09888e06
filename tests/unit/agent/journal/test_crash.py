"""A process that is really killed while it writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agent.journal.commands import CommandJournal
from agent.journal.database import Database
from agent.journal.state_lock import AlreadyRunningError, StateLock
from tests.unit.agent.memory_keys import SetClock

WRITER = """
import sys
from pathlib import Path
from opensiterecovery.provider.v1.command_pb2 import Command, RefreshHost
from agent.clock import utc_now
from agent.journal.commands import CommandJournal
from agent.journal.database import Database
from agent.journal.state_lock import StateLock

folder = Path(sys.argv[1])
lock = StateLock(folder / "running.lock")
journal = CommandJournal(Database(folder / "journal.sqlite3"), utc_now)
for number in range(10_000):
    command_id = f"{number:08d}-0000-4000-8000-000000000000"
    journal.accept(Command(command_id=command_id, refresh_host=RefreshHost(host="hv1")))
    print(command_id, flush=True)
"""


@pytest.mark.spec("JB-3")
def test_what_was_acknowledged_before_a_kill_is_there_afterwards(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        acknowledged = [writer.stdout.readline().strip() for _ in range(25)]
        with pytest.raises(AlreadyRunningError):
            StateLock(tmp_path / "running.lock")
        writer.kill()
        acknowledged += [line.strip() for line in writer.stdout if line.endswith("\n")]
    StateLock(tmp_path / "running.lock").release()
    journal = CommandJournal(Database(tmp_path / "journal.sqlite3"), SetClock())
    kept = [entry.command.command_id for entry in journal.unfinished()]
    assert set(acknowledged) <= set(kept)
    assert len(kept) - len(acknowledged) <= 1
