"""Resume-VMReplication, with and without -Resynchronize, and Stop-VMReplication."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from deploy.lab.site.errors import invalid_parameter
from deploy.lab.site.initial_replication import LONGEST_SCHEDULE
from deploy.lab.site.replication_model import Replication, ReplicationMode, ReplicationState
from deploy.lab.site.replication_states import Event, allows, apply_event, wrong_state
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


@dataclass(frozen=True, kw_only=True)
class Resumption:
    """Parameters of Resume-VMReplication.

    Attributes:
        resynchronize: Compare, though going on might do.
        go_on: -Continue: only an interrupted comparison.
        start_time: When to compare, at most seven days ahead; the state stays until then.
    """

    resynchronize: bool = False
    go_on: bool = False
    start_time: datetime | None = None


async def resume(
    site: SiteCore, host: Host, vm: VirtualMachine, command_id: str | None, how: Resumption
) -> None:
    """Go on after a suspension, an error, or when a resynchronisation is required."""
    async with site.runtime(vm).lock:
        resynchronize = how.resynchronize or how.start_time is not None
        replication = replication_of(vm)
        if resynchronize:
            replication_of(vm, ReplicationMode.PRIMARY)
            _refuse_without_copy(replication)
        if how.go_on and replication.state is not ReplicationState.RESYNCHRONIZE_SUSPENDED:
            raise wrong_state()
        if how.start_time is not None and how.start_time > site.now_at(host.fqdn):
            _schedule(site, host, vm, command_id, how.start_time)
            return
        replication.resynchronize_start_time = None
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


def _refuse_without_copy(replication: Replication) -> None:
    """Raises HyperVError when the first copy was paused or broke: there is nothing to compare with.

    That Hyper-V refuses it is not documented; it documents comparing only for what has replicated.
    """
    begun = replication.state in (ReplicationState.SUSPENDED, ReplicationState.ERROR)
    if begun and not replication.log.initial_done:
        raise wrong_state()


def _schedule(
    site: SiteCore,
    host: Host,
    vm: VirtualMachine,
    command_id: str | None,
    start_time: datetime,
) -> None:
    """Keep when to compare; what runs must be suspended first, as for a comparison at once."""
    replication = replication_of(vm)
    if not allows(replication, Event.RESYNC_STARTED):
        raise wrong_state()
    if start_time > site.now_at(host.fqdn) + LONGEST_SCHEDULE:
        raise invalid_parameter("ResynchronizeStartTime must be within seven days.")
    replication.resynchronize_start_time = start_time
    site.save_vm(vm)
    site.record(
        host.fqdn,
        ("resynchronization.scheduled", vm.vm_id),
        command_id,
        {"name": vm.name, "start_time": start_time.isoformat()},
    )
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
