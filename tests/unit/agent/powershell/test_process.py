"""The PowerShell process: how it starts, dies and leaves."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from agent.powershell.cmdlet import cmdlet
from agent.powershell.errors import PowerShellGone
from agent.powershell.pool import PowerShellPool

LIMIT = 20.0


async def test_a_process_that_dies_mid_pipeline_fails_all_calls_with_its_last_words(
    command_line: tuple[str, ...],
) -> None:
    pool = PowerShellPool(command_line)
    other = asyncio.create_task(pool.run(cmdlet("Wait-Forever"), time_limit_seconds=LIMIT))
    with pytest.raises(PowerShellGone, match="exit code 7") as caught:
        await pool.run(cmdlet("Stop-Server"), time_limit_seconds=LIMIT)
    assert caught.value.stderr == "Unhandled exception: the lights went out"
    with pytest.raises(PowerShellGone):
        await other
    await pool.close()


async def test_the_next_call_after_a_death_starts_a_new_process(
    command_line: tuple[str, ...],
) -> None:
    pool = PowerShellPool(command_line)
    for _ in range(2):
        with pytest.raises(PowerShellGone):
            await pool.run(cmdlet("Stop-Server"), time_limit_seconds=LIMIT)
        assert len(await pool.run(cmdlet("Get-Echo"), time_limit_seconds=LIMIT)) == 1
    await pool.close()


async def test_a_killed_process_is_noticed(command_line: tuple[str, ...]) -> None:
    pool = PowerShellPool(command_line)
    await pool.run(cmdlet("Get-Echo"), time_limit_seconds=LIMIT)
    waiting = asyncio.create_task(pool.run(cmdlet("Wait-Forever"), time_limit_seconds=LIMIT))
    await pool.run(cmdlet("Get-Echo"), time_limit_seconds=LIMIT)
    [process_id] = _children()
    os.kill(process_id, signal.SIGKILL)
    with pytest.raises(PowerShellGone, match=f"exit code {-signal.SIGKILL}"):
        await waiting
    await pool.close()


async def test_a_stopped_process_is_killed_when_a_call_runs_over_its_limit(
    command_line: tuple[str, ...],
) -> None:
    pool = PowerShellPool(command_line, stop_grace_seconds=0.2)
    await pool.run(cmdlet("Get-Echo"), time_limit_seconds=LIMIT)
    [frozen] = _children()
    os.kill(frozen, signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await pool.run(cmdlet("Get-Echo"), time_limit_seconds=LIMIT)
    with pytest.raises(Exception, match="did not end within"):
        await pool.run(cmdlet("Get-Echo"), time_limit_seconds=0.2)
    assert len(await pool.run(cmdlet("Get-Echo"), time_limit_seconds=LIMIT)) == 1
    assert frozen not in _children()
    await pool.close()


async def test_closing_leaves_no_process(command_line: tuple[str, ...]) -> None:
    pool = PowerShellPool(command_line)
    await pool.run(cmdlet("Get-Echo"), time_limit_seconds=LIMIT)
    assert len(_children()) == 1
    await pool.close()
    assert _children() == []


async def test_closing_lets_the_process_leave_by_itself(
    command_line: tuple[str, ...], tmp_path: Path
) -> None:
    farewell = tmp_path / "farewell"
    pool = PowerShellPool((*command_line, "--farewell", str(farewell)))
    await pool.run(cmdlet("Get-Echo"), time_limit_seconds=LIMIT)
    await pool.close()
    assert farewell.read_text(encoding="ascii") == "left by itself"


async def test_a_program_that_does_not_exist_says_so() -> None:
    pool = PowerShellPool(("/nowhere/powershell.exe", "-s"))
    with pytest.raises(PowerShellGone, match=r"/nowhere/powershell\.exe could not be started"):
        await pool.run(cmdlet("Get-VM"), time_limit_seconds=LIMIT)
    await pool.close()


async def test_a_program_that_says_nothing_is_given_up(command_line: tuple[str, ...]) -> None:
    pool = PowerShellPool((*command_line, "--mute"), open_time_limit_seconds=0.3)
    with pytest.raises(PowerShellGone, match="opened no runspaces within"):
        await pool.run(cmdlet("Get-VM"), time_limit_seconds=LIMIT)
    assert _children() == []
    await pool.close()


async def test_a_program_that_is_no_powershell_tells_its_error() -> None:
    pool = PowerShellPool((sys.executable, "-c", "raise SystemExit('no such switch: -s')"))
    with pytest.raises(PowerShellGone, match="no such switch: -s"):
        await pool.run(cmdlet("Get-VM"), time_limit_seconds=LIMIT)
    await pool.close()


async def test_a_program_that_writes_a_line_without_end_is_ended_soon() -> None:
    flood = "import os\nwhile True: os.write(1, b'x' * 65536)"
    pool = PowerShellPool((sys.executable, "-c", flood), open_time_limit_seconds=15)
    with pytest.raises(PowerShellGone, match="a line without end"):
        await pool.run(cmdlet("Get-VM"), time_limit_seconds=LIMIT)
    await pool.close()


async def test_a_flood_on_the_error_stream_neither_blocks_nor_fills_the_agent(
    command_line: tuple[str, ...], tmp_path: Path
) -> None:
    noisy = (
        "import os, subprocess, sys\n"
        "server = subprocess.Popen(sys.argv[1:])\n"
        "for _ in range(400): os.write(2, b'y' * 65536)\n"
        f"open({str(tmp_path / 'done')!r}, 'w').close()\n"
        "sys.exit(server.wait())"
    )
    pool = PowerShellPool((sys.executable, "-c", noisy, *command_line))
    assert len(await pool.run(cmdlet("Get-Echo"), time_limit_seconds=LIMIT)) == 1
    with pytest.raises(PowerShellGone) as caught:
        await pool.run(cmdlet("Stop-Server"), time_limit_seconds=LIMIT)
    assert (tmp_path / "done").exists()
    assert len(caught.value.stderr) < 20_000
    await pool.close()


def _children() -> list[int]:
    """Running servers this process started; what other tests started is not ours to count."""
    children = psutil.Process().children()
    return [child.pid for child in children if "psrp_server.py" in " ".join(_words(child))]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
