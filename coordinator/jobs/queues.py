"""The queues of work, most urgent first."""

from __future__ import annotations

from enum import StrEnum


class QueueName(StrEnum):
    """A queue that workers take from; earlier ones are emptied before later ones are looked at."""

    FAILOVER = "failover"
    REPLICATION = "replication"
    INVENTORY = "inventory"


PRIORITIES = {queue: place for place, queue in enumerate(QueueName)}
