from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from psrpcore import ClientGetCommandMetadata, GetRunspaceAvailabilityEvent
from psrpcore.types import PSInvocationState, PSSecureString, RunspacePoolState

from deploy.lab.invocation import (
    EnumValue,
    ErrorRecord,
    InvocationResult,
    ProgressRecord,
    PSObject,
    Secret,
    Value,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from deploy.lab.powershell.backends import Backend
    from tests.unit.lab.conftest import Client, Connect
    from tests.unit.lab.powershell.conftest import FakeBackend

HYPER_V = "Microsoft.HyperV.PowerShell."
MISSING = ErrorRecord("InvalidParameter", "InvalidArgument", "no such VM", "E", "N1", "String")


def machine(name: str = "App") -> PSObject:
    state = EnumValue(HYPER_V + "VMState", "Running", 2)
    properties: dict[str, Value] = {"Name": name, "State": state, "ComputerName": "h"}
    return PSObject((HYPER_V + "VirtualMachine", "System.Object"), name, properties)


def gives(*output: Value, errors: tuple[ErrorRecord, ...] = ()) -> Callable[[Any], Any]:
    return lambda _: InvocationResult(output=output, errors=errors)


@pytest.fixture
async def client(connect: Connect, backend: FakeBackend) -> Client:
    return await connect(backend)


async def test_output_arrives_deserialised(client: Client, backend: FakeBackend, step: Any) -> None:
    backend.answers["Get-VM"] = gives(machine(), machine("Db"))
    outcome = await client.run(step("Get-VM", ComputerName="h"))
    assert outcome.state == PSInvocationState.Completed
    assert [each.Name for each in outcome.output] == ["App", "Db"]
    assert outcome.output[0].PSTypeNames[0] == "Deserialized." + HYPER_V + "VirtualMachine"
    assert str(outcome.output[0].State.PSObject.to_string) == "Running"


async def test_parameters_arrive_bound_under_their_own_names(
    client: Client, backend: FakeBackend, step: Any
) -> None:
    await client.run(step("get-vm", VMName="a", comp="h"))
    assert backend.calls[0].cmdlet == "Get-VM"
    assert backend.calls[0].parameters == {"Name": ["a"], "ComputerName": ["h"]}
    assert backend.calls[0].parameter_set == "Name"


async def test_the_pipeline_id_names_the_command(
    client: Client, backend: FakeBackend, step: Any
) -> None:
    command = UUID(int=uuid4().int & ~0xFFFFFFFF)
    await client.run(step("Get-VM"), pipeline_id=UUID(int=command.int | 3))
    await client.run(step("Get-VM"), pipeline_id=UUID(int=3))
    assert [call.command_id for call in backend.calls] == [str(command), None]


async def test_an_error_that_does_not_terminate_is_written_beside_the_output(
    client: Client, backend: FakeBackend, step: Any
) -> None:
    backend.answers["Get-VM"] = gives(machine(), errors=(MISSING,))
    outcome = await client.run(step("Get-VM"))
    assert outcome.state == PSInvocationState.Completed
    [error] = outcome.errors
    assert error.FullyQualifiedErrorId == (
        "InvalidParameter,Microsoft.HyperV.PowerShell.Commands.GetVM"
    )
    assert error.CategoryInfo.Category.name == "InvalidArgument"
    assert str(error.CategoryInfo) == "InvalidArgument (N1:String) [Get-VM], E"
    assert error.Exception.Message == "no such VM"


async def test_error_action_stop_makes_the_error_end_the_pipeline(
    client: Client, backend: FakeBackend, step: Any
) -> None:
    backend.answers["Get-VM"] = gives(machine(), errors=(MISSING,))
    outcome = await client.run(step("Get-VM", ErrorAction="Stop"), step("Start-VM"))
    assert outcome.state == PSInvocationState.Failed
    assert outcome.error_id == "InvalidParameter,Microsoft.HyperV.PowerShell.Commands.GetVM"
    assert [call.cmdlet for call in backend.calls] == ["Get-VM"]


@pytest.mark.parametrize("action", ["SilentlyContinue", "Ignore"])
async def test_an_error_can_be_silenced(
    client: Client, backend: FakeBackend, step: Any, action: str
) -> None:
    backend.answers["Get-VM"] = gives(errors=(MISSING,))
    outcome = await client.run(step("Get-VM", ErrorAction=action))
    assert (outcome.state, outcome.errors) == (PSInvocationState.Completed, [])


async def test_warnings_and_progress_have_streams_of_their_own(
    client: Client, backend: FakeBackend, step: Any
) -> None:
    backend.answers["Start-VM"] = lambda _: InvocationResult(
        warnings=("already running",), progress=(ProgressRecord("Starting", "now", 50),)
    )
    outcome = await client.run(step("Start-VM", Name="a"))
    assert outcome.warnings == ["already running"]
    assert outcome.progress == ["Starting"]
    silent = await client.run(step("Start-VM", Name="a", WarningAction="SilentlyContinue"))
    assert silent.warnings == []


async def test_objects_stay_alive_between_the_cmdlets_of_a_pipeline(
    client: Client, backend: FakeBackend, step: Any
) -> None:
    backend.answers["Get-VM"] = gives(machine(), machine("Db"))
    await client.run(step("Get-VM"), step("Start-VM", Confirm=False))
    starts = backend.calls[1:]
    assert [call.parameter_set for call in starts] == ["VMObject", "VMObject"]
    assert [str(call.pipeline_input[0]) for call in starts] == ["App", "Db"]


async def test_a_pipeline_whose_first_cmdlet_gives_nothing_calls_no_second(
    client: Client, backend: FakeBackend, step: Any
) -> None:
    outcome = await client.run(step("Get-VM"), step("Start-VM"))
    assert outcome.state == PSInvocationState.Completed
    assert [call.cmdlet for call in backend.calls] == ["Get-VM"]


async def test_an_object_that_fits_no_parameter_is_an_error_and_the_next_goes_on(
    client: Client, backend: FakeBackend, step: Any
) -> None:
    stranger = PSObject(("Deserialized.X",), None, {})
    backend.answers["Get-VM"] = gives(stranger, machine())
    outcome = await client.run(step("Get-VM"), step("Get-VMHardDiskDrive"))
    assert outcome.state == PSInvocationState.Completed
    # By value with conversion: the stranger's text is taken for a name, as PowerShell takes it.
    assert [call.parameter_set for call in backend.calls[1:]] == ["VMName", "VMObject"]


async def test_input_of_the_client_feeds_the_first_cmdlet(
    client: Client, backend: FakeBackend, step: Any
) -> None:
    pipeline = client.begin(step("Start-VM"), no_input=False)
    sender = client.pool.pipeline_table[pipeline]
    for name in ("a", "b"):
        sender.send(name)
    sender.send_eof()
    client.flush()
    outcome = await client.end(pipeline)
    assert outcome.state == PSInvocationState.Completed
    assert [call.parameters["Name"] for call in backend.calls] == [["a"], ["b"]]


@pytest.mark.parametrize(
    ("name", "error_id"),
    [("Get-Nothing", "CommandNotFoundException"), ("Get-VHD", "LabCmdletMissing")],
)
async def test_a_cmdlet_that_is_not_there_is_refused(
    client: Client, step: Any, name: str, error_id: str
) -> None:
    outcome = await client.run(step(name))
    assert outcome.state == PSInvocationState.Failed
    assert outcome.error_id == error_id
    assert name in outcome.message


async def test_a_script_is_refused_as_in_a_session_without_language(
    client: Client, backend: FakeBackend, script: Any
) -> None:
    outcome = await client.run(script("Get-VM; Remove-Item x"))
    assert outcome.state == PSInvocationState.Failed
    assert outcome.error_id == "ScriptsNotAllowed"
    assert outcome.category == "ParserError"
    assert backend.calls == []


async def test_a_high_impact_cmdlet_asks_and_there_is_nobody_to_answer(
    client: Client, backend: FakeBackend, step: Any
) -> None:
    for name in ("Start-VMFailover", "Complete-VMFailover"):
        outcome = await client.run(step(name, VMName="a"))
        assert outcome.error_id.startswith("HostFunctionNotImplemented,")
        assert (await client.run(step(name, VMName="a", Confirm=False))).reason is None
    assert [call.cmdlet for call in backend.calls] == ["Start-VMFailover", "Complete-VMFailover"]
    assert (await client.run(step("Start-VM", Name="a", Confirm=True))).reason is not None


async def test_what_if_changes_nothing(client: Client, backend: FakeBackend, step: Any) -> None:
    outcome = await client.run(step("Start-VMFailover", VMName="a", WhatIf=True))
    assert outcome.state == PSInvocationState.Completed
    assert backend.calls == []


async def test_a_background_job_is_refused_by_name(client: Client, step: Any) -> None:
    outcome = await client.run(step("Stop-VM", Name="a", AsJob=True))
    assert outcome.error_id.startswith("LabParameterMissing,")
    assert "AsJob" in outcome.message


async def test_vmm_cmdlets_need_a_connection(
    client: Client, backend: FakeBackend, step: Any
) -> None:
    outcome = await client.run(step("Get-SCCloud"))
    assert outcome.error_id.startswith("VMMServerNotConnected,")
    assert (await client.run(step("Get-SCCloud", VMMServer="vmm"))).reason is None
    assert (await client.run(step("Get-SCVMMServer", "localhost"))).reason is None
    assert (await client.run(step("Get-SCCloud"))).reason is None
    assert [call.cmdlet for call in backend.calls] == [
        "Get-SCCloud",
        "Get-SCVMMServer",
        "Get-SCCloud",
    ]


async def test_a_failed_connection_is_none(client: Client, backend: FakeBackend, step: Any) -> None:
    backend.answers["Get-SCVMMServer"] = gives(errors=(MISSING,))
    await client.run(step("Get-SCVMMServer", "nowhere"))
    assert (await client.run(step("Get-SCCloud"))).reason is not None


async def test_two_pipelines_run_at_once_and_a_third_waits_for_a_runspace(
    connect: Connect, backend: FakeBackend, step: Any
) -> None:
    client = await connect(backend, max_runspaces=2)
    gate = backend.hold("Get-VM")
    first = client.begin(step("Get-VM"))
    second = client.begin(step("Get-VM"))
    third = client.begin(step("Get-VMHost"))
    await backend.until(lambda: backend.running == 2)
    assert len(backend.calls) == 2
    gate.set()
    for pipeline in (first, second, third):
        assert (await client.end(pipeline)).state == PSInvocationState.Completed
    assert backend.most_running == 2


async def test_a_signal_stops_a_pipeline_and_the_next_one_runs(
    client: Client, backend: FakeBackend, step: Any
) -> None:
    backend.hold("Get-VM")
    pipeline = client.begin(step("Get-VM"))
    await backend.until(lambda: backend.running == 1)
    client.send(f"<Signal PSGuid='{pipeline}' />")
    outcome = await client.end(pipeline)
    assert outcome.state == PSInvocationState.Stopped
    assert outcome.error_id == "PipelineStopped"
    await client.until(lambda: ("SignalAck", pipeline) in client.acks)
    assert (await client.run(step("Get-VMHost"))).state == PSInvocationState.Completed


async def test_a_pipeline_that_waits_for_a_runspace_can_be_stopped(
    client: Client, backend: FakeBackend, step: Any
) -> None:
    gate = backend.hold("Get-VM")
    running = client.begin(step("Get-VM"))
    waiting = client.begin(step("Start-VM", Name="a"))
    await backend.until(lambda: backend.running == 1)
    client.send(f"<Signal PSGuid='{waiting}' />")
    assert (await client.end(waiting)).state == PSInvocationState.Stopped
    gate.set()
    assert (await client.end(running)).state == PSInvocationState.Completed
    assert [call.cmdlet for call in backend.calls] == ["Get-VM"]


async def test_a_pipeline_stopped_before_its_first_step_says_so(
    client: Client, backend: FakeBackend, step: Any
) -> None:
    pipeline = client.begin(step("Get-VM"))
    client.send(f"<Signal PSGuid='{pipeline}' />")
    assert (await client.end(pipeline)).state == PSInvocationState.Stopped
    assert backend.calls == []


async def test_every_element_is_acknowledged(client: Client, step: Any) -> None:
    pipeline = client.begin(step("Get-VM"))
    await client.end(pipeline)
    client.send(f"<Close PSGuid='{pipeline}' />")
    await client.until(lambda: ("CloseAck", pipeline) in client.acks)
    kinds = [kind for kind, target in client.acks if target == pipeline]
    assert kinds == ["CommandAck", "DataAck", "CloseAck"]


async def test_signal_and_close_of_a_pipeline_that_is_gone_are_acknowledged(
    client: Client,
) -> None:
    stranger = uuid4()
    for kind in ("Signal", "Close"):
        client.send(f"<{kind} PSGuid='{stranger}' />")
        await client.until(lambda kind=kind: (f"{kind}Ack", stranger) in client.acks)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    answered = [kind for kind, target in client.acks if target == stranger]
    assert answered == ["SignalAck", "CloseAck"]


async def test_closing_the_pool_stops_what_runs_and_another_pool_can_be_opened(
    client: Client, backend: FakeBackend, connect: Connect, step: Any
) -> None:
    backend.hold("Get-VM")
    client.begin(step("Get-VM"))
    await backend.until(lambda: backend.running == 1)
    client.send(f"<Close PSGuid='{UUID(int=0)}' />")
    await client.until(lambda: ("CloseAck", UUID(int=0)) in client.acks)
    assert client.pool.state == RunspacePoolState.Closed
    assert backend.running == 0
    again = await connect(backend)
    assert (await again.run(step("Get-VMHost"))).state == PSInvocationState.Completed


async def test_the_number_of_free_runspaces_is_told(
    connect: Connect, backend: FakeBackend, step: Any
) -> None:
    client = await connect(backend, max_runspaces=3)
    backend.hold("Get-VM")
    client.begin(step("Get-VM"))
    await backend.until(lambda: backend.running == 1)
    client.pool.get_available_runspaces()
    client.flush()
    await client.until(lambda: len(client.pool_events) > 0 and is_count(client.pool_events[-1]))
    assert client.pool_events[-1].count == 2  # type: ignore[attr-defined]  # is_count saw to it


def is_count(event: object) -> bool:
    return isinstance(event, GetRunspaceAvailabilityEvent)


async def test_a_secret_arrives_as_a_secret(
    client: Client, backend: FakeBackend, step: Any
) -> None:
    client.pool.exchange_key()
    client.flush()
    await client.until(lambda: any("EncryptedSessionKey" in repr(e) for e in client.pool_events))
    password = PSSecureString("pass-word")
    outcome = await client.run(
        step(
            "Install-OsrReplicationCertificate",
            ComputerName="h",
            Pfx=b"\x30\x01",
            Password=password,
            Root=b"\x30",
        )
    )
    assert outcome.state == PSInvocationState.Completed
    parameters = backend.calls[0].parameters
    assert parameters["Password"] == Secret("pass-word")
    assert parameters["Pfx"] == b"\x30\x01"
    assert "pass-word" not in repr(backend.calls)


async def test_command_metadata_is_answered(client: Client) -> None:
    asking = ClientGetCommandMetadata(client.pool, name=["Get-VM", "Start-VM*"])
    outcome = client.expect(asking.pipeline_id)
    client.send(f"<Command PSGuid='{asking.pipeline_id}' />")
    asking.start()
    client.flush()
    await client.end(asking.pipeline_id)
    count, *commands = outcome.output
    assert count.Count == len(commands) == 4
    assert commands[0].Name == "Get-VM"
    assert commands[0].Parameters["Id"].ParameterType == "Guid"


async def test_statements_run_one_after_another(
    client: Client, backend: FakeBackend, step: Any
) -> None:
    backend.answers["Get-VM"] = gives(machine())
    backend.answers["Get-VMHost"] = gives("host")
    pipeline = client.begin(step("Get-VM"), None, step("Get-VMHost"))
    outcome = await client.end(pipeline)
    assert [str(each) for each in outcome.output] == ["App", "host"]


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "<Data Stream='Default' PSGuid='00000000-0000-0000-0000-000000000000'>AAAA</Data>",
        "<Signal PSGuid='00000000-0000-0000-0000-000000000000' />",
        "<Command PSGuid='00000000-0000-0000-0000-000000000000' />",
    ],
)
async def test_malformed_input_ends_it_with_a_reason(client: Client, line: str) -> None:
    client.send(line)
    assert client.process.returncode == 1
    assert client.process.stderr.strip()
    with pytest.raises(BrokenPipeError):
        client.send(line)


async def test_a_defect_of_the_backend_ends_the_pipeline_visibly(
    connect: Connect, broken: Backend, step: Any
) -> None:
    client = await connect(broken)
    outcome = await client.run(step("Get-VM"))
    assert outcome.state == PSInvocationState.Failed
    assert outcome.error_id == "LabDefect"
    assert "RuntimeError" in outcome.message


@pytest.fixture
def broken() -> Backend:
    class Broken:
        async def invoke(self, call: object) -> InvocationResult:
            raise RuntimeError(str(call))

    return Broken()
