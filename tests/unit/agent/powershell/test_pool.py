"""The pool against a PowerShell that speaks real PSRP, as a process and in memory."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from agent.powershell.cmdlet import cmdlet, select
from agent.powershell.errors import PowerShellFailure, PowerShellGone, PowerShellTimeout
from agent.powershell.pool import NO_COMMAND, PowerShellPool
from agent.powershell.secret_text import SecretText
from agent.powershell.transport import StartTransport

COMMAND = UUID("0f8fad5b-d9cb-469f-a165-708600000000")
LIMIT = 20.0


def numbered(number: int) -> UUID:
    return UUID(int=COMMAND.int + number)


async def test_parameters_arrive_with_their_types(pool: PowerShellPool) -> None:
    moment = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    identifier = UUID("36fe8ede-3c1e-4a2d-935d-07f59589be10")
    [echo] = await pool.run(
        cmdlet(
            "Get-Echo",
            Text='Müller "quoted" $(Stop-Computer); 🐘\t_x0041_\r\n',
            Small=-5,
            Large=2**40,
            Fraction=0.1,
            Yes=True,
            No=False,
            Moment=moment,
            Span=timedelta(hours=1, seconds=30),
            Identifier=identifier,
            Blob=b"\x00\xff",
            Names=("a", "b"),
        ),
        time_limit_seconds=LIMIT,
    )
    assert echo.text("Text") == 'Müller "quoted" $(Stop-Computer); 🐘\t_x0041_\r\n'
    assert (echo.integer("Small"), echo.integer("Large")) == (-5, 2**40)
    assert echo.boolean("Yes") is True
    assert echo.boolean("No") is False
    assert echo.moment("Moment") == moment
    assert echo.text("Span") == "01:00:30.0000000"
    assert echo.guid("Identifier") == identifier
    assert echo.items("Blob") == [b"\x00\xff"]
    assert echo.strings("Names") == ["a", "b"]
    assert echo.properties["Fraction"] == 0.1
    types = dict(zip(echo.properties, echo.strings("Types"), strict=False))
    assert types["Large"] == "PSInt64"
    assert types["Fraction"] == "PSDouble"


async def test_an_error_stops_every_cmdlet_but_select_object(pool: PowerShellPool) -> None:
    [echo] = await pool.run(cmdlet("Get-Echo"), select("Name"), time_limit_seconds=LIMIT)
    assert echo.text("ErrorAction") == "Stop"
    assert echo.strings("Commands") == ["Get-Echo", "Select-Object"]
    [echo] = await pool.run(
        cmdlet("Get-Echo", ErrorAction="SilentlyContinue"), time_limit_seconds=LIMIT
    )
    assert echo.text("ErrorAction") == "SilentlyContinue"


async def test_pipeline_ids_count_up_from_the_command_id(pool: PowerShellPool) -> None:
    powershell = pool.for_command(COMMAND)
    first = await powershell.run(cmdlet("Get-Echo"), time_limit_seconds=LIMIT)
    second = await pool.for_command(COMMAND).run(cmdlet("Get-Echo"), time_limit_seconds=LIMIT)
    assert [first[0].guid("PipelineId"), second[0].guid("PipelineId")] == [numbered(1), numbered(2)]


async def test_pipelines_of_no_command_have_the_zero_command_id(pool: PowerShellPool) -> None:
    [first] = await pool.run(cmdlet("Get-Echo"), time_limit_seconds=LIMIT)
    own = pool.for_command(NO_COMMAND)
    [second] = await own.run(cmdlet("Get-Echo"), time_limit_seconds=LIMIT)
    assert (first.guid("PipelineId"), second.guid("PipelineId")) == (UUID(int=1), UUID(int=2))


def test_a_command_id_that_leaves_no_room_for_the_counter_is_refused() -> None:
    pool = PowerShellPool(("never-started",))
    with pytest.raises(ValueError, match="last four bytes"):
        pool.for_command(UUID("0f8fad5b-d9cb-469f-a165-708600000001"))


async def test_secret_text_arrives_as_a_secure_string(
    pool: PowerShellPool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = cmdlet("Get-Echo", Password=SecretText("pä$$wörd"))
    echoes = await asyncio.gather(
        *(pool.run(secret, time_limit_seconds=LIMIT, command_id=COMMAND) for _ in range(2))
    )
    for [echo] in echoes:
        assert echo.text("Password") == "pä$$wörd"
        assert "PSSecureString" in echo.strings("Types")
    assert "wörd" not in repr(secret)
    assert "wörd" not in caplog.text


async def test_nothing_is_an_empty_list_and_a_bare_value_reads_as_text(
    pool: PowerShellPool,
) -> None:
    assert await pool.run(cmdlet("Get-Nothing"), time_limit_seconds=LIMIT) == []
    [sentence] = await pool.run(cmdlet("Get-Sentence"), time_limit_seconds=LIMIT)
    assert str(sentence) == "The connection was successful."


async def test_much_output_arrives_whole_and_in_order(pool: PowerShellPool) -> None:
    records = await pool.run(cmdlet("Get-Many", Count=2000), time_limit_seconds=60)
    assert [record.integer("Number") for record in records] == list(range(2000))


async def test_pipelines_run_at_the_same_time(pool: PowerShellPool) -> None:
    waits = (cmdlet("Wait-Together", Count=4) for _ in range(4))
    powershell = pool.for_command(COMMAND)
    results = await asyncio.gather(
        *(powershell.run(wait, time_limit_seconds=LIMIT) for wait in waits)
    )
    assert {one.guid("PipelineId") for [one] in results} == {numbered(n) for n in range(1, 5)}


async def test_the_agents_own_pipelines_leave_room_for_commands(pool: PowerShellPool) -> None:
    own = [
        asyncio.create_task(pool.run(cmdlet("Wait-Forever"), time_limit_seconds=LIMIT))
        for _ in range(20)
    ]
    powershell = pool.for_command(COMMAND)
    [echo] = await powershell.run(cmdlet("Get-Echo"), time_limit_seconds=LIMIT)
    assert echo.guid("PipelineId") == numbered(1)
    for task in own:
        task.cancel()
    assert all(
        isinstance(end, asyncio.CancelledError)
        for end in await asyncio.gather(*own, return_exceptions=True)
    )


async def test_commands_that_work_for_long_leave_the_agent_its_sight(pool: PowerShellPool) -> None:
    powershell = pool.for_command(COMMAND)
    long = [
        asyncio.create_task(powershell.run(cmdlet("Wait-Forever"), time_limit_seconds=LIMIT))
        for _ in range(20)
    ]
    [echo] = await pool.run(cmdlet("Get-Echo"), time_limit_seconds=LIMIT)
    assert echo.guid("PipelineId") != numbered(1)
    for task in long:
        task.cancel()
    assert all(
        isinstance(end, asyncio.CancelledError)
        for end in await asyncio.gather(*long, return_exceptions=True)
    )


async def test_copying_disks_leaves_room_for_other_commands(in_memory: StartTransport) -> None:
    pool = PowerShellPool(in_memory, max_runspaces=4, long_cmdlets=["Wait-Forever"])
    copies = [
        asyncio.create_task(
            pool.for_command(UUID(int=n << 32)).run(
                cmdlet("Wait-Forever"), time_limit_seconds=LIMIT
            )
        )
        for n in range(1, 21)
    ]
    powershell = pool.for_command(COMMAND)
    [echo] = await powershell.run(cmdlet("Get-Echo"), time_limit_seconds=LIMIT)
    assert echo.guid("PipelineId") == numbered(1)
    for task in copies:
        task.cancel()
    await asyncio.gather(*copies, return_exceptions=True)
    await pool.close()


@pytest.mark.parametrize("name", ["Get-Both", "Start-Failing"])
async def test_an_error_record_fails_the_call_and_is_kept_unchanged(
    pool: PowerShellPool, name: str
) -> None:
    with pytest.raises(PowerShellFailure) as caught:
        await pool.run(cmdlet(name), time_limit_seconds=LIMIT)
    detail = caught.value.detail
    assert detail.error_id == "InvalidState,Microsoft.HyperV.PowerShell.Commands.StartVMFailover"
    assert caught.value.short_error_id == "InvalidState"
    assert detail.category == "InvalidOperation"
    assert detail.message == "Der Vorgang kann im aktuellen Zustand nicht ausgeführt werden."
    assert detail.exception_type.endswith("VirtualizationException")
    assert (detail.cmdlet, detail.target) == ("Start-VMFailover", "SQL-01")


async def test_an_unknown_cmdlet_fails(pool: PowerShellPool) -> None:
    with pytest.raises(PowerShellFailure) as caught:
        await pool.run(cmdlet("Get-Unicorn"), time_limit_seconds=LIMIT)
    assert caught.value.error_id == "CommandNotFoundException"


async def test_a_pipeline_over_its_limit_is_stopped_and_the_process_stays(
    pool: PowerShellPool,
) -> None:
    other = asyncio.create_task(
        pool.run(cmdlet("Wait-Together", Count=2), time_limit_seconds=LIMIT)
    )
    with pytest.raises(PowerShellTimeout, match=r"Wait-Forever did not end within 0\.2 seconds"):
        await pool.run(cmdlet("Wait-Forever"), time_limit_seconds=0.2)
    assert len(await pool.run(cmdlet("Wait-Together", Count=2), time_limit_seconds=LIMIT)) == 1
    assert len(await other) == 1


async def test_a_pipeline_that_does_not_stop_ends_the_process(pool: PowerShellPool) -> None:
    other = asyncio.create_task(pool.run(cmdlet("Wait-Forever"), time_limit_seconds=LIMIT))
    with pytest.raises(PowerShellTimeout):
        await pool.run(cmdlet("Wait-Deaf"), time_limit_seconds=0.2)
    with pytest.raises(PowerShellGone, match="could not be stopped"):
        await other
    assert len(await pool.run(cmdlet("Get-Echo"), time_limit_seconds=LIMIT)) == 1


async def test_a_cancelled_call_stops_its_pipeline(pool: PowerShellPool) -> None:
    waiting = asyncio.create_task(
        pool.run(cmdlet("Wait-Together", Count=2), time_limit_seconds=LIMIT)
    )
    await pool.run(cmdlet("Get-Echo"), time_limit_seconds=LIMIT)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert len(await pool.run(cmdlet("Get-Echo"), time_limit_seconds=LIMIT)) == 1


async def test_a_question_to_a_person_fails_instead_of_waiting(pool: PowerShellPool) -> None:
    with pytest.raises(PowerShellFailure) as caught:
        await pool.run(cmdlet("Read-Host"), time_limit_seconds=LIMIT)
    assert caught.value.error_id == "HostCallRefused"
    assert "ReadLine" in caught.value.detail.message


async def test_what_is_no_psrp_ends_the_process(pool: PowerShellPool) -> None:
    with pytest.raises(PowerShellGone, match="this is no PSRP"):
        await pool.run(cmdlet("Write-Garbage"), time_limit_seconds=LIMIT)
    assert len(await pool.run(cmdlet("Get-Echo"), time_limit_seconds=LIMIT)) == 1


async def test_after_closing_nothing_runs_any_more(pool: PowerShellPool) -> None:
    running = asyncio.create_task(pool.run(cmdlet("Wait-Forever"), time_limit_seconds=LIMIT))
    await pool.run(cmdlet("Get-Echo"), time_limit_seconds=LIMIT)
    await pool.close()
    with pytest.raises(PowerShellGone):
        await running
    with pytest.raises(PowerShellGone, match="closing"):
        await pool.run(cmdlet("Get-Echo"), time_limit_seconds=LIMIT)


async def test_an_empty_pipeline_is_refused(pool: PowerShellPool) -> None:
    with pytest.raises(ValueError, match="at least one cmdlet"):
        await pool.run(time_limit_seconds=LIMIT)
