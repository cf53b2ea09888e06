"""The admin socket's requests that give a site faults, and list those it has."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from deploy.lab.site import host_operations, host_power, storage_outages
from deploy.lab.site.admin_machines import Handler
from deploy.lab.site.admin_records import Condition
from deploy.lab.site.errors import not_found

if TYPE_CHECKING:
    from deploy.lab.site.json_lines import Request
    from deploy.lab.site.site import Site


def fault_requests(site: Site) -> dict[str, Handler]:
    """Name of the request to what does it."""

    async def place_full(request: Request) -> None:
        path = _known_place(site, str(request["path"]))
        site.faults.set_full_place(path, full=bool(request["full"]))

    async def share_lost(request: Request) -> None:
        path = _known_place(site, str(request["path"]))
        change = storage_outages.lose_share if request["lost"] else storage_outages.find_share
        await change(site, path)

    async def vmm_down(request: Request) -> None:
        site.faults.vmm_down = bool(request["down"])

    async def powershell_down(request: Request) -> None:
        site.faults.powershell_down = bool(request["down"])

    async def mend_everything(request: Request) -> None:
        del request
        await _mend_everything(site)

    async def conditions(request: Request) -> Any:
        del request
        return [asdict(each) for each in _conditions(site)]

    return {
        "place_full": place_full,
        "share_lost": share_lost,
        "vmm_down": vmm_down,
        "powershell_down": powershell_down,
        "conditions": conditions,
        "mend_everything": mend_everything,
    }


def _known_place(site: Site, path: str) -> str:
    """Raises HyperVError unless it is a volume or a share of the site."""
    wanted = path.lower().rstrip("\\")
    known = [each.mount_point for each in site.vmm.volumes]
    known += [each.path for each in site.vmm.file_shares]
    if wanted in [each.lower().rstrip("\\") for each in known]:
        return path
    raise not_found(f"There is no volume or share '{path}' at {site.name}.", path)


async def _mend_everything(site: Site) -> None:
    faults = site.faults
    for each in list(faults.storage.full_hosts):
        faults.set_full_host(each, full=False)
    for each in list(faults.storage.full_places):
        faults.set_full_place(each, full=False)
    for each in list(faults.storage.lost_shares):
        await storage_outages.find_share(site, each)
    faults.bandwidth_bytes_per_second = None
    faults.vmm_down = faults.powershell_down = False
    faults.clear()
    for host in site.hosts:
        if not host.powered:
            await host_power.boot(site, host)
        if host.clock_skew_seconds:
            host_operations.set_clock_skew(site, host, 0.0)


def _conditions(site: Site) -> list[Condition]:
    storage, name = site.faults.storage, site.name
    found = [Condition(site=name, kind="disk-full", target=each) for each in storage.full_hosts]
    found += [Condition(site=name, kind="disk-full", target=each) for each in storage.full_places]
    found += [Condition(site=name, kind="share-lost", target=each) for each in storage.lost_shares]
    for host in site.hosts:
        if not host.powered:
            found.append(Condition(site=name, kind="host-crash", target=host.fqdn))
        if host.clock_skew_seconds:
            text = f"{host.clock_skew_seconds:+g} s"
            found.append(Condition(site=name, kind="clock", target=host.fqdn, detail=text))
    if site.faults.bandwidth_bytes_per_second is not None:
        text = f"{site.faults.bandwidth_bytes_per_second} bytes/s"
        found.append(Condition(site=name, kind="bandwidth", target=name, detail=text))
    server = site.vmm.server.fqdn
    if site.faults.vmm_down:
        found.append(Condition(site=name, kind="vmm-down", target=server))
    if site.faults.powershell_down:
        found.append(Condition(site=name, kind="powershell-down", target=server))
    found += [
        Condition(
            site=name, kind="cmdlet", target=each.cmdlet, detail=f"{each.kind}, {each.remaining} x"
        )
        for each in site.faults.faults
    ]
    return found
