"""Start-, Stop- and Complete-VMFailover."""

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.hyperv_objects import virtual_machine
from deploy.lab.cmdlets.hyperv_targets import Target, of_object, targets
from deploy.lab.cmdlets.hyperv_vm import act_on
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import Invocation, PSObject
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.site import Site


async def start_vm_failover(site: Site, call: Invocation, written: Written) -> None:
    """-Prepare on the primary; on the replica to the latest point or the one given.

    With -AsTest a test virtual machine is made; -Passthru then gives that one. Which of the two
    Windows gives is not documented.
    """
    snapshot = next(iter(arguments.objects(call, "VMRecoverySnapshot")), None)
    if snapshot is not None:
        await _start_from(site, call, written, snapshot)
        return

    if arguments.switch(call, "AsTest"):
        await _start_tests(site, call, written)
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
    if arguments.switch(call, "AsTest"):
        vm = await site.start_test_failover(host, vm, call.command_id, point)
    else:
        await site.start_failover(host, vm, call.command_id, point)
    if arguments.switch(call, "Passthru"):
        written.output(virtual_machine(site, host, vm))


async def _start_tests(site: Site, call: Invocation, written: Written) -> None:
    for host, vm in list(targets(site, call, written)):
        try:
            machine = await site.start_test_failover(host, vm, call.command_id)
        except HyperVError as error:
            written.error(error)
        else:
            if arguments.switch(call, "Passthru"):
                written.output(virtual_machine(site, host, machine))


async def stop_vm_failover(site: Site, call: Invocation, written: Written) -> None:
    async def stop(target: Target) -> None:
        await site.cancel_failover(*target, call.command_id)

    await act_on(site, call, written, stop)


async def complete_vm_failover(site: Site, call: Invocation, written: Written) -> None:
    async def complete(target: Target) -> None:
        await site.complete_failover(*target, call.command_id)

    await act_on(site, call, written, complete)
