"""The admin socket's requests about hosts: power, clock, certificates, membership of clouds."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from deploy.lab.site import host_operations, host_power
from deploy.lab.site.admin_machines import Handler
from deploy.lab.site.admin_records import HostStatus

if TYPE_CHECKING:
    from deploy.lab.site.json_lines import Request
    from deploy.lab.site.model import Host
    from deploy.lab.site.site import Site


def host_requests(site: Site) -> dict[str, Handler]:
    """Name of the request to what does it."""

    async def crash(request: Request) -> None:
        await host_power.crash(site, host_operations.any_host(site, str(request["host"])))

    async def boot(request: Request) -> None:
        await host_power.boot(site, host_operations.any_host(site, str(request["host"])))

    async def add(request: Request) -> None:
        generation = request.get("windows_server")
        await host_operations.add_host(
            site, str(request["host"]), str(request["cloud"]), generation
        )

    async def move(request: Request) -> None:
        host = host_operations.any_host(site, str(request["host"]))
        await host_operations.move_host(site, host, str(request["cloud"]))

    async def remove(request: Request) -> None:
        host = host_operations.any_host(site, str(request["host"]))
        await host_operations.remove_host(site, host)

    async def clock(request: Request) -> None:
        host = host_operations.any_host(site, str(request["host"]))
        host_operations.set_clock_skew(site, host, float(request["seconds"]))

    async def hosts(request: Request) -> Any:
        del request
        return [asdict(_status(site, host)) for host in site.hosts]

    return {
        "hosts": hosts,
        "crash_host": crash,
        "boot_host": boot,
        "add_host": add,
        "move_host": move,
        "remove_host": remove,
        "set_clock": clock,
    }


def _status(site: Site, host: Host) -> HostStatus:
    server = host.replication_server
    return HostStatus(
        site=site.name,
        host=host.fqdn,
        windows_server=host.generation.value,
        cluster=host.cluster_fqdn,
        clouds=[
            cloud.name
            for cloud in site.vmm.clouds
            if host.host_group_path in cloud.host_group_paths
        ],
        powered=host.powered,
        clock_skew_seconds=host.clock_skew_seconds,
        machines=len(site.vms_on(host)),
        replication_server=server.operational_status if server.enabled else "Disabled",
    )
