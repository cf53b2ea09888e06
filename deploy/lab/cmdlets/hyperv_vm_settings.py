"""Set-VM, as far as it is about what a host does with a VM when it starts."""

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.hyperv_targets import Target
from deploy.lab.cmdlets.hyperv_vm import act_on
from deploy.lab.cmdlets.messages import refusal
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import Invocation
from deploy.lab.site.site import Site

ABOUT_STARTING = ("AutomaticStartAction", "AutomaticStartDelay")
_OF_THE_CALL = frozenset(
    {"VM", "Name", "ComputerName", "Passthru", "Confirm", "WhatIf", "ErrorAction", *ABOUT_STARTING}
)


async def set_vm(site: Site, call: Invocation, written: Written) -> None:
    """Changes a VM whether it runs or not."""
    others = sorted(set(call.parameters) - _OF_THE_CALL)
    if others:
        written.error(refusal("not_emulated", f"the parameter '{others[0]}' of Set-VM"))
        return
    action = arguments.enum_name(call, "AutomaticStartAction")
    delay_seconds = arguments.number(call, "AutomaticStartDelay")

    async def change(target: Target) -> None:
        host, vm = target
        wanted = (
            action or vm.automatic_start_action,
            vm.automatic_start_delay_seconds if delay_seconds is None else delay_seconds,
        )
        if wanted == (vm.automatic_start_action, vm.automatic_start_delay_seconds):
            return
        vm.automatic_start_action, vm.automatic_start_delay_seconds = wanted
        site.save_vm(vm)
        site.record(
            host.fqdn,
            ("vm.automatic_start_set", vm.vm_id),
            call.command_id,
            {"name": vm.name, "action": wanted[0], "delay_seconds": wanted[1]},
        )

    await act_on(site, call, written, change, "Name")
