"""Making a host receive replication, without taking anything from others."""

from __future__ import annotations

import pytest
from opensiterecovery.provider.v1.command_pb2 import (
    AUTHENTICATION_TYPE_CERTIFICATE,
    AUTHENTICATION_TYPE_KERBEROS,
    AUTHENTICATION_TYPE_UNSPECIFIED,
    ConfigureReplicationServer,
    ReadHostReplication,
    RefreshHost,
    ReplicationAuthorization,
)

from agent.failures import CommandError
from agent.verbs.host_replication import (
    configure_replication_server,
    read_host_replication,
    refresh_host,
)
from tests.unit.agent.fake_hyperv import FakeHyperV, gone
from tests.unit.agent.verbs.conftest import BEIJING, SHANGHAI, MakeContext

THUMBPRINT = "AB" * 20
ENTRY = ReplicationAuthorization(
    allowed_primary_server=SHANGHAI,
    replica_storage_location="D:\\Replica",
    trust_group="GoldCloud1",
)


def wanted() -> ConfigureReplicationServer:
    return ConfigureReplicationServer(
        host=BEIJING,
        authentication_type=AUTHENTICATION_TYPE_CERTIFICATE,
        port=8084,
        certificate_thumbprint=THUMBPRINT,
        default_storage_location="D:\\Replica",
        authorizations=[ENTRY],
    )


async def test_a_host_that_was_never_configured_is_told_as_it_is(
    context: MakeContext,
) -> None:
    found = await read_host_replication(ReadHostReplication(host=BEIJING), context())
    assert found.replication_enabled is False
    assert found.authentication_type == AUTHENTICATION_TYPE_UNSPECIFIED
    assert found.port == 0
    assert found.virtual_hard_disk_path == "D:\\VHD"
    assert found.operational_status == "Ok"


async def test_configuring_twice_changes_once(hyperv: FakeHyperV, context: MakeContext) -> None:
    for _ in range(2):
        found = await configure_replication_server(wanted(), context())
        assert found.replication_enabled
        assert found.authentication_type == AUTHENTICATION_TYPE_CERTIFICATE
        assert found.port == 8084
        assert found.certificate_thumbprint == THUMBPRINT
        assert list(found.authorizations) == [ENTRY]
    assert [name for name, _ in hyperv.effects] == [
        "firewall.opened",
        "server.set",
        "authorization.added",
    ]
    [call] = hyperv.ran("Set-VMReplicationServer")
    assert dict(call.parameters) == {
        "ComputerName": BEIJING,
        "Force": True,
        "Confirm": False,
        "ReplicationEnabled": True,
        "AllowedAuthenticationType": "Certificate",
        "CertificateAuthenticationPort": 8084,
        "CertificateThumbprint": THUMBPRINT,
        "DefaultStorageLocation": "D:\\Replica",
    }


async def test_entries_of_others_are_left_alone(hyperv: FakeHyperV, context: MakeContext) -> None:
    foreign = {
        "AllowedPrimaryServer": "hv7.other.test",
        "ReplicaStorageLocation": "E:\\Other",
        "TrustGroup": "DEFAULT",
    }
    hyperv.hosts[BEIJING].entries["hv7.other.test"] = dict(foreign)
    found = await configure_replication_server(wanted(), context())
    assert hyperv.hosts[BEIJING].entries["hv7.other.test"] == foreign
    assert len(found.authorizations) == 2


async def test_an_entry_with_other_values_is_changed(
    hyperv: FakeHyperV, context: MakeContext
) -> None:
    hyperv.hosts[BEIJING].entries[SHANGHAI] = {
        "AllowedPrimaryServer": SHANGHAI.upper(),
        "ReplicaStorageLocation": "D:\\Replica\\",
        "TrustGroup": "Old",
    }
    await configure_replication_server(wanted(), context())
    assert ("authorization.changed", SHANGHAI) in hyperv.effects
    assert hyperv.hosts[BEIJING].entries[SHANGHAI]["TrustGroup"] == "GoldCloud1"


