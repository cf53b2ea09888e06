"""Get- and Enable-NetFirewallRule, which act on the machine that PowerShell runs on."""

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.messages import refusal
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import Invocation
from deploy.lab.site.site import Site

# These cmdlets have -CimSession and no -ComputerName; without it they reach the VMM server only,
# which has no rules of Hyper-V Replica.


async def net_firewall_rule(site: Site, call: Invocation, written: Written) -> None:
    """Finds nothing; a rule named outright is an error, as it is on Windows."""
    del site
    if call.parameters.get("CimSession"):
        written.error(refusal("not_emulated", f"the parameter 'CimSession' of {call.cmdlet}"))
        return
    for parameter in ("DisplayName", "Name"):
        for name in arguments.texts(call, parameter):
            if "*" not in name:
                written.error(refusal("firewall_is_remote", f"{parameter}' equal to '{name}"))
