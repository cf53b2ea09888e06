"""One replication cycle of a primary: freeze the logs, ship them, delete them."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from deploy.lab.site.log_message import pack
from deploy.lab.site.primary_link import primary_link
from deploy.lab.site.replication_model import Replication, ReplicationType

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import VirtualMachine

HOUR_SECONDS = 3600.0


def type_of_cycle(site: SiteCore, vm: VirtualMachine, replication: Replication) -> ReplicationType:
    """ApplicationConsistent when VSS is on and its interval has passed."""
    if replication.vss_hours == 0 or replication.recovery_history == 0:
        return ReplicationType.REGULAR
    interval = timedelta(seconds=site.clock.real_seconds(replication.vss_hours * HOUR_SECONDS))
    last = replication.last_vss_time
    if last is None or site.now_at(vm.host_fqdn) - last >= interval:
        return ReplicationType.APPLICATION_CONSISTENT
    return ReplicationType.REGULAR


async def send_cycle(
    site: SiteCore,
    vm: VirtualMachine,
    replication: Replication,
    kind: ReplicationType,
    *,
    before_import: bool = False,
) -> dict[str, Any]:
    """Ship one log. The caller holds the VM's lock.

    Args:
        site: The primary's site.
        vm: The primary.
        replication: Its relationship.
        kind: What the log is to be.
        before_import: The replica may still wait for its offline first copy.

    Returns:
        The replica's answer; empty when the logs grew too long meanwhile.

    A log whose acknowledgement was lost is sent again under its number before newer changes are
    frozen; the replica tells it from a new one.

    Raises:
        LinkError: Nothing was lost; the frozen log waits for the next attempt.
    """
    sequence = replication.log.sequence
    tracker = site.tracker(vm)
    tracker.freeze(sequence)
    began = time.monotonic()
    await asyncio.to_thread(tracker.sync_frozen, sequence)
    logs = await asyncio.to_thread(tracker.frozen_logs, sequence)
    message = await asyncio.to_thread(pack, logs, compress=replication.compression)
    size_bytes = sum(len(log) for log in logs.values())
    async with primary_link(site, vm, replication) as link:
        answer, _ = await link.request(
            "log",
            message,
            sequence=sequence,
            type=kind.value,
            size_bytes=size_bytes,
            recovery_history=replication.recovery_history,
            frequency_seconds=replication.frequency_seconds,
            before_import=before_import,
        )
    if not replication.log.tracking:
        return {}  # the logs grew too long meanwhile; a resynchronisation comes next
    replication.log.sequence = sequence + 1
    replication.log.failures = 0
    replication.last_error = ""
    replication.last_replication_type = kind
    replication.last_replication_time = site.now_at(vm.host_fqdn)
    if kind is ReplicationType.APPLICATION_CONSISTENT:
        replication.last_vss_time = replication.last_replication_time
    _count(site, replication, size_bytes, time.monotonic() - began)
    site.save_vm(vm)
    tracker.discard(sequence)
    return answer


def _count(
    site: SiteCore, replication: Replication, size_bytes: int, latency_seconds: float
) -> None:
    statistics = replication.statistics
    statistics.successes += 1
    statistics.sum_size_bytes += size_bytes
    statistics.maximum_size_bytes = max(statistics.maximum_size_bytes, size_bytes)
    statistics.sum_latency_seconds += latency_seconds
    statistics.maximum_latency_seconds = max(statistics.maximum_latency_seconds, latency_seconds)
    interval = site.clock.real_seconds(replication.frequency_seconds)
    statistics.misses += int(latency_seconds // interval)
