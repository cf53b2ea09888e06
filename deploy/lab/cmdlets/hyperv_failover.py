"""Start-, Stop- and Complete-VMFailover."""

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.hyperv_objects import virtual_machine
from deploy.lab.cmdlets.hyperv_targets import Target, of_object
from deploy.lab.cmdlets.hyperv_vm import act_on
from deploy.lab.cmdlets.messages import refusal
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import Invocation, PSObject
from deploy.lab.site.site import Site


async def start_vm_failover(site: Site, call: Invocation, written: Written) -> None:
    """-Prepare on the primary; on the replica to the latest point or the one given."""
    if arguments.switch(call, "AsTest"):
        written.error(refusal("not_emulated", "test failover (-AsTest of Start-VMFailover)"))
        return
    snapshot = next(iter(arguments.objects(call, "VMRecoverySnapshot")), None)
    if snapshot is not None:
        await _start_from(site, call, written, snapshot)
        return

    async def start(target: Target) -> None:
        if arguments.switch(call, "Prepare"):
            await site.prepare_failover(*target, call.command_id)
        else:
            await site.start_failover(*target, call.command_id)

    await act_on(site, call, written, start)


async def _start_from(site: Site, call: Invocation, written: Written, snapshot: PSObject) -> None:
    host, vm = of_object(site, snapshot)
    point = arguments.property_text(snapshot, "Id")
    await site.start_failover(host, vm, call.command_id, point)
    if arguments.switch(call, "Passthru"):
        written.output(virtual_machine(site, host, vm))


async def stop_vm_failover(site: Site, call: Invocation, written: Written) -> None:
    async def stop(target: Target) -> None:
        await site.cancel_failover(*target, call.command_id)

    await act_on(site, call, written, stop)


async def complete_vm_failover(site: Site, call: Invocation, written: Written) -> None:
    async def complete(target: Target) -> None:
        await site.complete_failover(*target, call.command_id)

    await act_on(site, call, written, complete)
