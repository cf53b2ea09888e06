"""What to run by hand after an item or a pairing was removed from the vault only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

HostName = str


def item_clean_up(
    vm_id: str,
    active_host: HostName,
    passive_host: HostName,
    *,
    delete_replica: bool,
    clear_mark: bool = False,
    adapters: Iterable[str] = (),
) -> Mapping[str, str]:
    """PowerShell for the hosts of an item, by host.

    The machine is named by Hyper-V's id, which is unique and needs no quoting.

    Args:
        vm_id: Hyper-V's id, equal on both sides.
        active_host: FQDN of the host the machine runs on.
        passive_host: FQDN of the other copy's host; empty when there is none.
        delete_replica: The other copy is a replica that the policy wants deleted.
        clear_mark: VMM requires the machine's protection.
        adapters: VMM's ids of the other copy's adapters that an address is kept for.

    Source: SPEC RE-7.
    """
    commands = {active_host: _removal(vm_id, active_host)}
    if clear_mark:
        commands[active_host] += (
            f"; {_in_vmm(vm_id, active_host)} | Set-SCVirtualMachine -ClearDRProtection"
        )
    if passive_host:
        commands[passive_host] = "; ".join(
            [
                _removal(vm_id, passive_host),
                *(
                    f"Get-SCIPAddress -GrantToObjectID {adapter} | Revoke-SCIPAddress"
                    for adapter in adapters
                ),
            ]
        )
        if delete_replica:
            commands[passive_host] += "; " + _deletion(vm_id, passive_host)
    return commands


def pairing_clean_up(
    removed: Mapping[HostName, Iterable[str]], passed_on: Mapping[HostName, Mapping[str, str]]
) -> Mapping[str, str]:
    """PowerShell for the hosts of a pairing, by host.

    Args:
        removed: By host the primary servers whose entries nobody needs any more.
        passed_on: By host the trust groups that entries get which other pairings need, by their
            primary servers.

    Source: SPEC PA-4.
    """
    commands: dict[str, str] = {}
    for host in sorted({*removed, *passed_on}):
        on_host = f"-ComputerName {host} -AllowedPrimaryServer"
        entries = [
            f"Remove-VMReplicationAuthorizationEntry {on_host} {server}"
            for server in sorted(removed.get(host, ()))
        ]
        entries += [
            f"Set-VMReplicationAuthorizationEntry {on_host} {server} -TrustGroup {group}"
            for server, group in sorted(passed_on.get(host, {}).items())
        ]
        if entries:
            commands[host] = "; ".join(entries)
    return commands


def _removal(vm_id: str, host: HostName) -> str:
    return f"Get-VM -ComputerName {host} -Id {vm_id} | Remove-VMReplication"


def _deletion(vm_id: str, host: HostName) -> str:
    return (
        f"Get-SCVMHost -ComputerName {host} | Read-SCVirtualMachine;"
        f" {_in_vmm(vm_id, host)} | Remove-SCVirtualMachine"
    )


def _in_vmm(vm_id: str, host: HostName) -> str:
    return (
        f"Get-SCVMHost -ComputerName {host} | Get-SCVirtualMachine | Where-Object VMId -eq {vm_id}"
    )
