"""Resume-VMReplication, with and without -Resynchronize, and Stop-VMReplication."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.lab.site.replication_model import Replication, ReplicationMode, ReplicationState
from deploy.lab.site.replication_states import Event, apply_event
from deploy.lab.site.replicator import ensure_replicator, send_now
from deploy.lab.site.vm_replication import replication_of

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host, VirtualMachine

_RESYNC_STATES = (
    ReplicationState.WAITING_FOR_START_RESYNCHRONIZE,
    ReplicationState.RESYNCHRONIZE_SUSPENDED,
)


def _event(replication: Replication, *, resynchronize: bool) -> Event:
    """What resuming means here.

    Without tracking nothing else than comparing can bring the replica level, so a plain resume of
    a VM that needs a resynchronisation starts it (the documentation lists the state as allowed).
    """
    if replication.mode is ReplicationMode.PRIMARY and (
        resynchronize or replication.state in _RESYNC_STATES
    ):
        return Event.RESYNC_STARTED
    return Event.RESUMED if replication.log.initial_done else Event.RESUMED_INITIAL


async def resume(
    site: SiteCore,
    host: Host,
    vm: VirtualMachine,
    command_id: str | None,
    *,
    resynchronize: bool,
) -> None:
    """Go on after a suspension, an error, or when a resynchronisation is required."""
    async with site.runtime(vm).lock:
        replication = replication_of(vm)
        if resynchronize:
            replication_of(vm, ReplicationMode.PRIMARY)
        apply_event(replication, _event(replication, resynchronize=resynchronize))
        replication.log.failures = 0
        replication.last_error = ""
        site.save_vm(vm)
        site.record(
            host.fqdn,
            ("replication.resumed", vm.vm_id),
            command_id,
            {"name": vm.name, "state": replication.state.value},
        )
        ensure_replicator(site, vm)
        send_now(site, vm)


async def stop(site: SiteCore, host: Host, vm: VirtualMachine, command_id: str | None) -> None:
    """Cancel a resynchronisation; it is still required."""
    async with site.runtime(vm).lock:
        replication = replication_of(vm, ReplicationMode.PRIMARY)
        apply_event(replication, Event.RESYNC_STOPPED)
        site.tracker(vm).stop()
        replication.log.tracking = False
        replication.log.damaged = True
        replication.copy_percent = None
        site.save_vm(vm)
        site.record(
            host.fqdn, ("resynchronization.stopped", vm.vm_id), command_id, {"name": vm.name}
        )
