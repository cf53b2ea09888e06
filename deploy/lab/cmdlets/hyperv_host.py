"""Get-VMHost."""

from deploy.lab.cmdlets.hyperv_objects import vm_host
from deploy.lab.cmdlets.hyperv_targets import hosts
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import Invocation
from deploy.lab.site.site import Site


async def get_vm_host(site: Site, call: Invocation, written: Written) -> None:
    for host in hosts(site, call, written):
        written.output(vm_host(host))
