"""Setting replication up: test, enable, first copy."""

from __future__ import annotations

from datetime import timedelta

import pytest
from opensiterecovery.provider.v1 import command_pb2
from opensiterecovery.provider.v1.command_pb2 import (
    AUTHENTICATION_TYPE_CERTIFICATE,
    AUTHENTICATION_TYPE_KERBEROS,
    EnableReplication,
    ReadReplication,
    StartInitialReplication,
    VirtualMachineRef,
)

from agent.clock import to_timestamp
from agent.failures import CommandError
from agent.verbs.replication import (
    enable_replication,
    read_replication_of,
    start_initial_replication,
    verify_replication_connection,
)
from tests.unit.agent.fake_hyperv import FakeHyperV, FakeMachine, failure, gone
from tests.unit.agent.verbs.conftest import BEIJING, SHANGHAI, VM_ID, MakeContext


def enabling(vm: VirtualMachineRef) -> EnableReplication:
    return EnableReplication(
        vm=vm,
        replica_server=BEIJING,
        port=8084,
        authentication_type=AUTHENTICATION_TYPE_CERTIFICATE,
        certificate_thumbprint="CD" * 20,
        compression=True,
        frequency_seconds=30,
        recovery_points=4,
        application_consistent_hours=2,
    )


@pytest.mark.spec("RE-1")
async def test_enabling_twice_enables_once(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    hyperv.add(SHANGHAI, FakeMachine(VM_ID, "SQL1"))
    for _ in range(2):
        found = await enable_replication(enabling(primary), context())
        assert (found.mode, found.state) == ("Primary", "ReadyForInitialReplication")
    assert hyperv.effects == [("replication.enabled", str(VM_ID))]
    [call] = hyperv.ran("Enable-VMReplication")
    assert dict(call.parameters) == {
        "Confirm": False,
        "ReplicaServerName": BEIJING,
        "ReplicaServerPort": 8084,
        "AuthenticationType": "Certificate",
        "CertificateThumbprint": "CD" * 20,
        "CompressionEnabled": True,
        "ReplicationFrequencySec": 30,
        "RecoveryHistory": 4,
        "VSSSnapshotFrequencyHour": 2,
    }


async def test_without_more_recovery_points_no_application_consistent_ones_are_asked_for(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    hyperv.add(SHANGHAI, FakeMachine(VM_ID, "SQL1"))
    request = enabling(primary)
    request.recovery_points = 0
    request.authentication_type = AUTHENTICATION_TYPE_KERBEROS
    await enable_replication(request, context())
    [call] = hyperv.ran("Enable-VMReplication")
    assert "VSSSnapshotFrequencyHour" not in call.parameters
    assert "CertificateThumbprint" not in call.parameters
    assert call.parameters["RecoveryHistory"] == 0


@pytest.mark.parametrize(
    "machine",
    [
        FakeMachine(VM_ID, "a", "Running", "Primary", "Replicating", "hv9.other.test", 30),
        FakeMachine(VM_ID, "a", "Running", "Primary", "Replicating", BEIJING, 300),
        FakeMachine(VM_ID, "a", "Off", "Replica", "Replicating"),
    ],
)
async def test_somebody_elses_replication_is_left_alone(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef, machine: FakeMachine
) -> None:
    hyperv.add(SHANGHAI, machine)
    with pytest.raises(CommandError) as caught:
        await enable_replication(enabling(primary), context())
    assert caught.value.failure.code == "ReplicationAlreadyEnabled"
    assert hyperv.effects == []


async def test_names_of_servers_know_no_case(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    machine = FakeMachine(VM_ID, "a", "Running", "Primary", "Replicating", BEIJING.upper(), 30)
    hyperv.add(SHANGHAI, machine)
    await enable_replication(enabling(primary), context())
    assert hyperv.effects == []


@pytest.mark.parametrize("state", ["ReadyForInitialReplication", "InitialReplicationInProgress"])
async def test_the_first_copy_is_started_once(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef, state: str
) -> None:
    hyperv.add(SHANGHAI, FakeMachine(VM_ID, "SQL1", "Running", "Primary", state, BEIJING, 30))
    for _ in range(2):
        found = await start_initial_replication(StartInitialReplication(vm=primary), context())
        assert found.state == "InitialReplicationInProgress"
    assert len(hyperv.effects) == (1 if state == "ReadyForInitialReplication" else 0)


async def test_a_first_copy_that_is_done_is_not_started_again(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    machine = FakeMachine(VM_ID, "SQL1", "Running", "Primary", "Replicating", BEIJING, 30)
    hyperv.add(SHANGHAI, machine)
    found = await start_initial_replication(StartInitialReplication(vm=primary), context())
    assert found.state == "Replicating"
    assert hyperv.effects == []


async def test_a_scheduled_first_copy_is_scheduled_once(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    state = "ReadyForInitialReplication"
    hyperv.add(SHANGHAI, FakeMachine(VM_ID, "SQL1", "Running", "Primary", state, BEIJING, 30))
    at = context().clock().replace(microsecond=0) + timedelta(days=2)
    for _ in range(2):
        request = StartInitialReplication(vm=primary, start_time=to_timestamp(at))
        found = await start_initial_replication(request, context())
        assert found.state == state
    assert len(hyperv.effects) == 1
    assert hyperv.hosts[SHANGHAI].machines[VM_ID].initial_start == at


async def test_a_first_copy_more_than_a_week_ahead_is_refused(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    surroundings = context()
    at = surroundings.clock() + timedelta(days=8)
    request = StartInitialReplication(vm=primary, start_time=to_timestamp(at))
    with pytest.raises(CommandError) as caught:
        await start_initial_replication(request, surroundings)
    assert caught.value.failure.code == "StartTimeTooLate"
    assert hyperv.pipelines == []


async def test_a_machine_without_replication_has_no_first_copy(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    hyperv.add(SHANGHAI, FakeMachine(VM_ID, "SQL1"))
    with pytest.raises(CommandError) as caught:
        await start_initial_replication(StartInitialReplication(vm=primary), context())
    assert caught.value.failure.code == "ReplicationNotReady"


async def test_reading_replication_of_a_missing_machine_says_so(
    context: MakeContext, primary: VirtualMachineRef
) -> None:
    with pytest.raises(CommandError) as caught:
        await read_replication_of(ReadReplication(vm=primary), context())
    assert caught.value.failure.code == "VirtualMachineNotFound"


async def test_the_connection_is_tried_from_the_primary_host(
    hyperv: FakeHyperV, context: MakeContext
) -> None:
    request = command_pb2.TestReplicationConnection(
        host=SHANGHAI,
        replica_server=BEIJING,
        port=8084,
        authentication_type=AUTHENTICATION_TYPE_CERTIFICATE,
        certificate_thumbprint="EF" * 20,
    )
    found = await verify_replication_connection(request, context())
    assert (found.host, found.replica_server) == (SHANGHAI, BEIJING)
    [call] = hyperv.ran("Test-VMReplicationConnection")
    assert call.parameters["ComputerName"] == SHANGHAI

    hyperv.trouble(
        "Test-VMReplicationConnection",
        failure("OperationFailed", "NotSpecified", "Test-VMReplicationConnection"),
    )
    with pytest.raises(CommandError) as caught:
        await verify_replication_connection(request, context())
    assert caught.value.failure.code == "ReplicaServerNotReachable"
    assert caught.value.failure.powershell.cmdlet == "Test-VMReplicationConnection"


async def test_an_authentication_type_of_a_newer_coordinator_is_refused(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    request = enabling(primary)
    request.ClearField("authentication_type")
    with pytest.raises(CommandError) as caught:
        await enable_replication(request, context())
    assert caught.value.failure.code == "CommandInvalid"
    assert hyperv.pipelines == []


async def test_enabling_goes_on_after_powershell_died(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    hyperv.add(SHANGHAI, FakeMachine(VM_ID, "SQL1"))
    hyperv.trouble("Enable-VMReplication", gone())
    hyperv.trouble("Get-VM", gone(), times=1)
    await enable_replication(enabling(primary), context())
    assert hyperv.effects == [("replication.enabled", str(VM_ID))]
