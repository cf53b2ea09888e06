"""The replication server of a host, its authorization entries, Test-VMReplicationConnection."""

from collections.abc import Iterator

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.hyperv_targets import host_named, hosts
from deploy.lab.cmdlets.messages import refusal
from deploy.lab.cmdlets.replication_objects import authorization_entry, replication_server
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import Invocation
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.model import AuthorizationEntry, Host
from deploy.lab.site.replication_model import Authentication, ReplicationServerChanges
from deploy.lab.site.site import Site

_CONNECTED = (
    "The connection to the specified Replica server with the specified parameters was successful."
)


async def get_vm_replication_server(site: Site, call: Invocation, written: Written) -> None:
    for host in hosts(site, call, written):
        written.output(replication_server(host))


async def set_vm_replication_server(site: Site, call: Invocation, written: Written) -> None:
    for parameter in ("KerberosAuthenticationPortMapping", "CertificateAuthenticationPortMapping"):
        if parameter in call.parameters:
            raise refusal("not_emulated", f"the parameter '{parameter}' of {call.cmdlet}")
    changes = ReplicationServerChanges(
        enabled=arguments.boolean(call, "ReplicationEnabled"),
        authentication=arguments.enum_name(call, "AllowedAuthenticationType"),
        allow_any_server=arguments.boolean(call, "ReplicationAllowedFromAnyServer"),
        certificate_thumbprint=arguments.text(call, "CertificateThumbprint"),
        default_storage_location=arguments.text(call, "DefaultStorageLocation"),
        kerberos_port=arguments.number(call, "KerberosAuthenticationPort"),
        certificate_port=arguments.number(call, "CertificateAuthenticationPort"),
        monitoring_interval=arguments.duration(call, "MonitoringInterval"),
        monitoring_start=arguments.duration(call, "MonitoringStartTime"),
    )
    for host in hosts(site, call, written):
        try:
            await site.set_replication_server(host, changes, call.command_id)
        except HyperVError as error:
            written.error(error)
        else:
            if arguments.switch(call, "Passthru"):
                written.output(replication_server(host))


async def new_vm_replication_authorization_entry(
    site: Site, call: Invocation, written: Written
) -> None:
    for host in hosts(site, call, written):
        entry = AuthorizationEntry(
            allowed_primary_server=arguments.required_text(call, "AllowedPrimaryServer"),
            replica_storage_location=arguments.required_text(call, "ReplicaStorageLocation"),
            trust_group=arguments.required_text(call, "TrustGroup"),
        )
        try:
            await site.add_authorization_entry(host, entry, call.command_id)
        except HyperVError as error:
            written.error(error)
        else:
            # New- writes the object without -Passthru, as all New- cmdlets do.
            written.output(authorization_entry(host, entry))


def _entries_given(
    site: Site, call: Invocation, written: Written
) -> Iterator[tuple[Host, AuthorizationEntry]]:
    """The entries that a Set- or Remove- call means: objects, a server's name, a trust group."""
    for item in arguments.objects(call, "VMReplicationAuthorizationEntry"):
        host = host_named(site, arguments.property_text(item, "ComputerName"))
        yield host, _entry_of(host, arguments.property_text(item, "AllowedPrimaryServer"))
    if "VMReplicationAuthorizationEntry" in call.parameters:
        return
    for host in hosts(site, call, written):
        server = arguments.text(call, "AllowedPrimaryServer")
        if server is not None:
            yield host, _entry_of(host, server)
            continue
        group = arguments.required_text(call, "TrustGroup").lower()
        for entry in list(host.replication_server.authorization_entries):
            if entry.trust_group.lower() == group:
                yield host, entry


def _entry_of(host: Host, server: str) -> AuthorizationEntry:
    """The entry; one that does not exist is left to the site to refuse."""
    for entry in host.replication_server.authorization_entries:
        if entry.allowed_primary_server.lower() == server.lower():
            return entry
    return AuthorizationEntry(
        allowed_primary_server=server, replica_storage_location="", trust_group=""
    )


async def get_vm_replication_authorization_entry(
    site: Site, call: Invocation, written: Written
) -> None:
    wanted = {
        name: value.lower()
        for name in ("AllowedPrimaryServer", "ReplicaStorageLocation", "TrustGroup")
        if (value := arguments.text(call, name)) is not None
    }
    for host in hosts(site, call, written):
        for entry in host.replication_server.authorization_entries:
            shown = authorization_entry(host, entry)
            if all(
                arguments.property_text(shown, name).lower() == value
                for name, value in wanted.items()
            ):
                written.output(shown)


async def set_vm_replication_authorization_entry(
    site: Site, call: Invocation, written: Written
) -> None:
    for host, entry in _entries_given(site, call, written):
        try:
            changed = await site.set_authorization_entry(
                host,
                entry.allowed_primary_server,
                arguments.text(call, "ReplicaStorageLocation"),
                arguments.text(call, "TrustGroup"),
                call.command_id,
            )
        except HyperVError as error:
            written.error(error)
        else:
            if arguments.switch(call, "Passthru"):
                written.output(authorization_entry(host, changed))


async def remove_vm_replication_authorization_entry(
    site: Site, call: Invocation, written: Written
) -> None:
    for host, entry in list(_entries_given(site, call, written)):
        try:
            await site.remove_authorization_entry(
                host, entry.allowed_primary_server, call.command_id
            )
        except HyperVError as error:
            written.error(error)
        else:
            if arguments.switch(call, "Passthru"):
                written.output(authorization_entry(host, entry))


async def test_vm_replication_connection(site: Site, call: Invocation, written: Written) -> None:
    for host in hosts(site, call, written):
        try:
            await site.test_replication_connection(
                host,
                arguments.required_text(call, "ReplicaServerName"),
                arguments.number(call, "ReplicaServerPort") or 0,
                Authentication(str(arguments.enum_name(call, "AuthenticationType"))),
                arguments.required_text(call, "CertificateThumbprint"),
            )
        except HyperVError as error:
            written.error(error)
        else:
            written.output(_CONNECTED)
