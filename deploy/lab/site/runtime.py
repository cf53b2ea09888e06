"""What a VM has only while its site runs: locks, tasks, open positions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.lab.site.guest import Guest


class VmRuntime:
    """Of one VM.

    ``lock`` is held by whoever changes the VM's state or applies logs to its disks; ``gate`` by
    whoever writes to the disks or needs them still for a moment (a checkpoint). ``changed`` wakes
    the replicator, ``next_cycle`` says when it sends. ``start_task`` waits for the VM's
    AutomaticStartDelay. ``storage_is_moved`` is true from the call of
    Move-VMStorage to its end.
    """

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.gate = asyncio.Lock()
        self.changed = asyncio.Event()
        self.next_cycle = 0.0  # on the event loop's clock
        self.guest: Guest | None = None
        self.guest_task: asyncio.Task[None] | None = None
        self.replicator: asyncio.Task[None] | None = None
        self.import_task: asyncio.Task[None] | None = None
        self.start_task: asyncio.Task[None] | None = None
        self.storage_is_moved = False
