from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deploy.lab.site.replicator import send_now
from tests.unit.lab.site.conftest import until

if TYPE_CHECKING:
    from tests.unit.lab.cmdlets.conftest import Shell

EAST = "hv-e1.contoso.com"
WEST = "hv-w1.contoso.com"
PORT = 8084


def state_of(shell: Shell) -> str:
    [vm] = shell.site.virtual_machines
    return "Disabled" if vm.replication is None else vm.replication.state.value


async def thumbprint(shell: Shell, step: Any, host: str) -> str:
    [certificate] = await shell.objects(step("Get-OsrReplicationCertificate", ComputerName=host))
    return str(certificate.Thumbprint)


async def replicate(pair: tuple[Shell, Shell], step: Any) -> None:
    """Enables App from East to West and waits for the first copy."""
    east, west = pair
    machine = step("Get-VM", ComputerName=EAST)
    enable = step(
        "Enable-VMReplication",
        ReplicaServerName=WEST,
        ReplicaServerPort=PORT,
        AuthenticationType="Certificate",
        CertificateThumbprint=await thumbprint(east, step, EAST),
        ReplicationFrequencySec=30,
        RecoveryHistory=4,
        Confirm=False,
    )
    await east.objects(machine, enable)
    await east.objects(machine, step("Start-VMInitialReplication", Confirm=False))
    for shell in (east, west):
        await until(lambda shell=shell: state_of(shell) == "Replicating", "replicating")  # type: ignore[misc]  # mypy cannot infer a lambda with a default


async def test_the_replication_server_shows_what_was_set(
    pair: tuple[Shell, Shell], step: Any
) -> None:
    west = pair[1]
    [server] = await west.objects(step("Get-VMReplicationServer", ComputerName=WEST))
    assert server.ReplicationEnabled
    assert server.AllowedAuthenticationType.PSObject.to_string == "Certificate"
    assert server.CertificateAuthenticationPort == PORT
    assert server.MonitoringInterval.total_seconds() == 12 * 3600
    [entry] = await west.objects(step("Get-VMReplicationAuthorizationEntry", ComputerName=WEST))
    assert (entry.AllowedPrimaryServer, entry.TrustGroup) == (EAST, "trusted")


async def test_an_entry_is_changed_and_removed_through_the_pipeline(
    pair: tuple[Shell, Shell], step: Any
) -> None:
    west = pair[1]
    entries = step("Get-VMReplicationAuthorizationEntry", ComputerName=WEST)
    await west.objects(
        step("Set-VMReplicationAuthorizationEntry", EAST, TrustGroup="other", ComputerName=WEST)
    )
    assert (await west.objects(entries))[0].TrustGroup == "other"
    await west.objects(entries, step("Remove-VMReplicationAuthorizationEntry", Confirm=False))
    assert await west.objects(entries) == []
    missing = await west.run(
        step("Remove-VMReplicationAuthorizationEntry", EAST, ComputerName=WEST)
    )
    assert missing.errors[0].FullyQualifiedErrorId.startswith("ObjectNotFound,")


async def test_the_connection_is_tried_with_real_certificates(
    pair: tuple[Shell, Shell], step: Any
) -> None:
    east = pair[0]
    good = {
        "ReplicaServerName": WEST,
        "ReplicaServerPort": PORT,
        "AuthenticationType": "Certificate",
        "CertificateThumbprint": await thumbprint(east, step, EAST),
        "ComputerName": EAST,
    }
    [sentence] = await east.objects(step("Test-VMReplicationConnection", **good))
    assert "was successful" in sentence
    for wrong in ({"ReplicaServerPort": 1}, {"CertificateThumbprint": "00" * 20}):
        outcome = await east.run(step("Test-VMReplicationConnection", **{**good, **wrong}))
        assert len(outcome.errors) == 1
        assert outcome.output == []


async def test_a_certificate_with_kerberos_is_refused(pair: tuple[Shell, Shell], step: Any) -> None:
    outcome = await pair[0].run(
        step(
            "Enable-VMReplication",
            "App",
            WEST,
            80,
            "Kerberos",
            CertificateThumbprint="00" * 20,
            ComputerName=EAST,
        )
    )
    assert "certificate-based authentication" in outcome.errors[0].Exception.Message


async def test_a_planned_failover_and_the_way_back_by_cmdlets_alone(
    pair: tuple[Shell, Shell], step: Any
) -> None:
    east, west = pair
    await replicate(pair, step)
    [replica] = await west.objects(step("Get-VMReplication", ComputerName=WEST))
    assert replica.ReplicationMode.PSObject.to_string == "Replica"
    assert (replica.PrimaryServerName, replica.ReplicationFrequencySec) == (EAST, 30)

    running = await east.run(
        step("Start-VMFailover", "App", Prepare=True, ComputerName=EAST, Confirm=False)
    )
    assert running.errors[0].FullyQualifiedErrorId == (
        "InvalidState,Microsoft.HyperV.PowerShell.Commands.StartVMFailover"
    )
    on_east = step("Get-VM", ComputerName=EAST)
    on_west = step("Get-VM", ComputerName=WEST)
    await east.objects(on_east, step("Stop-VM", Force=True, Confirm=False))
    await east.objects(on_east, step("Start-VMFailover", Prepare=True, Confirm=False))
    assert state_of(east) == "PreparedForFailover"
    await west.objects(on_west, step("Start-VMFailover", Confirm=False))
    assert state_of(west) == "FailedOverWaitingCompletion"
    [reversed_] = await west.objects(
        on_west, step("Set-VMReplication", Reverse=True, Confirm=False, Passthru=True)
    )
    assert reversed_.ReplicationMode.PSObject.to_string == "Primary"
    await west.objects(on_west, step("Start-VM", Confirm=False))
    assert (await west.objects(on_west))[0].State.PSObject.to_string == "Running"
    [back] = await east.objects(step("Get-VMReplication", ComputerName=EAST))
    assert back.ReplicationMode.PSObject.to_string == "Replica"


