"""Gates that a recovery plan opens for its machines, phase by phase."""

from __future__ import annotations

from enum import StrEnum


class Gate(StrEnum):
    """What a step of a machine waits for in a plan; in a job of its own every gate is open.

    Steps without a gate, such as checks, begin at once.
    """

    # The machine is shut down where it runs, in the reverse order of the groups.
    SHUTDOWN = "shutdown"
    # Everything that moves the machine, or its direction: all machines of a plan at once.
    FAILOVER = "failover"
    # The machine is started where it is now, group by group.
    BOOT = "boot"
