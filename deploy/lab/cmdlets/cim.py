"""Get-CimInstance, of the one class that says when a host started."""

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.hyperv_targets import hosts
from deploy.lab.cmdlets.messages import refusal
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import Invocation, PSObject
from deploy.lab.site.site import Site

_OPERATING_SYSTEM = "Win32_OperatingSystem"
_TYPES = (
    "Microsoft.Management.Infrastructure.CimInstance#root/cimv2/Win32_OperatingSystem",
    "Microsoft.Management.Infrastructure.CimInstance#root/cimv2/CIM_OperatingSystem",
    "Microsoft.Management.Infrastructure.CimInstance",
    "System.Object",
)


async def get_cim_instance(site: Site, call: Invocation, written: Written) -> None:
    name = arguments.required_text(call, "ClassName")
    if name.lower() != _OPERATING_SYSTEM.lower() or arguments.text(call, "Filter"):
        written.error(refusal("not_emulated", f"Get-CimInstance of {name or 'a query'}"))
        return
    for host in hosts(site, call, written):
        written.output(
            PSObject(
                _TYPES,
                None,
                {
                    "CSName": host.fqdn.partition(".")[0].upper(),
                    "Caption": f"Microsoft {host.operating_system}",
                    "Version": host.os_version,
                    "LastBootUpTime": host.booted,
                    "LocalDateTime": site.now_at(host.fqdn),
                    "PSComputerName": host.fqdn,
                },
            )
        )