async def test_a_recovery_point_is_chosen_in_the_pipeline(
    pair: tuple[Shell, Shell], step: Any
) -> None:
    east, west = pair
    await replicate(pair, step)
    [vm] = east.site.virtual_machines
    send_now(east.site, vm)
    points = step("Get-VMSnapshot", "App", ComputerName=WEST)
    await until(lambda: len(west.site.recovery_points(west.site.virtual_machines[0])) > 0, "points")
    found = await west.objects(points)
    assert {each.SnapshotType.PSObject.to_string for each in found} == {"Replica"}
    one = step("Get-VMSnapshot", ComputerName=WEST, Id=found[-1].Id)
    await west.objects(one, step("Start-VMFailover", Confirm=False))
    assert state_of(west) == "FailedOverWaitingCompletion"
    await west.objects(step("Stop-VMFailover", "App", ComputerName=WEST, Confirm=False))
    assert state_of(west) == "Replicating"


async def test_replication_is_paused_resumed_measured_and_removed(
    pair: tuple[Shell, Shell], step: Any
) -> None:
    east = pair[0]
    await replicate(pair, step)
    on_east = step("Get-VM", ComputerName=EAST)
    await east.objects(on_east, step("Suspend-VMReplication", Confirm=False))
    assert state_of(east) == "Suspended"
    await east.objects(on_east, step("Resume-VMReplication", Confirm=False))
    assert state_of(east) == "Replicating"
    [health] = await east.objects(step("Measure-VMReplication", "App", ComputerName=EAST))
    assert health.InitialReplicationSize > 0
    await east.objects(on_east, step("Reset-VMReplicationStatistics", Confirm=False))
    found = step("Get-VMReplication", ComputerName=EAST, Mode="Primary", State="Replicating")
    assert len(await east.objects(found)) == 1
    other = step("Get-VMReplication", ComputerName=EAST, Mode="Replica")
    assert await east.objects(other) == []
    await east.objects(on_east, step("Remove-VMReplication", Confirm=False))
    assert state_of(east) == "Disabled"


async def test_a_replica_is_removed_with_its_files_once_its_replication_is(
    pair: tuple[Shell, Shell], step: Any
) -> None:
    east, west = pair
    await replicate(pair, step)
    for shell, host in ((east, EAST), (west, WEST)):
        on_host = step("Get-VM", ComputerName=host)
        await shell.objects(on_host, step("Remove-VMReplication", Confirm=False))
        again = await shell.run(on_host, step("Remove-VMReplication", Confirm=False))
        assert len(again.errors) == 1
        # The machine itself stays on both sides.
        assert len(await shell.objects(on_host)) == 1
    server = step("Get-SCVMMServer", ComputerName="localhost")
    host = step("Get-SCVMHost", ComputerName=WEST)
    await west.objects(server, host, step("Read-SCVirtualMachine"))
    [known] = await west.objects(server, host, step("Get-SCVirtualMachine"))
    [vm] = west.site.virtual_machines
    files = list(west.site.all_disk_files(vm).values())
    assert all(file.exists() for file in files)
    await west.objects(
        server,
        step("Get-SCVirtualMachine", ID=known.ID),
        step("Remove-SCVirtualMachine", Confirm=False),
    )
    assert await west.objects(step("Get-VM", ComputerName=WEST)) == []
    assert not any(file.exists() for file in files)


async def test_a_certificate_is_listed_and_removed(pair: tuple[Shell, Shell], step: Any) -> None:
    east = pair[0]
    listing = step("Get-OsrReplicationCertificate", ComputerName=EAST)
    [certificate] = await east.objects(listing)
    assert certificate.HasPrivateKey
    assert EAST in list(certificate.DnsNameList)
    await east.objects(
        step(
            "Remove-OsrReplicationCertificate",
            ComputerName=EAST,
            Thumbprint=str(certificate.Thumbprint),
        )
    )
    assert await east.objects(listing) == []


async def test_a_port_out_of_range_is_refused(east: Shell, step: Any) -> None:
    outcome = await east.run(
        step("Enable-OsrReplicationFirewallRule", ComputerName=EAST, Port=70000)
    )
    assert outcome.errors[0].CategoryInfo.Category.name == "InvalidData"


async def test_firewall_cmdlets_reach_the_vmm_server_only(east: Shell, step: Any) -> None:
    assert await east.objects(step("Get-NetFirewallRule")) == []
    outcome = await east.run(step("Enable-NetFirewallRule", DisplayName="Hyper-V Replica"))
    assert outcome.errors[0].CategoryInfo.Category.name == "ObjectNotFound"
