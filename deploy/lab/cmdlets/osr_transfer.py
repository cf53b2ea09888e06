"""The module's functions about paths of offline first copies, as the lab's hosts have them."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.hyperv_targets import host_named
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import I64, Invocation, PSObject, Value
from deploy.lab.site.model import Host
from deploy.lab.site.site import Site
from deploy.lab.site.transfer_paths import (
    FULL_CONTROL,
    NONE,
    PathRights,
    TransferPaths,
    access_denied,
    accounts,
)

_CUSTOM = ("System.Management.Automation.PSCustomObject", "System.Object")


def _host(site: Site, call: Invocation) -> Host:
    return host_named(site, arguments.required_text(call, "ComputerName"))


def _object(**properties: Value) -> PSObject:
    return PSObject(_CUSTOM, None, properties)


async def test_osr_replication_path(site: Site, call: Invocation, written: Written) -> None:
    """One object for each account, whether or not the path exists."""
    host, path = _host(site, call), arguments.required_text(call, "Path")
    paths = TransferPaths(site)
    root = paths.root_of(path)
    exists = paths.folder(host.fqdn, path) is not None
    unc = path.startswith("\\\\")
    parts = path.strip("\\").split("\\") if unc else []
    for account in arguments.texts(call, "Account"):
        known = root.rights if root is not None and exists else {}
        rights = next(
            (each for name, each in known.items() if name.lower() == account.lower()), PathRights()
        )
        written.output(
            _object(
                Exists=exists,
                FileServer=parts[0] if parts else "",
                Share=parts[1] if len(parts) > 1 else "",
                Account=account,
                NtfsRights=rights.ntfs,
                SharePermission=rights.share if unc else "",
                LocalGroups=list[Value](rights.groups if unc else []),
            )
        )


async def grant_osr_replication_path(site: Site, call: Invocation, written: Written) -> None:
    del written
    host, path = _host(site, call), arguments.required_text(call, "Path")
    account = arguments.required_text(call, "Account")
    paths = TransferPaths(site)
    records = paths.load()
    root = paths.root_of(path)
    if root is None or paths.folder(host.fqdn, path) is None or not root.grantable:
        raise access_denied(path)
    rights = PathRights(ntfs=FULL_CONTROL, share=FULL_CONTROL if root.server else NONE)
    for each in records.paths:
        if each.path == root.path and each.rights.get(account) != rights:
            each.rights[account] = rights
            paths.save(records)
            site.record(host.fqdn, ("path.granted", path), call.command_id, {"account": account})


async def get_osr_delegation(site: Site, call: Invocation, written: Written) -> None:
    name = arguments.required_text(call, "ComputerName")
    if name.lower() == site.vmm.server.fqdn.lower():
        account, services, protocol_transition = accounts(site).computer(name), [], False
    else:
        host = _host(site, call)
        found = TransferPaths(site).delegation(host)
        account = accounts(site).computer(host.fqdn)
        services, protocol_transition = found.services, found.protocol_transition
    written.output(
        _object(
            Account=account,
            AllowedToDelegateTo=list[Value](services),
            ProtocolTransition=protocol_transition,
        )
    )


async def get_osr_initial_replication(site: Site, call: Invocation, written: Written) -> None:
    """Folders named like an export; none for a path that is not there."""
    host, path = _host(site, call), arguments.required_text(call, "Path")
    folder = TransferPaths(site).folder(host.fqdn, path)
    if folder is None:
        return
    for shown in await asyncio.to_thread(_folders, folder):
        written.output(shown)


def _folders(folder: Path) -> list[PSObject]:
    found = []
    for each in sorted(folder.iterdir()):
        _, separator, last = each.name.rpartition("_")
        if not each.is_dir() or not separator or len(last) != 36:
            continue
        files = [file.stat() for file in each.rglob("*") if file.is_file()]
        newest = max((file.st_mtime for file in files), default=each.stat().st_mtime)
        found.append(
            _object(
                Name=each.name,
                Files=len(files),
                SizeBytes=I64(sum(file.st_size for file in files)),
                NewestWrite=datetime.fromtimestamp(newest, UTC),
            )
        )
    return found
