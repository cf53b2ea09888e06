"""Get-HotFix: the updates that Windows lists for a host."""

from fnmatch import fnmatchcase

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.hyperv_targets import hosts
from deploy.lab.cmdlets.messages import refusal
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import Invocation, PSObject
from deploy.lab.site.site import Site

_TYPES = (
    r"System.Management.ManagementObject#root\CIMV2\Win32_QuickFixEngineering",
    "System.Management.ManagementObject",
    "System.Object",
)


async def get_hot_fix(site: Site, call: Invocation, written: Written) -> None:
    """An update named by -Id that is not there is an error, as it is on Windows."""
    wanted = arguments.texts(call, "Id")
    described = arguments.texts(call, "Description")
    for host in hosts(site, call, written):
        for name in wanted:
            if name.upper() not in host.installed_updates:
                written.error(refusal("hot_fix_not_found", host.fqdn))
        for update in host.installed_updates:
            if wanted and update not in [name.upper() for name in wanted]:
                continue
            if described and not any(fnmatchcase("Update", each) for each in described):
                continue
            properties = {
                "Source": host.fqdn.partition(".")[0].upper(),
                "CSName": host.fqdn.partition(".")[0].upper(),
                "Description": "Update",
                "HotFixID": update,
                "InstalledBy": "NT AUTHORITY\\SYSTEM",
            }
            written.output(PSObject(_TYPES, None, dict(properties)))