async def test_replication_by_kerberos_goes_on_beside_certificates(
    hyperv: FakeHyperV, context: MakeContext
) -> None:
    hyperv.hosts[BEIJING].server.update(
        ReplicationEnabled=True, AllowedAuthenticationType="Kerberos"
    )
    found = await configure_replication_server(wanted(), context())
    server = hyperv.hosts[BEIJING].server
    assert server["AllowedAuthenticationType"] == "CertificateAndKerberos"
    assert server["KerberosAuthenticationPort"] == 80
    assert found.authentication_type == AUTHENTICATION_TYPE_CERTIFICATE

    request = wanted()
    request.authentication_type = AUTHENTICATION_TYPE_KERBEROS
    request.port = 80
    told = await configure_replication_server(request, context())
    assert told.authentication_type == AUTHENTICATION_TYPE_KERBEROS
    assert (told.port, told.certificate_thumbprint) == (80, "")
    assert server["AllowedAuthenticationType"] == "CertificateAndKerberos"


async def test_a_host_that_let_everybody_in_asks_for_entries_from_now_on(
    hyperv: FakeHyperV, context: MakeContext
) -> None:
    hyperv.hosts[BEIJING].server["ReplicationAllowedFromAnyServer"] = True
    await configure_replication_server(wanted(), context())
    assert hyperv.hosts[BEIJING].server["ReplicationAllowedFromAnyServer"] is False


async def test_a_listener_that_does_not_come_up_is_told(
    hyperv: FakeHyperV, context: MakeContext
) -> None:
    hyperv.hosts[BEIJING].server["OperationalStatus"] = ["Error"]
    with pytest.raises(CommandError) as caught:
        await configure_replication_server(wanted(), context(limit_seconds=3))
    assert caught.value.failure.code == "StateNotReached"
    assert "Error" in caught.value.failure.message


@pytest.mark.parametrize("field", ["port", "certificate_thumbprint"])
async def test_settings_that_lack_something_change_nothing(
    hyperv: FakeHyperV, context: MakeContext, field: str
) -> None:
    request = wanted()
    request.ClearField(field)  # type: ignore[arg-type]  # the stub lists the names one by one
    with pytest.raises(CommandError) as caught:
        await configure_replication_server(request, context())
    assert caught.value.failure.code == "CommandInvalid"
    assert hyperv.effects == []


@pytest.mark.spec("JB-3")
@pytest.mark.parametrize(
    "cmdlet",
    [
        "Enable-OsrReplicationFirewallRule",
        "Set-VMReplicationServer",
        "New-VMReplicationAuthorizationEntry",
    ],
)
@pytest.mark.parametrize("after_the_effect", [False, True])
async def test_powershell_dying_at_any_step_leaves_each_effect_once(
    hyperv: FakeHyperV, context: MakeContext, cmdlet: str, *, after_the_effect: bool
) -> None:
    hyperv.trouble(cmdlet, gone(), after_the_effect=after_the_effect)
    await configure_replication_server(wanted(), context())
    assert [name for name, _ in hyperv.effects] == [
        "firewall.opened",
        "server.set",
        "authorization.added",
    ]


async def test_refreshing_a_host_goes_through_vmm(hyperv: FakeHyperV, context: MakeContext) -> None:
    found = await refresh_host(RefreshHost(host=BEIJING), context())
    assert found.host == BEIJING
    assert hyperv.effects == [("host.refreshed", BEIJING)]
    assert [step.name for step in hyperv.pipelines[-1]] == [
        "Get-SCVMMServer",
        "Get-SCVMHost",
        "Read-SCVirtualMachine",
    ]


async def test_a_host_vmm_does_not_know_cannot_be_refreshed(
    hyperv: FakeHyperV, context: MakeContext
) -> None:
    with pytest.raises(CommandError) as caught:
        await refresh_host(RefreshHost(host="nobody.test"), context())
    assert caught.value.failure.code == "HostNotFound"
    assert hyperv.effects == []
