"""The command line: exit statuses, JSON, and a process that starts, serves and stops."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.exit_codes import ExitCode
from agent.identity import save_identity
from agent.state_folder import StateFolder
from tests.unit.agent.fake_coordinator import PROVIDER, FakeCoordinator
from tests.unit.agent.session.conftest import made_identity

# A PowerShell that never says anything: discovery waits for it, the session does not.
SILENT = (sys.executable, "-c", "import sys; sys.stdin.read()")


@asynccontextmanager
async def osr_agent(*arguments: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "agent.main",
        *arguments,
        stdout=PIPE,
        stderr=PIPE,
        env={**os.environ, "OSR_AGENT_POWERSHELL": " ".join(f"'{part}'" for part in SILENT)},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def finished(*arguments: str) -> tuple[int, str, str]:
    async with osr_agent(*arguments) as process:
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "agent")


async def test_an_agent_that_is_not_registered_says_so(folder: StateFolder) -> None:
    code, out, _ = await finished("status", "--json", "--state", str(folder.path))
    assert code == ExitCode.NOT_REGISTERED
    assert json.loads(out)["registered"] is False
    code, _, err = await finished("run", "--state", str(folder.path))
    assert code == ExitCode.NOT_REGISTERED
    assert "osr-agent register" in err


async def test_a_key_file_that_is_none_is_refused_before_anything(
    folder: StateFolder, tmp_path: Path
) -> None:
    file = tmp_path / "key.json"
    file.write_text("not a key")
    code, _, err = await finished(
        "register", "--key", str(file), "--state", str(folder.path), "--yes"
    )
    assert code == ExitCode.KEY_UNUSABLE
    assert err.startswith("KeyUnreadable: ")


async def test_a_wrong_setting_is_told(folder: StateFolder) -> None:
    code, _, err = await finished("run", "--powershell", "", "--state", str(folder.path))
    assert code == ExitCode.CONFIGURATION_WRONG
    assert "--powershell" in err


@pytest.mark.spec("EN-1")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_agent_serves_until_it_is_told_to_stop(
    folder: StateFolder, number: signal.Signals
) -> None:
    coordinator = FakeCoordinator()
    async with coordinator.serving() as endpoint:
        save_identity(folder.identity, made_identity(coordinator.authority, endpoint))
        async with osr_agent("run", "--state", str(folder.path)) as process:
            await coordinator.session()
            code, out, _ = await finished("status", "--json", "--state", str(folder.path))
            assert code == 0
            status = json.loads(out)
            assert status["provider_id"] == str(PROVIDER)
            assert status["commands"] == {
                "accepted": 0,
                "started": 0,
                "finished": 0,
                "stored": 0,
            }
            assert status["certificate_expires_at"]
            code, _, _ = await finished("run", "--state", str(folder.path))
            assert code == ExitCode.ALREADY_RUNNING
            process.send_signal(number)
            async with asyncio.timeout(10):
                _, err_bytes = await process.communicate()
            assert process.returncode == 0
            log = err_bytes.decode()
            assert "event=session.opened" in log
            assert "event=agent.stopping" in log
            assert "Traceback" not in log
            assert "PRIVATE" not in log


async def test_an_agent_whose_identity_is_taken_away_ends_and_names_the_part(
    folder: StateFolder,
) -> None:
    coordinator = FakeCoordinator()
    async with coordinator.serving() as endpoint:
        save_identity(folder.identity, made_identity(coordinator.authority, endpoint))
        async with osr_agent("run", "--state", str(folder.path)) as process:
            session = await coordinator.session()
            folder.identity.unlink()
            session.end()
            async with asyncio.timeout(10):
                _, err = await process.communicate()
            assert process.returncode == ExitCode.FAILED
            assert "event=root_task.died" in err.decode()
            assert "task=sessions" in err.decode()
