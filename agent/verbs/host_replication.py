"""Commands about hosts: read and configure how a host receives replication, refresh it in VMM."""

from __future__ import annotations

from opensiterecovery.provider.v1.command_pb2 import (
    AUTHENTICATION_TYPE_KERBEROS,
    ConfigureReplicationServer,
    HostRefreshed,
    HostReplication,
    ReadHostReplication,
    RefreshHost,
)
from opensiterecovery.provider.v1.failure_pb2 import Failure

from agent.failures import CommandError, failure
from agent.powershell.cmdlet import cmdlet, select
from agent.verbs.act import Goal, reach
from agent.verbs.authorizations import differing, set_authorizations
from agent.verbs.context import VerbContext
from agent.verbs.firewall import open_firewall
from agent.verbs.host_updates import missing_updates
from agent.verbs.relationship import authentication_name
from agent.verbs.replication_server import (
    ReplicationServer,
    read_replication_server,
    server_changes,
    to_message,
)


async def read_host_replication(
    request: ReadHostReplication, context: VerbContext
) -> HostReplication:
    """Reads how the host receives replication, and which wanted updates it lacks.

    Changes nothing.
    """
    server = to_message(await read_replication_server(context, request.host))
    hosts = tuple(request.nodes) or (request.host,)
    server.missing_updates.extend(await missing_updates(context, hosts, request.wanted_updates))
    return server


async def configure_replication_server(
    request: ConfigureReplicationServer, context: VerbContext
) -> HostReplication:
    """Makes the host receive replication from the primaries named.

    What others set up is kept: authorization entries of other primaries stay, and a host that
    receives with the other kind of authentication goes on doing so.

    Idempotent: what is already as wanted is not set again.

    Raises:
        CommandError: The host refuses a setting, or its listener does not come up.
    """
    authentication_name(request.authentication_type)  # refuses an unknown one before anything

    async def act(server: ReplicationServer) -> None:
        for node in tuple(request.nodes) or (request.host,):
            await open_firewall(context, node, request.port)
        await _set_server(context, request, server)
        wanted = differing(request.authorizations, server)
        await set_authorizations(context, request.host, wanted, server)

    def reached(server: ReplicationServer) -> bool:
        return (
            not server_changes(request, server)
            and not differing(request.authorizations, server)
            and server.operational_status == "Ok"
        )

    goal = Goal(
        action="Set-VMReplicationServer",
        expected="listening as configured, status Ok",
        observe=lambda: read_replication_server(context, request.host),
        reached=reached,
        describe=_described,
        refuse=lambda _: _request_refusal(request),
    )
    return to_message(await reach(context, goal, act), request.authentication_type)


async def refresh_host(request: RefreshHost, context: VerbContext) -> HostRefreshed:
    """Makes VMM look at the host's machines again. Idempotent.

    Raises:
        CommandError: VMM manages no such host.

    Source: Read-SCVirtualMachine -VMHost.
    """
    # The connection goes through the pipeline, so that no runspace need have made one before.
    found = (
        cmdlet("Get-SCVMMServer", ComputerName=context.vmm_server),
        cmdlet("Get-SCVMHost", ComputerName=request.host),
    )
    hosts = await context.reader.run(
        *found, select("ID"), time_limit_seconds=context.read_seconds()
    )
    if not hosts:
        raise CommandError(
            failure(
                "HostNotFound",
                f"This VMM server manages no host named {request.host}.",
                ["The host was removed from VMM since the last discovery."],
                "Refresh the server in the vault.",
            )
        )
    # Looking twice does no harm.
    await context.reader.run(
        *found,
        cmdlet("Read-SCVirtualMachine"),
        time_limit_seconds=context.action_seconds(),
    )
    return HostRefreshed(host=request.host)


async def _set_server(
    context: VerbContext, request: ConfigureReplicationServer, server: ReplicationServer
) -> None:
    changes = server_changes(request, server)
    if changes:
        await context.powershell.run(
            cmdlet(
                "Set-VMReplicationServer",
                ComputerName=request.host,
                Force=True,
                Confirm=False,
                **changes,
            ),
            time_limit_seconds=context.action_seconds(),
        )


def _described(server: ReplicationServer) -> str:
    return (
        f"{'enabled' if server.replication_enabled else 'disabled'},"
        f" {server.authentication or 'no authentication'},"
        f" ports {server.kerberos_port}/{server.certificate_port},"
        f" status {server.operational_status}, {len(server.authorizations)} authorizations"
    )


def _request_refusal(request: ConfigureReplicationServer) -> Failure | None:
    missing: list[str] = []
    if not request.port:
        missing.append("a port")
    if request.authentication_type != AUTHENTICATION_TYPE_KERBEROS and (
        not request.certificate_thumbprint
    ):
        missing.append("the thumbprint of a certificate")
    if not missing:
        return None
    return failure(
        "CommandInvalid",
        f"The settings for {request.host} lack {' and '.join(missing)}.",
        ["The coordinator and the agent are of versions that do not fit together."],
        "Bring the agent to the coordinator's version.",
    )
